"""Worker processes: they die with their parent, not by Ctrl-C, and say how they ended."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import wait


def how_it_ended(exitcode: int | None) -> str:
    """Such as "was killed by SIGKILL", after "the worker"."""
    if exitcode is not None and exitcode < 0:
        try:
            name = signal.Signals(-exitcode).name
        except ValueError:
            name = f"signal {-exitcode}"
        return f"was killed by {name}"
    return f"ended with exit code {exitcode}"


def die_with_parent() -> None:
    """Call it in a worker. Without this a killed program would leave workers that go on and write,
    or wait forever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":  # also when the thread below cannot run
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Ctrl-C reaches the whole terminal group; a child started in here ignores it from its first
    instruction, and the parent ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
