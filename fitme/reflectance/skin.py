"""Skin before any texture is known: a mean face times a few numbers of tone.

The skin is a Beer-Lambert slab, ln albedo = ln base - melanin * a_m - haemoglobin * a_h. The
absorption of melanin falls as wavelength^-3.33 (Jacques 1998, "Skin optics"); that of
haemoglobin peaks in green and blue and nearly vanishes in red (Prahl's tables). Lips and brows
are offsets along the same axes in soft region masks of the template.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.reflectance.eyes import eye_material
from fitme.reflectance.materials import part_materials
from fitme.reflectance.regions import REGIONS, AtlasRegions
from fitme.render import Material

# Per linear RGB channel (about 610, 545, 465 nm).
MELANIN = (0.405, 0.59, 1.0)
HAEMOGLOBIN = (0.06, 1.0, 0.72)
BASE = (0.83, 0.76, 0.68)  # linear albedo of skin without either
SKIN_F0 = 0.028  # reflectance at normal incidence, refractive index 1.4


@dataclass(frozen=True)
class Tone:
    """Low-dimensional tone of B people, each [B, 1]; standard normal units around a medium skin."""

    melanin: Tensor
    haemoglobin: Tensor
    lips: Tensor  # how much redder the lips are
    brows: Tensor  # how dark the brows are
    iris: Tensor  # 0 light blue .. 1 dark brown, through a sigmoid

    @staticmethod
    def zeros(batch: int = 1, device: torch.device | str = "cpu") -> Tone:
        """The medium tone."""
        return Tone(*(torch.zeros(batch, 1, device=device) for _ in fields(Tone)))

    def stacked(self) -> Tensor:
        """[B, 5] in field order."""
        return torch.cat([getattr(self, item.name) for item in fields(self)], dim=1)

    @staticmethod
    def unstacked(values: Tensor) -> Tone:
        """From [B, 5]."""
        return Tone(*values.split(1, dim=1))


def skin_albedo(melanin: Tensor, haemoglobin: Tensor) -> Tensor:
    """Linear RGB albedo [..., 3] from standard-normal melanin and haemoglobin [..., 1].

    Melanin is log-normal, so that +2 is a very dark skin and -2 a very light one.
    """
    m = 0.55 * torch.exp(0.82 * melanin)
    h = 0.42 * torch.exp(0.45 * haemoglobin)
    log = torch.log(m.new_tensor(BASE)) - m * m.new_tensor(MELANIN) - h * m.new_tensor(HAEMOGLOBIN)
    return log.exp()


class MeanReflectance:
    """Builds the materials of all parts of a head from a `Tone`; masks are rasterised once."""

    def __init__(self, head: HeadModel, size: int = 512) -> None:
        self.head, self.size = head, size
        regions = AtlasRegions(head, size)
        self.masks = {name: regions[name][..., None] for name in REGIONS}

    def head_material(self, tone: Tone) -> Material:
        """Material of the skin: maps [B, size, size, C], flat tangent normals."""
        lips, brows = self.masks["lips"][None], self.masks["brows"][None]

        def wide(value: Tensor) -> Tensor:
            return value[:, None, None, :]

        melanin = wide(tone.melanin) - 0.25 * lips
        redness = 1.9 + 0.6 * wide(tone.lips)
        albedo = skin_albedo(melanin, wide(tone.haemoglobin) + redness * lips)
        brow = brows * torch.sigmoid(wide(tone.brows) + 0.4)
        hair = albedo.new_tensor((0.10, 0.07, 0.05)) * wide(0.35 + torch.sigmoid(-tone.melanin))
        albedo = torch.lerp(albedo, torch.minimum(hair, albedo), 0.8 * brow)
        specular = torch.full_like(albedo[..., :1], SKIN_F0)
        roughness = (0.46 - 0.10 * lips).expand_as(specular)
        return Material(albedo, specular, None, roughness)

    def materials(self, tone: Tone, eye_size: int = 256) -> list[Material]:
        """One material per part of the head, in `part_names` order."""
        return part_materials(
            self.head, self.head_material(tone), eye_material(tone.iris, eye_size)
        )
