"""What a photo says of short hair beyond its outline: how long it can be, and whether it curls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.evidence import SeenHair
from fitme.fit.hair.silhouette import Stage
from fitme.hair import HairStyle
from fitme.head.model import HeadModel

Floats = NDArray[np.floating[Any]]

INNER, FEW = 0.6, 100  # of hair in a pixel, and number of such pixels, that are looked at
# Length of the mean course of hair: below, no comb has been through it; above, it lies as combed,
# and may be of any length (shorn and curly heads read 0.48 to 0.59, combed ones 0.66 to 0.70)
UNCOMBED, COMBED = 0.60, 0.68
# Hair that stands is not longer than this times the height of its outline over the head, and a bit
SHORN, TUFTED = 0.012, 0.045  # metres of hair on top over which tufts come to be seen
LONGEST_MESSY = 0.10  # metres of hair on top: longer hair lies in locks anyway
REACH, ALLOWED = 1.6, 0.002  # metres
TOO_LONG = 0.07  # cost of hair e times as long
CROWN, BROWS = (0.0, 0.13, 0.02), (0.0, 0.03, 0.09)  # metres on the mean head
UP, ASIDE, FARTHEST = 35.0, 50.0, 80.0  # degrees from upright: crown below, temples between
STEP = 0.5  # pixels along a ray
FINE_PX, COARSE_PX, AROUND_PX = (
    0.8,
    3.5,
    2.0,
)  # standard deviations in a picture FINER times as large
FINER = 2
# Contrast of locks times the share of it that runs no common way: combed and shorn heads of 15
# photos read 0.05 to 0.10, curls of two people 0.12 to 0.15
SMOOTH, CURLED = 0.10, 0.13
CURLY = 0.5  # of the curls that a photo shows from which short hair is worn in curls
WAVY = 0.4  # of the turns of full curls that the least have
# Radius of curls, of the length on top, and metres between which it is; turns per metre times it: a
# curl as steep as long, and how many at most, as strands have no more points
RADIUS, RADII, AROUND, MOST_TURNS = 0.125, (0.0025, 0.005), 0.21, 60.0


@dataclass(frozen=True)
class ShortHair:
    """Of one or several photos; NaN where none tells."""

    crown: float  # metres that the outline is above the head
    temples: float
    combed: float  # 0..1
    curls: float  # 0..1

    def too_long(self, style: HairStyle) -> float:
        """What a style costs that is longer than hair of this height can be."""
        cost = 0.0
        for length, height in ((style.top, self.crown), (style.sides, self.temples)):
            if np.isfinite(height):
                limit = REACH * max(height, 0.0) + ALLOWED
                cost += max(float(np.log(length / limit)), 0.0)
        return TOO_LONG * (1 - self.combed) * cost


def tousled(style: HairStyle) -> HairStyle:
    """A short style as curls lie, without them: strands of few points are quick to try."""
    return replace(
        style, tightness=0.85, frizz=0.15, clumps=700, layers=max(style.layers, 0.35), part=None,
        fringe_sweep=0.0, swept_back=min(style.swept_back, 0.3), lift=max(style.lift, 0.6),
        hold=0.2,
    )  # fmt: skip


def curled(style: HairStyle, curls: float = 1.0) -> HairStyle:
    """A short style, made by `tousled`, in curls as small as the hair is short; fewer `curls`
    (`ShortHair.curls`) are waves."""
    share = float(np.clip((curls - CURLY) / (1 - CURLY), 0, 1))
    radius = float(np.clip(RADIUS * style.top, *RADII))
    turns = min(AROUND / radius, MOST_TURNS) * (WAVY + (1 - WAVY) * share)
    radius *= 1 - 0.5 * WAVY * (1 - share)
    return replace(style, curl_radius=radius, curl_turns=turns, curl_order=0.15)


def messy(style: HairStyle, short: ShortHair | None) -> HairStyle:
    """A style whose tufts lie as little in order as the photos', where hair is short."""
    if short is None or style.top > LONGEST_MESSY:
        return style
    long = float(np.clip((style.top - SHORN) / (TUFTED - SHORN), 0, 1))
    mess = long * (1 - short.combed)
    tight = style.tightness + mess * max(0.7 - style.tightness, 0.0)
    return replace(style, mess=mess, tightness=tight)


