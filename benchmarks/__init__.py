"""Measurements that are printed, not tested: each is a script, `python -m benchmarks.NAME`."""
