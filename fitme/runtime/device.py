"""Where to compute: the only place that names a device."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fitme.runtime.errors import InputError

_threads_lock = threading.Lock()


def resolve_device(name: str = "auto") -> torch.device:
    """`auto` takes a GPU where torch sees one. Raises InputError for a device that is absent."""
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {name} is unknown; choose auto, cpu or cuda")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("--device cuda: torch sees no GPU here; use --device cpu or auto")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: for many tiny operations, where waking others costs more.

    Counts for the calling thread alone. torch keeps two numbers, that of each thread and the one
    which threads start with that meet it later, and sets both at once: so another thread, which
    ends at once, sets the second back.
    """
    with _threads_lock:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        others = threading.Thread(target=torch.set_num_threads, args=(before,))
        others.start()
        others.join()
    try:
        yield
    finally:
        torch.set_num_threads(before)
