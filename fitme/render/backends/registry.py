"""The renderer backends by name; each is imported when it is first asked for."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from dataclasses import dataclass

import torch

from fitme.render.backends.base import Backend
from fitme.runtime.device import NVDIFFRAST_CURE


@dataclass(frozen=True)
class _Entry:
    place: str  # module:class
    device: str  # the kind of device that its tensors live on
    package: str | None = None  # an optional one that it needs
    cure: str = ""  # how to get that


_ENTRIES = {
    "cpu": _Entry("fitme.render.backends.cpu.backend:CpuBackend", "cpu"),
    "nvdiffrast": _Entry(
        "fitme.render.backends.nvdiffrast:NvdiffrastBackend", "cuda", "nvdiffrast", NVDIFFRAST_CURE
    ),
}
BACKENDS = tuple(_ENTRIES)


def get_backend(name: str | None = None, device: torch.device | str | None = None) -> Backend:
    """The backend of that name, or (None) the one that draws tensors on `device` (None: the CPU);
    always the same object for a name and a device.

    Raises ValueError for an unknown name and a device that the backend cannot draw on, and
    ModuleNotFoundError, with the cure, where it needs a package that is not installed.
    """
    where = torch.device(device or "cpu")
    if name is None:
        name = next((key for key, entry in _ENTRIES.items() if entry.device == where.type), "")
        if not name:
            raise ValueError(f"there is no renderer for tensors on {where.type}")
    entry = _ENTRIES.get(name)
    if entry is None:
        raise ValueError(f"unknown renderer backend {name!r}; choose one of {', '.join(BACKENDS)}")
    if entry.package is not None and importlib.util.find_spec(entry.package) is None:
        raise ModuleNotFoundError(
            f"the {name} renderer needs the optional package {entry.package}; {entry.cure}"
        )
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
