"""The renderer backends by name; each is imported when it is first asked for."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass

import torch

from fitme.render.backends.base import Backend
from fitme.runtime.device import nvdiffrast_cure, triton_cure


@dataclass(frozen=True)
class _Entry:
    place: str  # module:class
    device: str  # the kind of device that its tensors live on
    cure: Callable[[], str] = str  # how to get what it needs and is missing here; else ""


# The first of a device that has what it needs is that device's default.
_ENTRIES = {
    "cpu": _Entry("fitme.render.backends.cpu.backend:CpuBackend", "cpu"),
    "triton": _Entry("fitme.render.backends.triton.backend:TritonBackend", "cuda", triton_cure),
    "nvdiffrast": _Entry(
        "fitme.render.backends.nvdiffrast:NvdiffrastBackend", "cuda", nvdiffrast_cure
    ),
}
BACKENDS = tuple(_ENTRIES)


def get_backend(name: str | None = None, device: torch.device | str | None = None) -> Backend:
    """The backend of that name, or (None) the one that draws tensors on `device` (None: the CPU);
    always the same object for a name and a device.

    Raises ValueError for an unknown name and a device that the backend cannot draw on, and
    ModuleNotFoundError, with the cure, where it needs something that is not installed.
    """
    where = torch.device(device or "cpu")
    if name is None:
        names = [key for key, entry in _ENTRIES.items() if entry.device == where.type]
        if not names:
            raise ValueError(f"there is no renderer for tensors on {where.type}")
        name = next((key for key in names if not _ENTRIES[key].cure()), names[0])
    entry = _ENTRIES.get(name)
    if entry is None:
        raise ValueError(f"unknown renderer backend {name!r}; choose one of {', '.join(BACKENDS)}")
    if cure := entry.cure():
        raise ModuleNotFoundError(f"the {name} renderer cannot run here; {cure}")
    if entry.device != where.type:
        raise ValueError(
            f"the {name} renderer cannot draw tensors on {where.type}, only on {entry.device}"
        )
    if where.type == "cuda" and where.index is None:
        where = torch.device("cuda", torch.cuda.current_device())
    return _instance(name, where)


@functools.cache
def _instance(name: str, device: torch.device) -> Backend:
    module, _, attribute = _ENTRIES[name].place.partition(":")
    return getattr(importlib.import_module(module), attribute)(device)
