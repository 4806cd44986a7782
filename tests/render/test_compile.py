"""Where compiled kernels are kept: damaged files, no folder to write to, several at once."""

from __future__ import annotations

import hashlib
import importlib
import multiprocessing
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fitme.render.backends.cpu import compile
from fitme.runtime import kept_files
from fitme.runtime.progress import SilentProgress

SOURCE = """
from fitme.render.backends.cpu.compile import kernel

FACTOR = 2

@kernel
def scale(values, out):
    for i in range(values.shape[0]):
        out[i] = FACTOR * values[i]
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path / "package")
    path = tmp_path / "package" / "tiny.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    return path


def fresh(source: Path) -> ModuleType:
    """The module as a new process would see it: no kernel in memory."""
    sys.modules.pop(source.stem, None)
    importlib.invalidate_caches()
    return importlib.import_module(source.stem)


def run(source: Path, dtype: type = np.float32) -> tuple[list[float], int]:
    """What the kernel computes, and how many times it had to be compiled."""
    missed: list[str] = []
    out = np.zeros(3, dtype)
    with compile.listening(missed.append):
        fresh(source).scale(np.arange(3, dtype=dtype), out)
    return out.tolist(), len(missed)


def kept(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


RIGHT = [0.0, 2.0, 4.0]


def test_compiled_once(cache: Path, source: Path) -> None:
    assert run(source) == (RIGHT, 1)
    assert run(source) == (RIGHT, 0)
    assert run(source, np.float64) == (RIGHT, 1)  # another kernel, which takes nothing away
    assert run(source) == run(source, np.float64) == (RIGHT, 0)
    assert len(kept(cache)) == 2


def test_another_source_is_compiled_again_and_replaces_the_old(cache: Path, source: Path) -> None:
    run(source)
    run(source, np.float64)
    source.write_text(SOURCE.replace("FACTOR = 2", "FACTOR = 3"))
    assert run(source) == ([0.0, 3.0, 6.0], 1)  # the bytecode is the same, the constant is not
    assert len(kept(cache)) == 1


@pytest.mark.parametrize("damage", ["empty", "half", "zeros", "one bit", "not a pickle"])
def test_a_damaged_file_is_compiled_again(damage: str, cache: Path, source: Path) -> None:
    run(source)
    (file,) = kept(cache)
    data = bytearray(file.read_bytes())
    if damage == "empty":
        data.clear()
    elif damage == "half":
        del data[len(data) // 2 :]
    elif damage == "zeros":
        data[:] = bytes(len(data))
    elif damage == "one bit":
        data[len(data) // 2] ^= 1
    else:
        data[:] = hashlib.sha256(b"hello").digest() + b"hello"
    file.write_bytes(data)
    assert run(source) == (RIGHT, 1)
    assert run(source) == (RIGHT, 0)


def test_kept_beside_the_source(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    run(source)
    assert len(list((source.parent / "__pycache__").glob("tiny.scale.*.nbc"))) == 1


def test_the_users_folder_where_the_package_cannot_be_written(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(kept_files, "user_cache_path", lambda *a, **k: tmp_path / "user")
    (source.parent / "__pycache__").write_text("a file, so that no folder can be made")
    assert run(source) == (RIGHT, 1)
    assert run(source) == (RIGHT, 0)
    assert len(kept(tmp_path / "user")) == 1


def test_what_an_administrator_compiled_is_used(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    run(source)

    def refuse(path: Path, data: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(compile, "write_kept", refuse)
    assert run(source) == (RIGHT, 0)


def test_a_relative_home_is_not_a_folder_here(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without HOME and without an entry in the password file "~" stays as it is."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(kept_files, "user_cache_path", lambda *a, **k: Path("~/.cache/fitme"))
    assert kept_files.folders(source) == [source.parent / "__pycache__"]


def test_nothing_can_be_written(source: Path) -> None:
    """In a process of its own, with a HOME that is none: it works, and says so once."""
    (source.parent / "__pycache__").write_text("a file, so that no folder can be made")
    script = """
import numpy as np
from fitme.render.backends.cpu.compile import reporting
from fitme.runtime.progress import TqdmProgress
import tiny
with reporting(TqdmProgress()):
    for dtype in (np.float32, np.float64):
        out = np.zeros(3, dtype)
        tiny.scale(np.arange(3, dtype=dtype), out)
        print(out.tolist())
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "NUMBA_"))}
    environment |= {"HOME": "/dev/null/none", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = str(source.parent)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(RIGHT)] * 2
    assert done.stderr.count("cannot be kept") == 1 and "NUMBA_CACHE_DIR" in done.stderr
    assert done.stderr.count("compiling kernels, once") >= 1


def _first_run(source: Path, single: bool) -> None:
    assert run(source, np.float32 if single else np.float64)[0] == RIGHT


def test_six_first_runs_at_once(cache: Path, source: Path) -> None:
    """Two kinds of arguments, each compiled by three: none may get the other's kernel."""
    context = multiprocessing.get_context("fork")
    tasks = [context.Process(target=_first_run, args=(source, k % 2 == 0)) for k in range(6)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join(120)
    assert [task.exitcode for task in tasks] == [0] * 6
    assert run(source) == run(source, np.float64) == (RIGHT, 0)
    assert len(kept(cache)) == 2  # and nothing half-written


class Recorder(SilentProgress):
    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []

    @contextmanager
    def stage(self, name: str, steps: int | None = None):
        self.stages.append(name)
        with super().stage(name, steps) as stage:
            yield stage

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_reporting(cache: Path, source: Path) -> None:
    """A stage of its own for the first run, no word in the second."""
    for wanted in (["compiling kernels, once"], []):
        progress = Recorder()
        with compile.reporting(progress):
            run(source)
            run(source)
        assert progress.stages == wanted and progress.notes == []
