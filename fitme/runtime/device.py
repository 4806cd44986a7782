"""Where to compute: the only place that names a device."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch

from fitme.runtime.errors import InputError

_threads_lock = threading.Lock()


def resolve_device(name: str = "auto", note: Callable[[str], None] | None = None) -> torch.device:
    """The device to fit and draw on. `auto` takes a GPU where torch sees one and a renderer for
    it is installed; where only the renderer is missing it takes the CPU and says so in `note`.

    Raises InputError for an unknown name, and for `cuda` without a GPU or without a renderer.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {name} is unknown; choose auto, cpu or cuda")
    if name == "cpu":
        return torch.device("cpu")
    available, cure = torch.cuda.is_available(), gpu_renderer_cure()
    if name == "cuda" and not available:
        raise InputError("--device cuda: torch sees no GPU here; use --device cpu or auto")
    if name == "cuda" and cure:
        raise InputError(
            f"--device cuda: there is no renderer for the GPU here; {cure}, or use --device cpu"
        )
    if available and cure and note is not None:
        note(f"the fit runs on the CPU: a GPU is here, but no renderer for it ({cure})")
    return torch.device("cuda" if available and not cure else "cpu")


def gpu_renderer_cure() -> str:
    """How to get a renderer for the GPU; empty where one is here."""
    return "" if not nvdiffrast_cure() else triton_cure()


def triton_cure() -> str:
    """What the Triton renderer needs that is missing here, as what to do; else empty.

    Triton comes with torch's wheels for Linux. Its compiler for the GPU is in its package, but on
    Linux a part that talks to the driver is built with a C compiler when it first runs
    (`triton/runtime/build.py`); the package for Windows brings one.
    """
    windows = sys.platform == "win32"
    if importlib.util.find_spec("triton") is None:
        package = "triton-windows" if windows else "triton"
        return f"pip install {package}, with which the renderer for the GPU is written"
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    if not windows and not compiler:
        return "install gcc, with which Triton builds its part that talks to the driver"
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not windows and not header.is_file():
        return f"install Python's C headers (python3-dev), which Triton needs: no {header}"
    return ""


def nvdiffrast_cure() -> str:
    """How to get nvdiffrast; empty where it is here."""
    if importlib.util.find_spec("nvdiffrast") is not None:
        return ""
    return "install it from https://github.com/NVlabs/nvdiffrast (for non-commercial use only)"


def one_thread() -> AbstractContextManager[None]:
    """Run torch on one thread: for many tiny operations, where waking others costs more."""
    return some_threads(1)


@contextmanager
def some_threads(count: int) -> Iterator[None]:
    """Run torch, and the CPU renderer's kernels, on `count` threads.

    Counts for the calling thread alone. torch keeps two numbers, that of each thread and the one
    which threads start with that meet it later, and sets both at once: so another thread, which
    ends at once, sets the second back.
    """
    with _threads_lock:
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        others = threading.Thread(target=torch.set_num_threads, args=(before,))
        others.start()
        others.join()
    try:
        yield
    finally:
        torch.set_num_threads(before)
