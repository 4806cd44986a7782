"""The Triton backend: every operation of its own as kernels, the stages in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from fitme.render import maps, shading, stages
from fitme.render.backends.base import Backend
from fitme.render.backends.triton import antialias, geometry, raster, texture
from fitme.render.backends.triton.launch import INTERPRETED, reporting
from fitme.render.backends.triton.shade import shade_points
from fitme.render.checks import as_int32, check_batch, check_clip, check_color, check_triangles
from fitme.render.scene import Material
from fitme.runtime.progress import Progress


class TritonBackend(Backend):
    """Stateless; float32 or float64 tensors on one device. Same inputs, same bits: what is summed
    over pixels or triangles is summed in integers (see `fixed_point`)."""

    name = "triton"

    def __init__(self, device: torch.device | str = "cuda") -> None:
        if torch.device(device).type != "cuda" and not INTERPRETED:
            raise ValueError(f"the triton renderer cannot draw tensors on {device}")

    def reporting(self, progress: Progress) -> AbstractContextManager[None]:
        return reporting(progress)

    def rasterize(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        check_clip(clip, tri, size)
        return raster.rasterize(clip, as_int32(tri), size)

    def depth(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> Tensor:
        check_clip(clip, tri, size)
        return raster.depth(clip, as_int32(tri), size)

    def interpolate(
        self, attr: Tensor, rast: Tensor, tri: Tensor, rast_db: Tensor | None = None, diff: int = 0
    ) -> tuple[Tensor, Tensor]:
        check_batch("attr", attr, 3, rast)
        check_triangles("tri", tri, attr.shape[1])
        if diff and rast_db is None:
            raise ValueError("interpolate: diff needs rast_db")
        return raster.interpolate(attr, rast, as_int32(tri), rast_db, diff)

    def texture(self, tex: Tensor, uv: Tensor, uv_da: Tensor | None = None) -> Tensor:
        check_batch("tex", tex, 4, uv)
        shape = uv.shape[:3]
        da = None if uv_da is None else uv_da.reshape(-1, 4)
        out = texture.sample(tex, uv.reshape(-1, 2), da, None, shape[1] * shape[2])
        return out.reshape(*shape, tex.shape[3])

    def antialias(self, color: Tensor, rast: Tensor, clip: Tensor, tri: Tensor) -> Tensor:
        check_clip(clip, tri, (rast.shape[1], rast.shape[2]))
        check_color(color, rast)
        return antialias.antialias(color, rast, clip, as_int32(tri))

    def vertex_normals(self, vertices: Tensor, triangles: Tensor) -> Tensor:
        return geometry.vertex_normals(vertices, as_int32(triangles))

    def uv_tangents(
        self, vertices: Tensor, triangles: Tensor, uv: Tensor, uv_triangles: Tensor
    ) -> Tensor:
        return geometry.uv_tangents(vertices, as_int32(triangles), uv, as_int32(uv_triangles))

    def look_up(
        self,
        materials: Sequence[Material],
        points: stages.Points,
        part: Tensor,
        image: Tensor,
        batch: int,
    ) -> maps.Maps:
        return maps.look_up_masked(self.sample_maps, materials, points, part, image, batch)

    def sample_maps(
        self,
        textures: Mapping[str, Tensor],
        uv: Tensor,
        footprint: Tensor,
        image: Tensor,
        batch: int,
    ) -> dict[str, Tensor]:
        for name, value in textures.items():
            if value.shape[0] not in (1, batch):
                raise ValueError(f"{name} has batch {value.shape[0]}, wanted 1 or {batch}")
        return texture.sample_maps(textures, uv, footprint, image)

    def shade(
        self, surface: shading.Surface, light: shading.LightTensors, eye: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return shade_points(surface, light, eye)
