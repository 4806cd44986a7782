"""The head's materials from maps of the reflectance generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.image.color import luminance
from fitme.models.stylegan2 import ReflectanceGenerator, ReflectanceMaps
from fitme.reflectance.atlas import averaged
from fitme.reflectance.eyes import eye_material
from fitme.reflectance.materials import part_materials
from fitme.reflectance.regions import AtlasRegions
from fitme.render import Material
from fitme.runtime.constants import constant

HAIR_ROUGHNESS = 0.7
DARKER = (0.35, 1.0)  # log luminance below that of the cheeks: skin, hair
HAIR_TEXELS = 128


class WCode:
    """Whitened coordinates of W: w = mean + code @ axes, code ~ N(0, I) over samples.

    Adam moves all coordinates at one rate; in W itself a direction that changes the tone is a
    hundred times longer than one that moves a brow.
    """

    def __init__(self, generator: ReflectanceGenerator, share: float = 1e-4) -> None:
        """Directions below `share` of the largest variance are left out."""
        # On the CPU: which way axes point is the solver's choice, and the encoder knows this one.
        variance, axes = torch.linalg.eigh(generator.w_covariance.double().cpu())
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
    rough = roughness(regions, maps.diffuse_albedo)
    skin = Material(maps.diffuse_albedo, maps.specular_albedo, maps.normal, rough)
    return part_materials(head, skin, eye_material(iris, eye_size, eye_gain))


@torch.no_grad()
def roughness(regions: AtlasRegions, albedo: Tensor) -> Tensor:
    """Perceptual roughness [B,R,R,1] for diffuse albedos [B,R,R,3]: that of skin and lips, and of
    cropped hair where the head behind the face is far darker than the cheeks."""
    resolution = albedo.shape[1]
    smooth = regions.roughness(resolution)
    if not regions.has_cheeks:  # a head without regions
        return smooth
    cheeks = averaged(regions.bare[None, ..., None], HAIR_TEXELS)
    small = averaged(luminance(albedo)[..., None], HAIR_TEXELS).clamp_min(1e-3).log()
    skin = (small * cheeks).sum((1, 2), keepdim=True) / cheeks.sum()
    hair = ((skin - small - DARKER[0]) / (DARKER[1] - DARKER[0])).clamp(0, 1)
    hair = hair * (1 - averaged(regions["face"][None, ..., None], HAIR_TEXELS))
    hair = F.interpolate(hair.movedim(-1, 1), (resolution, resolution), mode="bilinear")
    return torch.lerp(smooth, constant(HAIR_ROUGHNESS, smooth), hair.movedim(1, -1))
