"""A whole run killed in the middle: nothing finished is lost, nothing is half written."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fitme.batch import run_batch
from tests.batch.fake_fits import fake_fit, notes

CHILD = """
import signal
import sys
from pathlib import Path
from tests.batch.fake_fits import fake_fit
from fitme.batch import run_batch

if __name__ == "__main__":
    # What runs in the background of a shell inherits that interrupts are ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run_batch(Path(sys.argv[1]), Path(sys.argv[2]), jobs=2, fit=fake_fit)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def start(folder: Path, root: Path, env: dict[str, str]) -> subprocess.Popen:
    script = folder.parent / "child.py"
    script.write_text(CHILD)
    return subprocess.Popen([sys.executable, str(script), str(folder), str(root)], env=env)


def wait_for(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def finished(root: Path) -> set[str]:
    return {path.parent.name for path in root.glob("[!.]*/batch.json")}


def children(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children()]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_worker(pid: int) -> bool:
    return "spawn_main" in " ".join(psutil.Process(pid).cmdline())


def test_sigkill_twice_and_resume(people, child_env, tmp_path: Path) -> None:
    folder, root = people(**{f"s{i}": "slow 0.4" for i in range(8)}), tmp_path / "out"
    kept: dict[str, int] = {}
    for wanted in (2, 5):
        child = start(folder, root, child_env)
        wait_for(lambda wanted=wanted: len(finished(root)) >= wanted)
        workers = children(child.pid)
        child.kill()
        child.wait()
        if workers:
            wait_for(lambda workers=workers: not any(map(is_running, workers)), 10)
        times = {name: (root / name / "batch.json").stat().st_mtime_ns for name in finished(root)}
        assert times.items() >= kept.items()
        kept = times
    assert len(kept) < 8  # it was in the middle
    summary = run_batch(folder, root, jobs=2, fit=fake_fit)  # takes over the lock of the dead
    assert {result.status for result in summary.results} == {"done"}
    assert {result.name for result in summary.results if result.earlier} == set(kept)
    for name, stamp in kept.items():
        assert (root / name / "batch.json").stat().st_mtime_ns == stamp
    assert all(notes(folder, "ends.txt").count(name) == 1 for name in kept)
    assert not [path for path in root.iterdir() if path.name.startswith(".")]
    assert not (root / "_batch" / "work").exists()


@pytest.fixture
def orphans_stay() -> Iterator[None]:
    """Orphans of this process's children become its own and stay in the table of processes when
    they die, as where the first process of a container reaps nobody (or is late: a busy machine).
    """
    if not sys.platform.startswith("linux"):
        pytest.skip("needs PR_SET_CHILD_SUBREAPER")
    prctl, subreaper = ctypes.CDLL(None).prctl, 36
    assert prctl(subreaper, 1, 0, 0, 0) == 0
    before = set(children(os.getpid()))
    yield
    prctl(subreaper, 0, 0, 0, 0)
    for pid in set(children(os.getpid())) - before:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@pytest.mark.parametrize("rename", [1, 2])
@pytest.mark.parametrize("what", ["all", "worker"])
def test_killed_half_way_into_place(
    what: str, rename: int, people, child_env, orphans_stay, tmp_path: Path
) -> None:
    """A worker dies before it moves the finished folder into place, or (2) after it has moved
    the earlier result away; its process number still answers when the batch goes on."""
    folder, root = people(s="ok 70", t="ok 70"), tmp_path / "out"
    run_batch(folder, root, jobs=1, fit=fake_fit)
    (folder.parent / "starts.txt").unlink()
    people(s=f"hang once before {rename}")
    child = start(folder, root, child_env)
    wait_for(lambda: notes(folder, "hangs.txt") == ["s"])
    workers = [pid for pid in children(child.pid) if is_worker(pid)]
    if what == "all":
        child.kill()
        child.wait()
        wait_for(lambda: not any(map(is_running, workers)), 10)
        assert all(map(psutil.pid_exists, workers))
        assert (root / "s").exists() == (rename == 1)
        people(s="refuse")  # the earlier result comes back and stays
        run_batch(folder, root, jobs=1, fit=fake_fit)
        assert (root / "s" / "avatar.glb").read_bytes() == b"ok 70" * 1000
    else:
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        assert child.wait(timeout=60) == 0
        assert (root / "s" / "avatar.glb").read_bytes().startswith(b"hang")
    entries = sorted(path.name for path in root.iterdir())
    assert entries == ["_batch", "index.html", "s", "summary.csv", "t"]
    assert {path.name for path in (root / "_batch").iterdir()} <= {"failed", "lock", "logs"}


def test_what_an_earlier_version_left_beside_the_results(people, tmp_path: Path) -> None:
    """Its temporaries lay in the output folder itself. The owner is dead but not yet reaped."""
    folder, root = people(s="ok"), tmp_path / "out"
    run_batch(folder, root, jobs=1, fit=fake_fit)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    wait_for(lambda: not is_running(dead.pid))
    host = platform.node()
    (root / f".s.fitme-{host}-{dead.pid}-0.new").mkdir()
    (root / f".summary.csv.fitme-{host}-{dead.pid}-0.new").touch()
    run_batch(folder, root, jobs=1, fit=fake_fit)
    dead.wait()
    assert not [path for path in root.iterdir() if path.name.startswith(".")]


def test_ctrl_c(people, child_env, tmp_path: Path) -> None:
    folder, root = people(a="ok", b="slow 60", c="slow 60", d="ok"), tmp_path / "out"
    child = start(folder, root, child_env)
    wait_for(lambda: "a" in finished(root) and {"b", "c"} <= set(notes(folder, "starts.txt")))
    workers = children(child.pid)
    os.kill(child.pid, signal.SIGINT)
    assert child.wait(timeout=30) == 130
    wait_for(lambda: not any(map(is_running, workers)), 10)  # not even the tracker of the pool
    table = (root / "summary.csv").read_text()
    assert "a,done" in table and "b,pending" in table and (root / "index.html").is_file()
    assert not (root / "_batch" / "work").exists()


def test_a_worker_killed_from_outside_costs_its_subject_only(
    people, child_env, tmp_path: Path
) -> None:
    folder, root = people(a="slow 1.5", b="slow 1.5"), tmp_path / "out"
    child = start(folder, root, child_env)
    wait_for(lambda: len(notes(folder, "starts.txt")) == 2)
    os.kill(next(filter(is_worker, children(child.pid))), signal.SIGKILL)
    assert child.wait(timeout=60) == 0 and finished(root) == {"a", "b"}
    starts, ends = notes(folder, "starts.txt"), notes(folder, "ends.txt")
    assert sorted(ends) == ["a", "b"] and len(starts) == 3
