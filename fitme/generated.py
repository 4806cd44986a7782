"""The head's materials from maps of the reflectance generator."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.head import HeadModel
from fitme.models.stylegan2 import ReflectanceGenerator, ReflectanceMaps
from fitme.reflectance import AtlasRegions, eye_material, part_materials
from fitme.render import Material


class WCode:
    """Whitened coordinates of W: w = mean + code @ axes, code ~ N(0, I) over samples.

    Adam moves all coordinates at one rate; in W itself a direction that changes the tone is a
    hundred times longer than one that moves a brow.
    """

    def __init__(self, generator: ReflectanceGenerator, share: float = 1e-4) -> None:
        """Directions below `share` of the largest variance are left out."""
        variance, axes = torch.linalg.eigh(generator.w_covariance.double())
        kept = variance > share * variance[-1]
        scaled = axes[:, kept] * variance[kept].sqrt()
        self.mean = generator.w_mean
        self.axes = scaled.flip(1).T.to(generator.w_mean)  # [D,w_dim], longest first

    @property
    def size(self) -> int:
        return self.axes.shape[0]

    def zeros(self) -> Tensor:
        """The mean person, [1,D]."""
        return self.mean.new_zeros(1, self.size)

    def w(self, code: Tensor) -> Tensor:
        """[B,D] -> [B,w_dim]."""
        return self.mean + code @ self.axes


def generated_materials(
    head: HeadModel, regions: AtlasRegions, maps: ReflectanceMaps, iris: Tensor,
    eye_size: int = 256, eye_gain: Tensor | None = None,
) -> list[Material]:  # fmt: skip
    """One material per part of the head, in `part_names` order.

    maps of B people [B,R,R,.]; iris [B,1] and eye_gain [B,2,3] as `eye_material` takes them.
    """
    resolution = maps.diffuse_albedo.shape[1]
    skin = Material(
        maps.diffuse_albedo, maps.specular_albedo, maps.normal, regions.roughness(resolution)
    )
    return part_materials(head, skin, eye_material(iris, eye_size, eye_gain))
