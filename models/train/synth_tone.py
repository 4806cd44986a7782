"""Melanin, blood and oxygen over the face: the fields the skin colour model turns into albedo.

Regional tendencies after E. Angelopoulou, "Understanding the color of human skin", 2001, and the
facial zones portrait painters use (yellow forehead, red middle, cooler jaw); sizes set against
the portraits and skins by `synth_compare`. All maps are changes of logarithms, so the same
numbers serve light and dark skin.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.models.train.synth_anatomy import Anatomy
from fitme.models.train.synth_parameters import Face
from fitme.models.train.synth_random import SolidNoise
from fitme.models.train.synth_skin import SkinTable

BLOOD_FRACTION = 0.0112  # of the dermis of an average cheek-free face
OXYGEN_SATURATION = 0.75


@dataclass
class Pigment:
    """Maps [B,R,R] that marks and wrinkles add to before the colour is looked up."""

    melanin: Tensor  # change of log melanin
    blood: Tensor  # change of log blood
    oxygen: Tensor  # change of saturation
    lip: Tensor  # [B,R,R] weight of the vermilion


def regional_pigment(face: Face, anatomy: Anatomy, noise: SolidNoise) -> Pigment:
    """The face without marks."""
    r = anatomy.regions
    even = 1 - 0.75 * face.amount("foundation", 0.4) * face.made_up
    contrast = (face.scale("contrast", 0.20) * even)[:, None, None]
    grain = (face.scale("mottling", 0.25) * even)[:, None, None]

    def varied(mean: float, spread: float, name: str) -> Tensor:
        return mean + spread * face.image(name)

    melanin = (
        varied(0.20, 0.16, "lid_dark") * r["upper_lid"]
        + varied(0.10, 0.16, "under_eye_dark") * r["under_eye"]
        + varied(0.10, 0.10, "forehead_dark") * r["forehead"]
        + varied(0.08, 0.13, "perioral_dark") * r["perioral"]
        + varied(0.06, 0.10, "neck_dark") * r["neck"]
        - 0.10 * r["cheek"] - 0.12 * r["ears"] + 0.08 * r["temple"]
    )  # fmt: skip
    redness = 1 + 0.4 * face.image("age")
    blood = (
        varied(0.38, 0.30, "cheek_blood") * r["cheek"] * redness
        + varied(0.42, 0.28, "nose_blood") * (r["nose_tip"] + 0.8 * r["nose_wing"]) * redness
        + varied(0.45, 0.30, "ear_blood") * r["ears"]
        + 0.16 * r["chin"] + 0.16 * r["upper_lid"] - 0.18 * r["forehead"]
        - 0.12 * r["temple"] - 0.10 * r["neck"] + 0.5 * r["eye_corner"] - 0.25 * r["scalp"]
        + varied(0.15, 0.15, "under_eye_dark") * r["under_eye"]
    )  # fmt: skip
    oxygen = -0.22 * r["under_eye"] - 0.10 * r["upper_lid"] - 0.04 * r["perioral"]

    coarse = noise.fractal("tone.coarse", (34.0, 13.0, 6.0), channels=4)
    fine = noise.fractal("tone.fine", (2.6, 1.3, 0.7), 0.8, channels=3)
    melanin = contrast * (melanin + 0.09 * coarse[..., 0]) + grain * 0.080 * fine[..., 0]
    blood = contrast * (blood + 0.13 * coarse[..., 1]) + grain * 0.16 * fine[..., 1]
    # Red skin is blotched, pale skin is even.
    blood = blood + grain * 0.10 * coarse[..., 2] * (r["cheek"] + r["nose_tip"] + r["chin"])
    oxygen = oxygen * contrast
    lip = _vermilion(face, anatomy, coarse[..., 3], fine[..., 2])
    return Pigment(melanin, blood, oxygen.expand_as(melanin).clone(), lip)


def _vermilion(face: Face, anatomy: Anatomy, coarse: Tensor, fine: Tensor) -> Tensor:
    """Weight of lip colour [B,R,R]: a soft border that wanders a little."""
    out = 0.55 * face.image("lip_fullness") + 0.30 * coarse + 0.12 * fine
    soft = (0.9 * face.scale("lip_border", 0.3) * (1 + 0.5 * face["age"]))[:, None, None]
    # The border is crisp at the bow of the upper lip and vague below the lower one.
    soft = soft * (1.35 - 0.5 * anatomy.lip_upper)
    return smoothstep(-soft, soft, anatomy.lip + out)


def skin_colour(face: Face, anatomy: Anatomy, pigment: Pigment, table: SkinTable) -> Tensor:
    """Diffuse albedo [B,R,R,3] of the bare skin, lips included, linear."""
    blood = BLOOD_FRACTION * face.scale("blood", 0.30)
    oxygen = torch.full_like(blood, OXYGEN_SATURATION)
    yellow = face["yellow"]
    melanin = table.melanin_for(face.tone_degrees, blood, oxygen, yellow)
    upper, depth = anatomy.lip_upper, smoothstep(2.0, 7.0, anatomy.lip)
    # Vermilion: thin cover with little melanin of its own over much blood; the more so inside.
    light = face.image("tone")  # the lips of dark skin keep more melanin than those of light skin
    lip_melanin = -0.30 - 1.0 * light - 0.40 * (1 - upper) - 0.35 * depth
    lip_melanin = lip_melanin + 0.28 * face.image("lip_dark")
    lip_blood = 1.50 + 0.35 * depth + 0.12 * (1 - upper) + 0.30 * face.image("lip_blood")
    lip_blood = lip_blood - 0.12 * (face.image("masculine") - 0.5)
    # The lining of the lids, seen at their edge only.
    lining = smoothstep(0.0, -1.0, anatomy.lid_distance)
    lip = pigment.lip
    log_melanin = pigment.melanin + lip_melanin * lip - 0.5 * lining
    log_blood = pigment.blood * (1 - 0.6 * lip) + lip_blood * lip + 1.4 * lining
    saturation = oxygen[:, None, None] + pigment.oxygen - 0.20 * lip
    return table.colour(
        melanin[:, None, None] * log_melanin.exp(), blood[:, None, None] * log_blood.exp(),
        saturation.clamp(0.2, 0.95), yellow,
    )  # fmt: skip
