from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fitme.runtime import resources


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of control groups, empty: no limits. The host has 64 cores."""
    monkeypatch.setattr(resources, "_CGROUP", tmp_path)
    monkeypatch.setattr(resources, "host_cores", lambda: 64)
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def quota(folder: Path, version: int, cores: float) -> None:
    if version == 2:
        write(folder, "cpu.max", f"{int(cores * 100000)} 100000\n")
    else:
        write(folder, "cpu/cpu.cfs_quota_us", f"{int(cores * 100000)}\n")
        write(folder, "cpu/cpu.cfs_period_us", "100000\n")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("cores", "usable"), [(0.5, 1), (2, 2), (2.6, 3), (64, 64), (99, 64)])
def test_quota(container: Path, version: int, cores: float, usable: int) -> None:
    quota(container, version, cores)
    assert resources.usable_cores() == usable


def test_no_quota(container: Path) -> None:
    assert resources.usable_cores() == 64
    write(container, "cpu.max", "max 100000\n")
    assert resources.usable_cores() == 64
    (container / "cpu.max").unlink()
    write(container, "cpu/cpu.cfs_quota_us", "-1\n")
    write(container, "cpu/cpu.cfs_period_us", "100000\n")
    assert resources.usable_cores() == 64


def test_memory_limit(container: Path) -> None:
    host = resources.free_memory()
    assert host > 1e8
    write(container, "memory.max", "max\n")
    write(container, "memory.current", "1000\n")
    assert resources.free_memory() == pytest.approx(host, rel=0.3)
    write(container, "memory.max", "50001000\n")
    assert resources.free_memory() == 50_000_000
    write(container, "memory.max", "500\n")
    assert resources.free_memory() == 0


def test_memory_limit_of_version_1(container: Path) -> None:
    write(container, "memory/memory.limit_in_bytes", "50001000\n")
    write(container, "memory/memory.usage_in_bytes", "1000\n")
    assert resources.free_memory() == 50_000_000


class TestLimitThreads:
    def test_quota_is_the_number_of_threads(self, container: Path) -> None:
        quota(container, 2, 4)
        resources.limit_threads()
        assert os.environ["OMP_NUM_THREADS"] == os.environ["NUMBA_NUM_THREADS"] == "4"

    def test_the_users_choice_stays(self, container: Path, monkeypatch) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
        quota(container, 2, 4)
        resources.limit_threads()
        assert os.environ["OMP_NUM_THREADS"] == "7"

    def test_without_quota_nothing_is_set(self, container: Path) -> None:
        resources.limit_threads()
        assert "OMP_NUM_THREADS" not in os.environ

    def test_the_command_line_does_it_before_torch_loads(self, tmp_path: Path) -> None:
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "from fitme.runtime import resources\n"
            f"resources._CGROUP = Path({str(tmp_path)!r})\n"
            "resources.host_cores = lambda: 16\n"
            "import fitme.cli.main\n"
            "assert 'torch' not in sys.modules\n"
            "import torch\n"
            "print(torch.get_num_threads())\n"
        )
        quota(tmp_path, 2, 1)
        # One thread, since torch takes no more than there are cores here.
        free = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=free, check=True
        )
        assert done.stdout == "1\n"