def short_hair(
    head: HeadModel, vertices: list[Floats], seen: list[SeenHair], stages: list[Stage]
) -> ShortHair:
    """Medians over the photos of one person."""
    rows = []
    for points, one, stage in zip(vertices, seen, stages, strict=True):
        crown, temples = _heights(head, points, one, stage)
        rows.append((crown, temples, *_texture(one)))
    middle = [
        float(np.median(own[np.isfinite(own)])) if np.isfinite(own).any() else float("nan")
        for own in np.array(rows, np.float64).T
    ]
    combed, curls = (0.0 if np.isnan(value) else value for value in middle[2:])
    return ShortHair(middle[0], middle[1], combed, curls)


def _heights(
    head: HeadModel, vertices: Floats, seen: SeenHair, stage: Stage
) -> tuple[float, float]:
    """Metres from the head's outline to that of the hair, at the crown and at the temples; NaN
    where the photo ends before."""
    (crown, metres), (brows, _) = (_placed(head, vertices, seen, at) for at in (CROWN, BROWS))
    upright = crown - brows
    middle = 0.5 * (crown + brows)
    size = len(seen.known)
    turns = np.radians(np.arange(-FARTHEST, FARTHEST + 1, 8.0))
    heights = np.full(len(turns), np.nan)
    for k, turn in enumerate(turns):
        cosine, sine = np.cos(turn), np.sin(turn)
        way = np.array([[cosine, -sine], [sine, cosine]]) @ upright
        way = way / max(float(np.linalg.norm(way)), 1e-6)
        at = np.floor(middle + np.arange(0, size, STEP)[:, None] * way).astype(int)
        x, y = at[((at >= 0) & (at < size)).all(1)].T
        on_head, hair = np.flatnonzero(stage.head[y, x]), np.flatnonzero(seen.hair[y, x] > 0.5)
        if len(on_head) == 0:
            continue
        end = max(hair[-1] if len(hair) else 0, on_head[-1])
        if end + 4 < len(x) and seen.known[y[end + 4], x[end + 4]] > 0.5:
            heights[k] = (end - on_head[-1]) * STEP * metres
    off = np.abs(np.degrees(turns))
    return _median(heights[off < UP]), _median(heights[off > ASIDE])


def _median(values: Floats) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")


def _placed(
    head: HeadModel, vertices: Floats, seen: SeenHair, place: tuple[float, float, float]
) -> tuple[Floats, float]:
    """Pixel [2] of the vertex that is nearest to a place on the mean head, and metres per pixel."""
    mean = head.mean.detach().cpu().numpy()
    nearest = int(np.linalg.norm(mean - np.array(place, np.float32), axis=1).argmin())
    pose = seen.camera.world_to_camera[0].double().cpu().numpy()
    lens = seen.camera.K[0].double().cpu().numpy()
    point = lens @ (pose[:3, :3] @ vertices[nearest] + pose[:3, 3])
    return point[:2] / point[2], float(point[2] / lens[1, 1])


def _texture(seen: SeenHair) -> tuple[float, float]:
    """How far hair lies as combed, and how far it curls, each 0..1; NaN for too little hair."""
    hair = (seen.hair * seen.known).astype(np.float32)
    inner = cv2.erode(hair, np.ones((5, 5))) > INNER
    if inner.sum() < FEW:
        return float("nan"), float("nan")
    sure = float(np.linalg.norm(seen.course, axis=-1)[inner].mean())
    side = FINER * len(hair)
    light = np.log(seen.pixels.mean(-1).clip(0) + 0.01).astype(np.float32)
    light = cv2.resize(light, (side, side), interpolation=cv2.INTER_CUBIC)
    where = cv2.resize(inner.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST) > 0
    locks = cv2.GaussianBlur(light, (0, 0), FINE_PX) - cv2.GaussianBlur(light, (0, 0), COARSE_PX)
    contrast = float(locks[where].std())
    x, y = (np.asarray(cv2.Sobel(locks, cv2.CV_32F, a, 1 - a, ksize=3)) for a in (1, 0))
    even, odd, all_of = (
        cv2.GaussianBlur(part, (0, 0), AROUND_PX)
        for part in (x * x - y * y, 2 * x * y, x * x + y * y)
    )
    common = float((np.hypot(even, odd) / (all_of + 1e-6))[where].mean())
    curls = (contrast * (1 - common) - SMOOTH) / (CURLED - SMOOTH)
    combed = (sure - UNCOMBED) / (COMBED - UNCOMBED)
    return float(np.clip(combed, 0, 1)), float(np.clip(curls, 0, 1))
