"""How many subjects to fit at once: by cores and memory.

One worker per core, as long as each has the memory that it peaks at: much of a fit is Python and
small operations that do not spread over threads. On two cores that other jobs kept busy (load 7),
one worker of two threads and two of one thread finished the same number, 100 to 115 subjects an
hour (`--preset fast`, maps of 512); the gain of more workers needs free cores.
"""

from __future__ import annotations

import os
from pathlib import Path

GIB = 1 << 30
_CGROUP = Path("/sys/fs/cgroup")  # within a container the root is its own
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
    cores = host_cores()
    quota, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    if not quota:  # the first version of control groups
        quota = _read(_CGROUP / "cpu" / "cpu.cfs_quota_us")
        period = _read(_CGROUP / "cpu" / "cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit():
        cores = min(cores, max(1, round(int(quota) / int(period))))
    return cores


def host_cores() -> int:
    """Cores by the affinity of this process alone: what libraries take for granted."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def limit_threads() -> None:
    """Let libraries that load later (torch, numba) use no more threads than the quota allows.

    They ask for the cores of the machine, of which a container may have a few. What the user set
    stays, and without a quota nothing is set.
    """
    cores = usable_cores()
    if cores < host_cores():
        for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
            os.environ.setdefault(variable, str(cores))


def free_memory() -> float:
    """Bytes that can be had without pushing others out, within the limit of the container."""
    import psutil  # here: starting `fitme --help` need not wait for it

    free = float(psutil.virtual_memory().available)
    limit, used = _read(_CGROUP / "memory.max"), _read(_CGROUP / "memory.current")
    if not limit:
        limit = _read(_CGROUP / "memory" / "memory.limit_in_bytes")
        used = _read(_CGROUP / "memory" / "memory.usage_in_bytes")
    if limit.isdigit() and used.isdigit():
        free = min(free, max(0.0, float(limit) - float(used)))
    return free


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
