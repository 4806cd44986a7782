"""How many subjects to fit at once: by cores and memory.

One worker per core, as long as each has the memory that it peaks at: much of a fit is Python and
small operations that do not spread over threads. On two cores that other jobs kept busy (load 7),
one worker of two threads and two of one thread finished the same number, 100 to 115 subjects an
hour (`--preset fast`, maps of 512); the gain of more workers needs free cores.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

GIB = 1 << 30
#: Peak of one worker, measured: 1.5 GiB with maps of 256 texels, 2.2 GiB with 1024; a part grows
#: with the area of the maps. Large photos need some more.
BASE_MEMORY = 2.0 * GIB
MAP_MEMORY = 1.0 * GIB  # at 1024 x 1024


def worker_memory(size: int) -> float:
    """Bytes one worker may need for maps of `size` texels."""
    return BASE_MEMORY + MAP_MEMORY * (size / 1024) ** 2


def default_jobs(size: int, device: str = "auto", cores: int = 0, memory: float = 0) -> int:
    """Workers at a time: one per core that has the memory for it, one where there is a GPU.

    `cores` and `memory` (bytes) are those of this machine by default.
    """
    if device == "cuda" or (device == "auto" and has_gpu()):
        return 1
    fitting = int((memory or free_memory()) / worker_memory(size))
    return max(1, min(cores or usable_cores(), fitting))


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU, asked without loading torch."""
    return Path("/dev/nvidiactl").exists()


def usable_cores() -> int:
    """Cores this process may use: its affinity, and the quota of its container."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        cores = min(cores, max(1, round(int(quota) / int(period))))
    return cores


def free_memory() -> float:
    """Bytes that can be had without pushing others out, within the limit of the container."""
    free = float("inf")
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free = float(line.split()[1]) * 1024
    if free == float("inf") and sys.platform != "win32":  # no Linux: half of what is built in
        with contextlib.suppress(OSError, ValueError):
            free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2
    limit, used = _read("/sys/fs/cgroup/memory.max"), _read("/sys/fs/cgroup/memory.current")
    if limit.strip().isdigit() and used.strip().isdigit():
        free = min(free, float(limit) - float(used))
    return free if free != float("inf") else 4 * GIB


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
