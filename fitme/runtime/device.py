"""Where to compute: the only place that names a device."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from fitme.runtime.errors import InputError

_threads_lock = threading.Lock()

# the one package so far that can draw on a GPU, and how to get it
GPU_RENDERER = "nvdiffrast"
NVDIFFRAST_CURE = (
    "install it from https://github.com/NVlabs/nvdiffrast (for non-commercial use only)"
)


def resolve_device(name: str = "auto", note: Callable[[str], None] | None = None) -> torch.device:
    """The device to fit and draw on. `auto` takes a GPU where torch sees one and a renderer for
    it is installed; where only the renderer is missing it takes the CPU and says so in `note`.

    Raises InputError for an unknown name, and for `cuda` without a GPU or without a renderer.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {name} is unknown; choose auto, cpu or cuda")
    if name == "cpu":
        return torch.device("cpu")
    available, drawable = torch.cuda.is_available(), has_gpu_renderer()
    if name == "cuda" and not available:
        raise InputError("--device cuda: torch sees no GPU here; use --device cpu or auto")
    if name == "cuda" and not drawable:
        raise InputError(
            f"--device cuda: there is no renderer for the GPU here; {NVDIFFRAST_CURE}, or use "
            "--device cpu"
        )
    if available and not drawable and note is not None:
        note(
            "the fit runs on the CPU: a GPU is here, but no renderer for it "
            f"(needs {GPU_RENDERER}: {NVDIFFRAST_CURE})"
        )
    return torch.device("cuda" if available and drawable else "cpu")


def has_gpu_renderer() -> bool:
    """Whether a package that can draw on a GPU is installed."""
    return importlib.util.find_spec(GPU_RENDERER) is not None


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
