"""The drawn material of an eyeball."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.render import Material
from fitme.runtime.constants import constant

# Of the eye's tile: 21.1 of 150 degrees times 0.48, where the cornea's bulge is 11.7 mm wide, as
# irises are. With 22.5 degrees, its angle without the bulge, photos had smaller irises by 12 %.
IRIS_SHARE = 0.0675
PUPIL_SHARE = 0.0240
LIGHT_IRIS, DARK_IRIS = (0.22, 0.30, 0.36), (0.060, 0.030, 0.014)
SCLERA = (0.62, 0.56, 0.52)
# Of light of lamps that the upper lid's edge and its lashes keep from the eye, as do the corners:
# neither casts a shadow of its own. As shares of the tile from the middle; an upper lid at rest
# ends at about 0.045, where nearly half of the light is gone, as in portraits of lit faces.
UNDER_LID, UNDER_DEPTH = (0.0, 0.07), 0.60
CORNER, CORNER_DEPTH = (0.085, 0.21), 0.40
#: The cornea: a refractive index of 1.376 would reflect 0.025. The surround that harmonics describe
#: is brighter than what an eye mirrors, brows and lashes, and veiled dark irises in grey.
CORNEA_F0, CORNEA_ROUGHNESS = 0.014, 0.18


def eye_material(iris: Tensor, size: int = 256, gain: Tensor | None = None) -> Material:
    """Material of an eyeball: sclera, limbal ring, iris, pupil; [B, size, size, C].

    `iris` [B, 1] runs from light blue (negative) to dark brown (positive); `gain` [B, 2, 3] is
    added to the log albedo of iris and sclera. The tile has the front pole in its centre and the
    polar angle as radius (`models/train/interior.py`).
    """
    drawn = _drawn(size, iris.device)
    colour, sclera = base_colours(iris)
    if gain is not None:
        of_iris, of_sclera = gain.exp().unbind(1)
        colour, sclera = colour * of_iris, sclera * of_sclera
    colour = colour[:, None, None] * drawn.pattern
    sclera = sclera[:, None, None] * drawn.rim * drawn.veins * drawn.ring
    albedo = torch.lerp(sclera, colour, drawn.iris) * drawn.pupil
    albedo = albedo * drawn.shade * drawn.corners
    specular = torch.full_like(albedo[..., :1], CORNEA_F0)
    return Material(albedo, specular, None, CORNEA_ROUGHNESS)


@dataclass(frozen=True)
class _Drawn:
    """What is the same on all eyes, [1,size,size,1 or 3] each."""

    pattern: Tensor  # of the iris
    rim: Tensor  # the sclera's colour towards its rim
    veins: Tensor
    ring: Tensor  # darker around the iris
    iris: Tensor  # its share
    pupil: Tensor  # what it leaves
    shade: Tensor  # under the upper lid
    corners: Tensor


@functools.lru_cache(maxsize=16)
@torch.no_grad()
def _drawn(size: int, device: torch.device) -> _Drawn:
    """Drawn once per size, as every step of a fit asks; only to be read."""
    axis = (torch.arange(size, device=device) + 0.5) / size - 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    radius = eye_radius(torch.stack([x, y], -1) + 0.5)[None, ..., None]
    angle = torch.atan2(y, x)[None, ..., None]
    soft = 0.8 / size

    def disc(share: float) -> Tensor:
        return torch.sigmoid((share - radius) / soft)

    across, up = x.abs()[None, ..., None], -y[None, ..., None]
    rim = smoothstep(IRIS_SHARE, 0.2, radius)
    return _Drawn(
        pattern=_pattern(radius / IRIS_SHARE, angle),
        rim=1 - rim * constant((0.02, 0.16, 0.18), rim),
        veins=1 - constant((0.05, 0.3, 0.3), rim) * _veins(x, y, radius),
        ring=1 - 0.18 * (-((radius / IRIS_SHARE - 1) / 0.12)).exp().clamp_max(1),
        iris=disc(IRIS_SHARE),
        pupil=1 - 0.985 * disc(PUPIL_SHARE),
        shade=1 - UNDER_DEPTH * smoothstep(*UNDER_LID, up),
        corners=1 - CORNER_DEPTH * smoothstep(*CORNER, across),
    )


def base_colours(iris: Tensor) -> tuple[Tensor, Tensor]:
    """Albedos [B,3] of iris and sclera before any gain, of the iris without its pattern, whose mean
    to both sides of the pupil is about 1."""
    light, dark = constant(LIGHT_IRIS, iris), constant(DARK_IRIS, iris)
    amount = torch.sigmoid(iris + 1)  # most eyes are brown; through hazel
    return torch.lerp(light.log(), dark.log(), amount).exp(), constant(SCLERA, iris)[None]


def eye_radius(uv: Tensor) -> Tensor:
    """How far from the front pole texture coordinates [...,2] of an eye lie, [...]."""
    return (uv - 0.5).norm(dim=-1)


def _pattern(share: Tensor, angle: Tensor) -> Tensor:
    """Fibres, collarette and limbal ring, [...,3], at shares of the iris' radius and angles
    [...,1]."""
    waves = torch.zeros_like(share)
    for count, phase, bend, weight in (
        (17, 0.3, 1.1, 0.30), (29, 1.7, -1.9, 0.32), (47, 4.1, 2.6, 0.30), (71, 2.2, -1.2, 0.22),
    ):  # fmt: skip
        along = count * angle + phase + bend * (3 * share + (2 * angle + phase).sin())
        waves = waves + weight * along.sin() * (1 + 0.6 * (7 * angle + count * share).sin())
    fibres = (0.34 * waves).exp()
    inner = 1 - smoothstep(0.5, 0.64, share + 0.03 * (9 * angle + 3 * (4 * angle).sin()).sin())
    warm = constant((1.16, 1.0, 0.82), share)
    collarette = 0.16 * (-((share - 0.57) / 0.05).square()).exp()
    limbus = 1 - 0.68 * smoothstep(0.78, 1.0, share)
    return fibres * (1 + (warm - 1) * inner) * (1 + collarette) * limbus


def _veins(x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    """Fine vessels that run from the corners towards the iris, [1,size,size,1] in 0..1."""
    total = torch.zeros_like(radius[..., 0])
    for k in range(9):
        slope = math.sin(2.4 * k + 0.7) * 0.35
        path = slope * x.abs() + 0.012 * (60 * x.abs() + 3 * k).sin() + 0.02 * math.sin(5.1 * k)
        side = (x > 0) if k % 2 else (x < 0)
        total = total + (-((y - path) / 0.0016).square()).exp() * side
    return total.clamp(0, 1)[..., None] * smoothstep(1.25 * IRIS_SHARE, 0.19, radius)
