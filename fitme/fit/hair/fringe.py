"""Hair that hangs over the forehead: how far down, how wide, and to which side it is swept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.evidence import SeenHair
from fitme.fit.hair.onhead import lean_on_head, level_on_head, shown_on_head
from fitme.hair.scalp import Scalp

Floats = NDArray[np.floating[Any]]

COLUMNS = np.arange(-55.0, 56.0, 10.0)  # degrees of azimuth, positive is the person's left
INNERMOST, MIDDLE = 15.0, 35.0  # degrees to each side that a fringe covers for the most part
HALF_WIDTH = 6.0  # degrees to each side of a column that its vertices lie
HEIGHTS = np.arange(0.050, 0.122, 0.004)  # metres on the mean head; brows end at 0.050
HALF_HEIGHT = 0.004
LEAST = 0.2  # of what is seen of a place from which something is told of it
# Height to which hair comes down over the forehead from which it is a fringe: foreheads of 17
# photos without one are bare up to 0.102 to 0.118, of two with one to 0.078 and 0.094.
LOW = 0.098
LINE = 0.105  # metres: height of the usual hairline there
ROOTS = 0.030  # metres behind the hairline from which the hair of a fringe comes, in the mean
WIDEST = 50.0  # degrees: further out hangs hair of the sides
# Mean lean (sine of twice the angle) up to which a fringe hangs straight, and from which it sweeps
STRAIGHT, SIDEWAYS = 0.10, 0.25
# Mean of `level_on_head` of swept hair up to which it ends on the forehead, and from which it runs
# across into the hair of that side: 0.27 on the example photo, -0.1 with one that hangs
HANGS, ACROSS = 0.0, 0.2
SHORTEST = 0.02  # metres of what hangs at the end of it


@dataclass(frozen=True)
class Fringe:
    """What a style calls `fringe`, `fringe_width`, `fringe_sweep` and `fringe_across`."""

    length: float
    width: float
    sweep: float
    across: float = 0.0


def fringe_of(
    scalp: Scalp, vertices: Sequence[Floats], seen: Sequence[SeenHair], depths: Sequence[Floats]
) -> Fringe | None:
    """The fringe that P photos show with posed vertices [V,3] and the depth [n,n] of head and bust
    in the window of each, or None."""
    skin, hair, lean, level = np.zeros((4, len(scalp.vertices)))
    for points, one, depth in zip(vertices, seen, depths, strict=True):
        found = shown_on_head(scalp, points, one, depth)
        skin += found[0] / len(seen)
        hair += found[1] / len(seen)
        lean += found[1] * lean_on_head(points, scalp.normals, one) / len(seen)
        level += found[1] * level_on_head(points, scalp.normals, one) / len(seen)
    azimuth = scalp.azimuth * np.sign(scalp.vertices[:, 0])
    lows = np.array([_lowest(scalp, azimuth, skin, hair, column) for column in COLUMNS])
    told = np.isfinite(lows)
    for within in (INNERMOST, MIDDLE):  # hair that falls to both sides leaves the middle bare
        near = np.abs(COLUMNS) <= within
        if (told & near).sum() < 0.5 * near.sum() or np.median(lows[told & near]) > LOW:
            return None
    covered = told & (lows < LINE - 0.5 * (LINE - LOW))
    width = min(float(np.abs(COLUMNS[covered]).max()) + HALF_WIDTH, WIDEST)
    length = LINE - float(np.median(lows[covered & (np.abs(COLUMNS) <= MIDDLE)])) + ROOTS
    height = scalp.vertices[:, 1]
    over = (np.abs(azimuth) < MIDDLE) & (height > HEIGHTS[0]) & (height < LINE)
    hairs = max(float(hair[over].sum()), 1e-6)
    sideways, flat = float(lean[over].sum()) / hairs, float(level[over].sum()) / hairs
    sweep = _share(abs(sideways), STRAIGHT, SIDEWAYS) * float(np.sign(sideways))
    across = abs(sweep) * _share(flat, HANGS, ACROSS)
    return Fringe(max(length - across * ROOTS, SHORTEST), width, sweep, across)


def _share(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))


def _lowest(scalp: Scalp, azimuth: Floats, skin: Floats, hair: Floats, column: float) -> float:
    """Height down to which nothing but hair is seen in a column, NaN where too little is seen."""
    y = scalp.vertices[:, 1]
    inside = (np.abs(azimuth - column) < HALF_WIDTH) & (scalp.vertices[:, 2] > 0)
    near = inside & (np.abs(HEIGHTS[:, None] - y) < HALF_HEIGHT)
    told, share = near @ (skin + hair), near @ hair
    bare = (told > LEAST) & (share < 0.5 * told)
    if (told > LEAST).sum() < 0.5 * len(HEIGHTS):
        return float("nan")
    first = int(np.flatnonzero(bare).max()) + 1 if bare.any() else 0
    return float(HEIGHTS[first]) if first < len(HEIGHTS) else float(HEIGHTS[-1] + HALF_HEIGHT)
