"""Lipstick, rouge, eyeshadow and eyeliner as translucent films over the skin's albedo."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.models.train.synth_anatomy import Anatomy, bump
from fitme.models.train.synth_parameters import Face
from fitme.models.train.synth_random import SolidNoise

# Linear RGB of common pigments, blended along the hue parameter.
LIPSTICKS = ((0.42, 0.16, 0.11), (0.48, 0.09, 0.07), (0.45, 0.045, 0.06), (0.36, 0.05, 0.13))
SHADOWS = ((0.30, 0.19, 0.12), (0.16, 0.10, 0.08), (0.10, 0.10, 0.12), (0.22, 0.13, 0.20))
ROUGE = (0.62, 0.20, 0.17)


def _palette(colours: tuple[tuple[float, float, float], ...], place: Tensor) -> Tensor:
    """[B,3] along a list of colours, place [B] in 0..1."""
    table = place.new_tensor(colours)
    at = place * (len(colours) - 1)
    low = at.long().clamp_max(len(colours) - 2)
    return torch.lerp(table[low], table[low + 1], (at - low)[:, None])


def _film(skin: Tensor, colour: Tensor, cover: Tensor) -> Tensor:
    """Half paint, half dye: skin [B,R,R,3], colour [B,3], cover [B,R,R] in 0..1."""
    paint = colour[:, None, None]
    dyed = skin * (paint / paint.amax(-1, keepdim=True))
    return torch.lerp(skin, 0.55 * paint + 0.45 * dyed, cover[..., None])


def make_up(
    face: Face, anatomy: Anatomy, noise: SolidNoise, lip: Tensor, skin: Tensor
) -> tuple[Tensor, Tensor]:
    """Made-up albedo [B,R,R,3] and how far lips are painted [B,R,R]."""
    worn, p = face.made_up, anatomy.points
    uneven = 1 + 0.10 * noise.field("makeup", 5.0)[..., 0]

    def amount(name: str, threshold: float) -> Tensor:
        return (face.amount(name, threshold) * worn)[:, None, None]

    rouge = bump(
        anatomy.atlas.xyz,
        anatomy.atlas.xyz.new_tensor([p.eye_outer[0] + 4, p.nose_wing[1] + 8, p.eye_outer[2]]),
        (15.0, 11.0, 26.0),
    )
    skin = _film(skin, skin.new_tensor([ROUGE]), 0.32 * amount("rouge", 0.35) * rouge * uneven)
    d, along = anatomy.lid_distance, anatomy.lid_along
    lid = anatomy.lid_upper * smoothstep(-0.5, 0.5, d)
    near = smoothstep(11.0, 3.0, d + 3.0 * (0.5 - along)) * smoothstep(1.5, 1.0, along)
    shadow = (0.7 * lid * near + 0.12 * (1 - anatomy.lid_upper) * smoothstep(3.0, 0.5, d)) * uneven
    shadow = shadow * smoothstep(-0.2, 0.15, along)
    shades = _palette(SHADOWS, face["eyeshadow_hue"]) * (0.5 + 0.9 * face["tone"])[:, None]
    skin = _film(skin, shades, (amount("eyeshadow", 0.45) * shadow).clamp(0, 0.85))
    liner = torch.exp(-0.5 * ((d - 0.5) / 0.55) ** 2) * smoothstep(0.05, 0.35, along)
    liner = liner * (anatomy.lid_upper + 0.35 * (1 - anatomy.lid_upper))
    liner = liner * smoothstep(1.22, 1.05, along)
    cover = (1.1 * amount("eyeliner", 0.4) * liner).clamp(0, 0.92)
    skin = torch.lerp(skin, torch.full_like(skin, 0.015), cover[..., None])
    colour = _palette(LIPSTICKS, face["lipstick_hue"])
    colour = colour * (1.25 - 0.85 * face["lipstick_dark"])[:, None]
    painted = (0.9 * amount("lipstick", 0.4) ** 0.7 * lip * uneven).clamp(0, 0.82)
    return _film(skin, colour, painted), painted
