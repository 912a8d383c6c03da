"""Small workflows, one for each thing that a run can do, and `smoke`, which plays them all."""
