"""A whole run killed in the middle: nothing finished is lost, nothing is half written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in lists for child in path.read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


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
    command = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children(child.pid)}
    os.kill(next(pid for pid, text in command.items() if b"spawn_main" in text), signal.SIGKILL)
    assert child.wait(timeout=60) == 0 and finished(root) == {"a", "b"}
    starts, ends = notes(folder, "starts.txt"), notes(folder, "ends.txt")
    assert sorted(ends) == ["a", "b"] and len(starts) == 3
