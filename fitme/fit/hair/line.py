"""A person's own hairline, from what the photos show of skin and hair on the scalp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.evidence import SeenHair
from fitme.fit.hair.onhead import shown_on_head
from fitme.hair.hairline import KNOTS, REACH, SKULL_RADIUS, hairline, inward
from fitme.hair.scalp import Scalp

Floats = NDArray[np.floating[Any]]

STEP = 0.0025  # metres between the places that are tried for a knot
LOW, HIGH = float(REACH[:, 0].min()), float(REACH[:, 1].max())
ASIDE = (-0.004, 0.0, 0.004)  # metres along the line of the samples that a knot looks at
NEAREST = 0.006  # metres of the chart within which a vertex stands for a sample
# Hair that is seen outside of the usual line, where hair is long: it falls there, and does not
# grow there.
FALLEN = 0.08
# Costs of a line, against metres of skin inside and of hair outside of it: per square metre and
# metre of the way from knot to knot for bends; per square metre for sides that differ, and for what
# departs from the usual line.
BEND, UNLIKE, UNUSUAL = 0.25, 20.0, 4.0


def own_line(
    scalp: Scalp, vertices: Sequence[Floats], seen: Sequence[SeenHair], depths: Sequence[Floats],
    long: bool,
) -> tuple[float, ...]:  # fmt: skip
    """The offsets of `fitme.hair.hairline.own_hairline` for P photos: posed vertices [V,3], and
    the depth [n,n] of head and bust in the window of each. What no photo shows follows the other
    side of the head, or else the usual line."""
    skin, hair = np.zeros(len(scalp.vertices)), np.zeros(len(scalp.vertices))
    for points, one, depth in zip(vertices, seen, depths, strict=True):
        shown = shown_on_head(scalp, points, one, depth)
        skin += shown[0] / len(seen)
        hair += shown[1] / len(seen)
    steps = np.arange(round(LOW / STEP), round(HIGH / STEP) + 1) * STEP
    each = [_costs(scalp, side, skin, hair, steps, long) for side in (1.0, -1.0)]
    return tuple(float(value) for value in _best(each[0], each[1], steps).ravel())


def _costs(
    scalp: Scalp, side: float, skin: Floats, hair: Floats, steps: Floats, long: bool
) -> Floats:
    """[KNOTS,S]: metres of skin inside and of hair outside, for each place of each knot."""
    from scipy.spatial import cKDTree

    near = scalp.near_hair[side * scalp.vertices[scalp.near_hair, 0] > -1e-4]
    chart = np.stack([np.radians(scalp.azimuth[near]) * SKULL_RADIUS, scalp.vertices[near, 1]], -1)
    tree = cKDTree(chart)
    line, way = hairline(0.0, 0.0, 0.0, 0.0), inward()
    along = np.stack([way[:, 1], -way[:, 0]], -1)
    total = np.zeros((KNOTS, len(steps)))
    for aside in ASIDE:
        at = line[:, None] + steps[:, None] * way[:, None] + aside * along[:, None]
        away, index = tree.query(np.abs(at))
        found = away < NEAREST
        index = near[np.where(found, index, 0)]
        total_skin, total_hair = skin[index] * found, hair[index] * found
        if long:
            total_hair = total_hair * np.where(steps < 0, FALLEN, 1.0)
        # what lies further in than a place is inside of the line there
        inner = total_skin[:, ::-1].cumsum(1)[:, ::-1]
        outer = total_hair.cumsum(1) - total_hair
        total += (inner + outer) * STEP / len(ASIDE)
    forbidden = (steps < REACH[:, :1] - 1e-6) | (steps > REACH[:, 1:] + 1e-6)
    return np.where(forbidden, np.inf, total)


def _best(left: Floats, right: Floats, steps: Floats) -> Floats:
    """[2,KNOTS] metres: the places of least cost for both sides together, by dynamic programming
    (Bellman) along the line, whose state is a pair of places."""
    line = hairline(0.0, 0.0, 0.0, 0.0)
    gaps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    usual = UNUSUAL * steps**2
    pair = UNLIKE * (steps[:, None] - steps[None]) ** 2 + usual[:, None] + usual[None]
    square = (steps[:, None] - steps[None]) ** 2  # [from, to]
    cost = left[0][:, None] + right[0][None] + pair
    cost = cost + np.where(np.eye(len(steps)) > 0, 0, np.inf)  # one line in the middle
    came = []
    for knot in range(1, KNOTS):
        bend = BEND / gaps[knot - 1] * square
        first = cost[:, None] + bend[:, :, None]  # [from left, to left, right]
        from_left = first.argmin(0)
        half = first.min(0)
        second = half[:, :, None] + bend[None]  # [to left, from right, to right]
        from_right = second.argmin(1)
        own = left[knot][:, None] + right[knot][None] + pair
        cost = second.min(1) + own
        came.append((from_left, from_right))
    cost = cost + np.where(np.eye(len(steps)) > 0, 0, np.inf)
    end = np.unravel_index(int(cost.argmin()), cost.shape)
    places = [(int(end[0]), int(end[1]))]
    for from_left, from_right in reversed(came):
        a, b = places[-1]
        before = int(from_right[a, b])
        places.append((int(from_left[a, before]), before))
    return steps[np.array(places[::-1]).T]
