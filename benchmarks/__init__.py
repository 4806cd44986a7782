"""Measurements that are printed, not tested: each is a script, `python -m benchmarks.NAME`."""

import os

# As the command line does, before torch loads: idle threads that spin take the cores of others.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
