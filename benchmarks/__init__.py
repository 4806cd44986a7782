"""Measurements that are printed, not tested. Each is a script: `python benchmarks/NAME.py`."""
