"""Fine skin: what larger maps show of a person beyond what the person's own maps hold.

Furrows and pores are drawn at points that lie evenly on the surface (`fine_places`, `kernels_fine`)
and nothing of them repeats. Only what is finer than the maps' own detail is added, as strong as
that detail is: smooth skin gets fine skin that is smooth, too. What broad light sees stays: the
mean colour, and the gloss, whose roughness gives back what the new normals spread.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fitme.detail.displacement import bounded, slopes, texel_metres, tilted, tilts
from fitme.detail.fine_places import TEXELS, FinePlaces, fine_places
from fitme.detail.kernels_fine import draw_cells, draw_pits, scattered
from fitme.head.model import HeadModel
from fitme.reflectance.skin import MELANIN
from fitme.render import Material

Array = NDArray[np.float32]

OWN_SIDE = 1024  # texels of the maps that fits make, whose detail ends
OWN_ENDS = 3.0  # at three of their texels, 0.8 mm: their spectrum falls steeply beyond 0.6 / mm
REACH, CURVE = 1.9, 0.45  # of the plateaus' spacing: how far to look, how much borders bend
GROOVE = 0.30  # of the spacing: half width of a furrow
PLATEAU_UM = 6.5  # spread of the plateaus' heights
TRIES = 4  # darts thrown at a bin
USUAL_TILT = 0.0125  # spread of tilts between 0.8 and 4 mm on cheeks of the fits looked at
STRENGTHS = (0.65, 1.8)  # of fine skin against the usual one, whatever the maps show
LOCAL = 12.0  # texels of TEXELS, 12 mm, over which strength is measured
PORE_DARKER, SPECKLE = 0.10, 0.030  # of log albedo
PORE_DULLER, SPECKLE_GLOSS = 0.30, 0.05  # of log F0
ROUGHER = 0.04  # of roughness in a pore


@dataclass(frozen=True)
class FineSkin:
    """Fields [S,S] over the skin's tile."""

    height: Array  # metres, of fine detail alone
    pore: Array  # 0..1
    speckle: Array  # mean 0, spread about 1


def enlarged(head: HeadModel, neutral: Tensor, skin: Material, side: int) -> Material:
    """The skin's material with maps [1,S,S,C] of `side` texels, larger than its own, with fine skin
    added; neutral [1,V,3] in metres. The same for the same person, on the CPU."""
    albedo = skin.diffuse_albedo[:1].detach().cpu()
    normal = skin.normals()[:1].detach().cpu()
    places = fine_places(head, neutral)
    own = max(albedo.shape[1], normal.shape[1])
    strong = strength(normal, places)
    fine = fine_skin(places, side, own, seed_of(head, neutral))
    metres = texel_metres(head.to("cpu"), neutral.cpu(), side)
    shown = _wide(strong * places.skin, side)
    height = torch.from_numpy(fine.height * shown)[None]
    tilt = bounded(slopes(height, metres))
    del metres, height
    spread = _soft(_small((0.5 * tilt[0].square().sum(-1)).numpy()), 2.0)
    made = tilted(_cubic(normal, side), tilt)
    del tilt
    color = torch.from_numpy(shown * (SPECKLE * fine.speckle + PORE_DARKER * fine.pore))
    color = color - color.mean()
    axis = torch.tensor(MELANIN) / (sum(MELANIN) / 3)
    large = _cubic(albedo, side)
    for channel in range(3):
        large[0, ..., channel] *= (-float(axis[channel]) * color).exp()
    gloss = np.exp(shown * (SPECKLE_GLOSS * fine.speckle - PORE_DULLER * fine.pore))
    f0 = _cubic(skin.specular_albedo[:1].detach().cpu(), side) * torch.from_numpy(gloss)[..., None]
    return replace(
        skin, diffuse_albedo=large.clamp(1e-4, 1.0), specular_albedo=f0.clamp(0.0, 1.0),
        normal=made, roughness=_roughness(skin.roughness, spread, fine.pore * shown),
    )  # fmt: skip


