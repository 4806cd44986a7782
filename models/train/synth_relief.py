"""The height field of the skin: pores by region, grain, lumps and lines.

Sizes: pores 0.2 to 0.6 mm wide and some hundredths of a millimetre deep, densest on nose and
inner cheeks (S. Flament et al., "Facial skin pores", Clin. Cosmet. Investig. Dermatol. 8, 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.models.train.synth_anatomy import Anatomy
from fitme.models.train.synth_lines import draw_lines, face_lines
from fitme.models.train.synth_parameters import Face
from fitme.models.train.synth_random import SolidNoise, Stream, band


@dataclass
class Relief:
    height: Tensor  # [B,R,R] mm over the smooth head
    groove: Tensor  # [B,R,R] mm, depth of wrinkles alone
    pit: Tensor  # [B,R,R] in 0..1, pores


def relief(face: Face, anatomy: Anatomy, noise: SolidNoise, stream: Stream) -> Relief:
    r, atlas = anatomy.regions, anatomy.atlas
    xyz = atlas.xyz
    height, groove = draw_lines(face_lines(face, anatomy, stream), anatomy)
    skin = 1 - smoothstep(-0.6, 0.8, anatomy.lip)
    lid = smoothstep(9.0, 3.0, anatomy.lid_distance)
    porous = (
        0.25 + 1.0 * r["nose"] * (1 - 0.3 * r["nostrils"]) + 0.9 * r["cheek"] + 0.4 * r["forehead"]
        + 0.45 * r["chin"] - 0.1 * r["neck"]
    ).clamp(0.08, 1.6) * skin * (1 - 0.8 * lid)  # fmt: skip
    amount = (face.scale("pores", 0.35) * (0.8 + 0.4 * face["masculine"]))[:, None, None]
    amount = amount * (1 - 0.5 * face.amount("foundation", 0.4) * face.made_up)[:, None, None]
    small = noise.field("pores.small", 0.34, channels=2)
    large = noise.field("pores.large", 0.48)
    pit = torch.maximum(
        smoothstep(0.8, 2.2, small[..., 0]), smoothstep(0.9, 2.4, large[..., 0]) * r["nose"]
    )
    pit = pit * (porous / 1.6) * amount.clamp_max(1.6)
    height = height - 0.045 * pit

    rough = (face.scale("grain", 0.3) * (0.8 + 0.6 * face["age"]))[:, None, None]
    grain = 0.0055 * small[..., 1] + 0.008 * noise.field("grain", 1.3)[..., 0]
    lumps = noise.fractal("lumps", (16.0, 7.0, 3.2, 1.7), 0.6)
    soft = (0.040 + 0.07 * face["age"] ** 1.5)[:, None, None]
    height = height + rough * grain * (0.4 + 0.8 * skin) * (1 - 0.5 * lid) + soft * lumps[..., 0]

    # Crossing fine lines of old cheeks and lids, and the crepe of the neck.
    wear = (face.wear.clamp_max(1.6) * face.scale("mouth_lines", 0.2))[:, None, None]
    where = r["cheek"] + 0.8 * r["under_eye"] + 0.7 * r["upper_lid"] + 0.6 * r["neck"]
    where = where.clamp_max(1)
    one = noise.field("crepe.1", 1.5, xyz.new_tensor([1.1, 0.35, 0.6]))[..., 0]
    two = noise.field("crepe.2", 1.5, xyz.new_tensor([0.45, 1.1, 0.5]))[..., 0]
    crepe = -((1 - one.abs()).clamp_min(0) ** 2) - (1 - two.abs()).clamp_min(0) ** 2
    height = height + 0.030 * wear * where * crepe * band(atlas.texel_mm, 1.5)
    height = height + _vermilion_rim(face, anatomy)
    height = height * _known(anatomy)
    return Relief(height, groove, pit)


def _vermilion_rim(face: Face, anatomy: Anatomy) -> Tensor:
    """The pale low ridge along the border of the lips."""
    size = (0.05 * face.scale("lip_border", -0.3))[:, None, None]
    return size * torch.exp(-0.5 * ((anatomy.lip + 0.5) / 0.8) ** 2)


def _known(anatomy: Anatomy) -> Tensor:
    """Fades relief out behind the lids and at the mesh's far corners, where the atlas is squeezed
    and slopes would be meaningless."""
    fine = 1 - smoothstep(1.2, 3.0, anatomy.atlas.texel_mm * anatomy.atlas.resolution / 512)
    return fine * smoothstep(-1.5, 0.2, anatomy.lid_distance)
