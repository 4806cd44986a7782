"""The hairline: a closed line around the head inside which hair grows.

It is drawn in a chart of the mean head: azimuth around the vertical axis through the skull (0 at
the face, 180 degrees at the nape) times SKULL_RADIUS, and height y. Its usual course was set by eye
on the template: a third of the face above the brows, the corner at the temple, the sideburn before
the ear, around the ear, and down to the nape. A person's own line is that course moved inwards at
each of its points, by metres that may differ from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

SKULL_RADIUS = 0.078  # metres of the chart per radian of azimuth, the skull's at the temples

# azimuth in degrees, height in metres
HAIRLINE = (
    (0, 0.1050), (12, 0.1055), (24, 0.1045), (34, 0.1010), (43, 0.0940), (49, 0.0850),
    (53, 0.0740), (57, 0.0640), (63, 0.0540), (68, 0.0420), (70, 0.0260), (71, 0.0100),
    (79, 0.0080), (80.5, 0.0270), (85, 0.0425), (94, 0.0460), (102, 0.0425), (107.5, 0.0300),
    (110, 0.0140), (114, -0.0060), (122, -0.0240), (133, -0.0360), (147, -0.0425), (163, -0.0450),
    (180, -0.0480),
)  # fmt: skip
KNOTS = len(HAIRLINE)
# The lower end of a sideburn moves upwards, as its two corners would meet otherwise; between them
# and the ear the line has no room.
SIDEBURN_END = (11, 12)
# How far a knot may move outwards and inwards, metres: a forehead may be bare to the crown, the
# ear leaves a line little room.
REACH = np.array(
    [(-0.016, 0.045)] * 8 + [(-0.012, 0.016)] * 2 + [(-0.005, 0.004)] + [(-0.010, 0.030)] * 2
    + [(-0.002, 0.004)] * 2 + [(-0.003, 0.012)] * 6 + [(-0.010, 0.012)] * 4, np.float32,
)  # fmt: skip


def hairline(raised: float, recession: float, peak: float, low_nape: float) -> Floats:
    """The line [L,2] in chart metres: raised by `raised` metres at the front, drawn back at the
    temples by `recession` 0..1, with a widow's `peak` 0..1, the nape lower by `low_nape` metres."""
    line = np.array(HAIRLINE, np.float32)
    a, y = line[:, 0].copy(), line[:, 1].copy()
    front = np.clip((60 - a) / 20, 0, 1)
    y += raised * front
    corner = np.exp(-(((a - 40) / 15) ** 2))
    y += 0.026 * recession * corner
    side = np.clip((a - 40) / 8, 0, 1) * np.clip((70 - a) / 8, 0, 1)
    a += 5 * recession * side
    y -= 0.008 * peak * np.exp(-((a / 9) ** 2))
    y -= low_nape * np.clip((a - 128) / 15, 0, 1)
    return np.stack([np.radians(a) * SKULL_RADIUS, y], -1).astype(np.float32)


def inward() -> Floats:
    """The unit direction [KNOTS,2] of the chart in which each knot of the line moves."""
    line = hairline(0.0, 0.0, 0.0, 0.0)
    along = np.diff(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    turned = np.stack([-along[:, 1], along[:, 0]], -1)
    mixed = np.concatenate([[[0.0, 1.0]], turned[:-1] + turned[1:], [[0.0, 1.0]]])
    mixed[list(SIDEBURN_END)] = [0.0, 1.0]
    found: Floats = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)
    return found


def own_hairline(offsets: Sequence[float], low_nape: float) -> tuple[Floats, Floats]:
    """The lines [KNOTS,2] of the person's left and right, moved inwards by offsets
    [2 * KNOTS] metres (left first); they meet in the middle of the front and of the nape.

    Raises ValueError for another number of offsets.
    """
    moves = np.asarray(offsets, np.float32)
    if moves.shape != (2 * KNOTS,):
        raise ValueError(f"hairline: wanted {2 * KNOTS} offsets, got {moves.size}")
    moves = moves.reshape(2, KNOTS).clip(REACH[:, 0], REACH[:, 1])
    moves[:, [0, -1]] = moves[:, [0, -1]].mean(0)
    left, right = hairline(0.0, 0.0, 0.0, low_nape) + moves[..., None] * inward()
    return left, right


def inside_hairline(vertices: Floats, azimuth: Floats, line: Floats) -> Floats:
    """Signed distance [V] metres of the mean head's vertices [V,3] with their azimuth [V] from the
    hairline [L,2], positive inside, measured in the chart."""
    chart = np.stack([np.radians(azimuth) * SKULL_RADIUS, vertices[:, 1]], -1)
    first, last = line[0], line[-1]
    beyond = np.array([[last[0] + 0.1, last[1]], [last[0] + 0.1, 0.5], [-0.1, 0.5]], np.float32)
    left = np.array([[-0.1, first[1]]], np.float32)
    ring = np.concatenate([line, beyond, left])
    a, b = ring, np.roll(ring, -1, 0)
    away = np.full(len(chart), 1.0, np.float32)
    crossings = np.zeros(len(chart), np.int32)
    for p, q in zip(a, b, strict=True):
        edge = q - p
        along = ((chart - p) @ edge / (edge @ edge + 1e-12)).clip(0, 1)
        away = np.minimum(away, np.linalg.norm(chart - p - along[:, None] * edge, axis=1))
        spans = (p[1] > chart[:, 1]) != (q[1] > chart[:, 1])
        cut = p[0] + (chart[:, 1] - p[1]) * edge[0] / (edge[1] if edge[1] else 1e-9)
        crossings += spans & (chart[:, 0] < cut)
    return np.where(crossings % 2 == 1, away, -away).astype(np.float32)
