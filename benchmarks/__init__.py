"""What the project measures: each script runs as `python -m benchmarks.NAME`."""
