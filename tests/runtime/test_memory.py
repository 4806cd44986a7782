from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fitme.runtime import memory

# Blocks of 400 MiB in all; one that stays lies behind each, so that none is at the end of the heap.
SCRIPT = """
import ctypes, json, os, sys
from contextlib import nullcontext
from fitme.runtime.memory import keep_large_blocks, release_free_blocks, without_keeping

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

kept = None if sys.argv[1] == "plain" else keep_large_blocks()
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
blocks, size = [], int(sys.argv[2]) << 20
with without_keeping() if sys.argv[1] == "without" else nullcontext():
    for _ in range((400 << 20) // size):
        blocks.append(libc.malloc(ctypes.c_size_t(size)))
        ctypes.memset(blocks[-1], 1, size)
        libc.malloc(ctypes.c_size_t(64))
full = resident()
for block in blocks:
    libc.free(block)
freed = resident()
assert not release_free_blocks(freed + 100)
released = release_free_blocks()
print(json.dumps([kept, full, freed, released, resident()]))
"""


def run(how: str, mebibytes: int) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how, str(mebibytes)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[float] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone keeps blocks")
@pytest.mark.parametrize("mebibytes", [2, 40])
def test_free_blocks_stay_until_they_are_released(mebibytes: int) -> None:
    kept, full, freed, released, after = run("keep", mebibytes)
    assert kept
    assert freed == pytest.approx(full, abs=20)
    assert released
    assert full - after == pytest.approx(400, abs=20)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone keeps blocks")
def test_nothing_is_released_that_no_program_asked_to_keep() -> None:
    assert run("plain", 2)[3] is False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone keeps blocks")
def test_where_nothing_is_kept_large_blocks_go_back_at_once() -> None:
    kept, full, freed, _, _ = run("without", 40)
    assert kept
    assert full - freed == pytest.approx(400, abs=20)
    _, full, freed, _, _ = run("without", 2)
    assert freed == pytest.approx(full, abs=20)


def test_elsewhere_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "sys", type("sys", (), {"platform": "win32"}))
    assert not memory.keep_large_blocks()
    assert not memory.release_free_blocks()
