"""The CPU backend: every stage of `render` by fused numba kernels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from fitme.render import shading, stages
from fitme.render.backends.cpu import compile, fused, geometry
from fitme.render.backends.cpu.operations import CpuOperations
from fitme.render.backends.cpu.shade import shade_points
from fitme.render.backends.cpu.texture import sample_stacked
from fitme.runtime.progress import Progress


class CpuBackend(CpuOperations):
    """Stateless; float32 or float64 tensors on the CPU. Same inputs, same bits."""

    name = "cpu"

    def __init__(self, device: torch.device | str = "cpu") -> None:
        if torch.device(device).type != "cpu":
            raise ValueError(f"the cpu renderer cannot draw tensors on {device}")

    def reporting(self, progress: Progress) -> AbstractContextManager[None]:
        return compile.reporting(progress)

    def vertex_normals(self, vertices: Tensor, triangles: Tensor) -> Tensor:
        return geometry.vertex_normals(vertices, triangles)

    def uv_tangents(
        self, vertices: Tensor, triangles: Tensor, uv: Tensor, uv_triangles: Tensor
    ) -> Tensor:
        return geometry.uv_tangents(vertices, triangles, uv, uv_triangles)

    def covered_pixels(self, rast: Tensor) -> Tensor:
        return fused.covered_pixels(rast)

    def gather_points(
        self,
        rast: Tensor,
        rast_db: Tensor,
        pixels: Tensor,
        position: Tensor,
        normal: Tensor,
        tangent: Tensor | None,
        occlusion: Tensor | None,
        uv: Tensor,
        tri: Tensor,
        uv_tri: Tensor,
    ) -> stages.Points:
        return fused.gather_points(
            rast, rast_db, pixels, position, normal, tangent, occlusion, uv, tri, uv_tri
        )

    def sample_maps(
        self,
        textures: Mapping[str, Tensor],
        uv: Tensor,
        footprint: Tensor,
        image: Tensor,
        batch: int,
    ) -> dict[str, Tensor]:
        found = sample_stacked(textures, uv, footprint)
        rest = {name: texture for name, texture in textures.items() if name not in found}
        return found | super().sample_maps(rest, uv, footprint, image, batch)

    def shade(
        self, surface: shading.Surface, light: shading.LightTensors, eye: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return shade_points(surface, light, eye)

    def composite(
        self,
        diffuse: Tensor,
        specular: Tensor,
        pixels: Tensor,
        background: Tensor | None,
        rast: Tensor,
        clip: Tensor,
        tri: Tensor,
        antialias: bool,
    ) -> tuple[Tensor, Tensor]:
        return fused.composite(diffuse, specular, pixels, background, rast, clip, tri, antialias)
