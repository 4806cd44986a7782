from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fitme.runtime import memory

# 200 blocks of 2 MiB; one that stays lies behind each, so that none is at the end of the heap.
SCRIPT = """
import ctypes, json, os, sys
from fitme.runtime.memory import keep_large_blocks, release_free_blocks

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

kept = keep_large_blocks() if sys.argv[1] == "keep" else None
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
blocks = []
for _ in range(200):
    blocks.append(libc.malloc(ctypes.c_size_t(2 << 20)))
    ctypes.memset(blocks[-1], 1, 2 << 20)
    libc.malloc(ctypes.c_size_t(64))
full = resident()
for block in blocks:
    libc.free(block)
freed = resident()
released = release_free_blocks()
print(json.dumps([kept, full, freed, released, resident()]))
"""


def run(how: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True
    )
    found: list[float] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone keeps blocks")
def test_free_blocks_stay_until_they_are_released() -> None:
    kept, full, freed, released, after = run("keep")
    assert kept
    assert freed == pytest.approx(full, abs=20)
    assert released
    assert full - after == pytest.approx(400, abs=20)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone keeps blocks")
def test_nothing_is_released_that_no_program_asked_to_keep() -> None:
    assert run("plain")[3] is False


def test_elsewhere_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "sys", type("sys", (), {"platform": "win32"}))
    assert not memory.keep_large_blocks()
    assert not memory.release_free_blocks()
