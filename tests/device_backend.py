"""The renderer of the device that is none: the CPU's operations behind the marks of `DeviceLog`.

Only the five operations that every backend has of its own are the CPU's; the rest is torch, as on
a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from fitme.render import maps, stages
from fitme.render.backends import registry
from fitme.render.backends.base import Backend
from fitme.render.backends.cpu.backend import CpuBackend
from fitme.render.checks import check_clip, check_triangles
from fitme.render.scene import Material
from tests.device_log import DEVICE, DeviceLog, device_operator


class DeviceBackend(Backend):
    """Draws tensors that are marked, and none else."""

    name = "made-up"
    log: ClassVar[DeviceLog]

    def __init__(self, device: torch.device) -> None:
        assert device.type == "cuda"
        self._cpu = CpuBackend()

    def _run(self, name: str, *values: Any) -> Any:
        return device_operator(self.log, getattr(self._cpu, name))(*values)

    def rasterize(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        check_clip(clip, tri, size)
        return self._run("rasterize", clip, tri.int(), size)

    def depth(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> Tensor:
        return self._run("depth", clip.detach(), tri.int(), size)

    def interpolate(
        self, attr: Tensor, rast: Tensor, tri: Tensor, rast_db: Tensor | None = None, diff: int = 0
    ) -> tuple[Tensor, Tensor]:
        check_triangles("tri", tri, attr.shape[1])
        return self._run("interpolate", attr, rast, tri.int(), rast_db, diff)

    def texture(self, tex: Tensor, uv: Tensor, uv_da: Tensor | None = None) -> Tensor:
        return self._run("texture", tex, uv, uv_da)

    def antialias(self, color: Tensor, rast: Tensor, clip: Tensor, tri: Tensor) -> Tensor:
        check_clip(clip, tri, (rast.shape[1], rast.shape[2]))
        return self._run("antialias", color, rast, clip, tri.int())

    def look_up(
        self,
        materials: Sequence[Material],
        points: stages.Points,
        part: Tensor,
        image: Tensor,
        batch: int,
    ) -> maps.Maps:
        return maps.look_up_masked(self.sample_maps, materials, points, part, image, batch)


@contextmanager
def made_up_device() -> Iterator[DeviceLog]:
    """ "cuda" is a device inside, drawn by `DeviceBackend`."""
    log = DeviceLog()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "current_device", lambda: DEVICE.index)
        patch.setattr(DeviceBackend, "log", log, raising=False)
        entry = registry._Entry("tests.device_backend:DeviceBackend", "cuda")
        patch.setitem(registry._ENTRIES, "made-up", entry)
        for name in list(registry._ENTRIES):
            if registry._ENTRIES[name].device == "cuda" and name != "made-up":
                patch.delitem(registry._ENTRIES, name)
        with log.on():
            yield log
