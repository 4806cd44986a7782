"""What people wear and hold in a synthetic photo: a textured mesh around the head."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fitme.models.train.photos.shapes import Array, Shape
from fitme.segment.labels import Label

__all__ = ["Array", "Prop", "plain"]


@dataclass(frozen=True)
class Prop:
    """One thing of one material, in the frame of the head's vertices (before the camera's pose).

    A lens carries a `reflection`: linear radiance that is added over it, already scaled, and seen
    whatever the opacity.
    """

    name: str
    label: Label
    vertices: Array  # [V,3] float32 metres
    triangles: Array  # [T,3] int32, counter-clockwise from outside
    uv: Array  # [V,2] float32 in 0..1, v downwards
    albedo: Array  # [H,W,3] float32 linear
    specular: float = 0.04  # F0
    roughness: float = 0.6  # perceptual
    opacity: float = 1.0
    two_sided: bool = False
    reflection: Array | None = None  # [H,W,3] float32 linear, looked up with `uv`

    def __post_init__(self) -> None:
        count = len(self.vertices)
        if self.vertices.shape != (count, 3) or self.uv.shape != (count, 2):
            raise ValueError(
                f"{self.name}: wanted vertices [V,3] and uv [V,2], "
                f"got {list(self.vertices.shape)} and {list(self.uv.shape)}"
            )
        if self.triangles.ndim != 2 or self.triangles.shape[1] != 3:
            raise ValueError(f"{self.name}: wanted triangles [T,3], got {self.triangles.shape}")
        if self.albedo.ndim != 3 or self.albedo.shape[2] != 3:
            raise ValueError(f"{self.name}: wanted albedo [H,W,3], got {self.albedo.shape}")

    @staticmethod
    def of(
        name: str,
        label: Label,
        shape: Shape,
        albedo: Array,
        specular: float = 0.04,
        roughness: float = 0.6,
        *,
        opacity: float = 1.0,
        two_sided: bool = False,
        reflection: Array | None = None,
        repeat: tuple[float, float] = (1.0, 1.0),
    ) -> Prop:
        """A prop of a shape; its texture is laid `repeat` times across and down, mirrored."""
        uv = 1 - np.abs(1 - (shape.uv * repeat) % 2)
        return Prop(
            name,
            label,
            shape.vertices.astype(np.float32),
            shape.triangles.astype(np.int32),
            uv.astype(np.float32),
            albedo,
            specular,
            roughness,
            opacity,
            two_sided,
            reflection,
        )

    def moved(self, offset: Array) -> Prop:
        """The same thing, `offset` [3] metres away."""
        return replace(self, vertices=(self.vertices + offset).astype(np.float32))


def plain(rgb: Array | tuple[float, float, float]) -> Array:
    """A texture [1,1,3] of one linear colour."""
    return np.asarray(rgb, np.float32).reshape(1, 1, 3)
