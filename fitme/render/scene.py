"""What is drawn: a mesh and its materials."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.render.checks import check_triangles


@dataclass(frozen=True)
class Mesh:
    """B poses of one mesh: counter-clockwise triangles, metres, world space."""

    vertices: Tensor  # [B,V,3]
    triangles: Tensor  # [T,3] int
    uv: Tensor  # [U,2], v = 0 is the top row of a texture
    uv_triangles: Tensor  # [T,3] int, the same triangles in uv
    part: Tensor  # [T] int, index of the material
    occlusion: Tensor | None = None  # [V] in 0..1: ambient visibility, multiplies all SH light
    # [2,V,9]: of each harmonic, what white vertices reflect with and without what lies in the way;
    # then the visibility of SH light depends on where it comes from, see `fitme.render.transfer`
    transfer: Tensor | None = None
    # [1 or B,V,L] in 0..1: how much of each directional light reaches a vertex, no gradient; see
    # `fitme.render.shadows.vertex_visibility`
    reached: Tensor | None = None

    def __post_init__(self) -> None:
        if self.vertices.ndim != 3 or self.vertices.shape[2] != 3:
            raise ValueError(f"vertices: wanted [B,V,3], got {list(self.vertices.shape)}")
        if self.uv.ndim != 2 or self.uv.shape[1] != 2:
            raise ValueError(f"uv: wanted [U,2], got {list(self.uv.shape)}")
        check_triangles("triangles", self.triangles, self.vertices.shape[1])
        check_triangles("uv_triangles", self.uv_triangles, self.uv.shape[0])
        count = self.triangles.shape[0]
        if self.uv_triangles.shape[0] != count or tuple(self.part.shape) != (count,):
            raise ValueError(
                f"wanted {count} uv_triangles and parts, got {list(self.uv_triangles.shape)} "
                f"and {list(self.part.shape)}"
            )
        if self.occlusion is not None and self.occlusion.shape != self.vertices.shape[1:2]:
            raise ValueError(
                f"occlusion: wanted [{self.vertices.shape[1]}], got {list(self.occlusion.shape)}"
            )
        wanted = (2, self.vertices.shape[1], 9)
        if self.transfer is not None and tuple(self.transfer.shape) != wanted:
            raise ValueError(f"transfer: wanted {list(wanted)}, got {list(self.transfer.shape)}")
        if self.reached is not None and (
            self.reached.ndim != 3 or self.reached.shape[1] != self.vertices.shape[1]
        ):
            raise ValueError(
                f"reached: wanted [1 or B,{self.vertices.shape[1]},L], "
                f"got {list(self.reached.shape)}"
            )


@dataclass(frozen=True)
class Material:
    """Reflectance maps; the first dimension is 1 or the number of images. Sizes may differ."""

    diffuse_albedo: Tensor  # [1 or B,H,W,3] linear
    specular_albedo: Tensor  # [1 or B,H,W,1 or 3] reflectance at normal incidence, F0
    normal: Tensor | None = None  # [1 or B,H,W,3] tangent space in -1..1, OpenGL Y+
    roughness: float | Tensor = 0.5  # perceptual; a number or [1 or B,H,W,1]

    def __post_init__(self) -> None:
        _check_map("diffuse_albedo", self.diffuse_albedo, (3,))
        _check_map("specular_albedo", self.specular_albedo, (1, 3))
        if self.normal is not None:
            _check_map("normal", self.normal, (3,))
        if isinstance(self.roughness, Tensor):
            _check_map("roughness", self.roughness, (1,))

    def normals(self) -> Tensor:
        """Its normal map [1 or B,H,W,3]; flat, of the albedo's size, where it has none."""
        if self.normal is not None:
            return self.normal
        flat = torch.zeros_like(self.diffuse_albedo)
        flat[..., 2] = 1.0
        return flat

    @staticmethod
    def plain(
        diffuse: tuple[float, float, float], specular: float = 0.04, roughness: float = 0.5
    ) -> Material:
        """One colour everywhere, smooth normals."""
        return Material(
            torch.tensor(diffuse).reshape(1, 1, 1, 3),
            torch.full((1, 1, 1, 1), specular),
            None,
            roughness,
        )


def _check_map(name: str, value: Tensor, channels: tuple[int, ...]) -> None:
    if value.ndim != 4 or value.shape[3] not in channels:
        wanted = " or ".join(str(count) for count in channels)
        raise ValueError(f"{name}: wanted [1 or B,H,W,{wanted}], got {list(value.shape)}")
