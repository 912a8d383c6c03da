"""What Squidie costs, beside hand-written loops: `python -m benchmarks`."""