def fine_skin(places: FinePlaces, side: int, own: int, seed: int) -> FineSkin:
    """Fine skin of maps of `side` texels beside maps of `own` texels, of usual strength."""
    random = np.random.default_rng(seed)
    points, chance = _points(places.cells, 1024, random)
    first = np.full((side, side), 4.0, np.float32)
    second, value = first.copy(), np.full((side, side), 0.5, np.float32)
    draw_cells(points, chance, places.cells, REACH, CURVE, first, second, value)
    border = np.exp(-(((second - first) / GROOVE) ** 2), dtype=np.float32)
    del first, second
    uneven = _noise(random, side, places)
    height = -_wide(places.furrow, side) * border * (0.6 + 0.6 * uneven).clip(0, 1.8)
    speckle = (value - 0.5) * (1 - border)
    height += 3.4 * PLATEAU_UM * speckle
    del border, value
    speckle = 3.4 * speckle + 0.7 * uneven
    del uneven
    pits = np.zeros((side, side), np.float32)
    points, chance = _points(places.pores, 512, random)
    column, row = (points * TEXELS).astype(int).clip(0, TEXELS - 1).T
    kind = np.exp(0.30 * random.standard_normal(len(points))).astype(np.float32)
    wide = kind * (places.pore_wide / places.pore_apart)[row, column]
    draw_pits(points, wide, (0.25 + chance) * kind, places.pores, pits)
    height -= _wide(places.pore_deep, side) * pits
    ends = OWN_ENDS if own <= OWN_SIDE else OWN_ENDS / 2
    height = _finer(height, round(own / ends))
    return FineSkin(height * 1e-6, pits.clip(0, 1), _finer(speckle, round(own / ends)))


def seed_of(head: HeadModel, neutral: Tensor) -> int:
    """A number of the person: of where the nose and all else is, in tenths of a millimetre."""
    rounded = (1e4 * neutral[0, ::37].detach().cpu()).round().to(torch.int32).numpy()
    return zlib.crc32(rounded.tobytes())


def _points(tensors: Array, bins: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Points [N,2] at even distances, and a number in 0..1 for each."""
    jitter = random.random((TRIES, bins, bins, 2), np.float32)
    held = np.full((bins, bins), -1, np.int32)
    points = np.zeros((bins * bins, 2), np.float32)
    count = scattered(tensors, jitter, held, points)
    return points[:count].copy(), random.random(count, np.float32)


def _noise(random: np.random.Generator, side: int, places: FinePlaces) -> Array:
    """Smooth noise of mean 0 and spread 1 whose grains are a millimetre, [S,S]."""
    grid = cv2.GaussianBlur(random.standard_normal((OWN_SIDE,) * 2, np.float32), (0, 0), 1.5)
    return _wide(grid / grid.std(), side)


def strength(normal: Tensor, places: FinePlaces) -> Array:
    """How strong the detail of own normals [1,R,R,3] is against the usual, [T,T] in STRENGTHS."""
    tilt = tilts(normal)[0].numpy()
    side = len(tilt)
    coarse, fine = (cv2.GaussianBlur(tilt, (0, 0), s * side / OWN_SIDE) for s in (6.0, 1.2))
    power = _small(0.5 * np.square(fine - coarse).sum(-1)) * places.skin
    weight = cv2.GaussianBlur(places.skin, (0, 0), LOCAL)
    local = cv2.GaussianBlur(power, (0, 0), LOCAL) / np.maximum(weight, 1e-3)
    return (np.sqrt(local) / USUAL_TILT).clip(*STRENGTHS).astype(np.float32)


def _roughness(own: Tensor | float, spread: Array, pore: Array) -> Tensor:
    """Roughness [1,S,S,1] of which the spread of tilts (variance [T,T] along an axis) that normals
    now show is taken: alpha^2 = roughness^4 loses twice it (Olano and Baker, "LEAN mapping", 2010).
    """
    side = len(pore)
    base = torch.tensor(float(own)).expand(1, 1, 1, 1) if not isinstance(own, Tensor) else own
    base = base[:1].detach().cpu()
    base = base.expand(1, side, side, 1) if base.shape[1] == 1 else _cubic(base, side)
    left = (base**4 - 2 * torch.from_numpy(_wide(spread, side))[None, ..., None]).clamp_min(1e-3)
    return (left**0.25 + ROUGHER * torch.from_numpy(pore)[None, ..., None]).clamp(0.05, 1.0)


def _finer(field: Array, side: int) -> Array:
    """A field [S,S] without what maps of `side` texels can show of it."""
    coarse = cv2.resize(field, (side, side), interpolation=cv2.INTER_AREA)
    field -= cv2.resize(coarse, field.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return field


def _small(field: Array) -> Array:
    return _resized(field, TEXELS, cv2.INTER_AREA)


def _wide(field: Array, side: int) -> Array:
    return _resized(field, side, cv2.INTER_LINEAR)


def _resized(field: Array, side: int, way: int) -> Array:
    image = np.ascontiguousarray(field, np.float32)
    return np.asarray(cv2.resize(image, (side, side), interpolation=way), np.float32)


def _soft(field: Array, texels: float) -> Array:
    """Blurred by a Gaussian."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), texels), np.float32)


def _cubic(maps: Tensor, side: int) -> Tensor:
    """Maps [1,R,R,C] larger, [1,S,S,C]; sharper than bilinear."""
    image = np.ascontiguousarray(maps[0].numpy())
    if image.shape[0] == 1:
        return maps.expand(1, side, side, -1).clone()
    large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(large.reshape(1, side, side, -1))
