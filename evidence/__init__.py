"""Does it survive? Real servers and processes, faults on purpose, and a verdict: `python -m evidence <command>`."""
