"""Where hair is parted: to each side of a parting it runs to that side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.evidence import SeenHair
from fitme.fit.hair.onhead import in_window, lean_on_head
from fitme.hair.hairline import own_hairline
from fitme.hair.scalp import Scalp

Floats = NDArray[np.floating[Any]]

BEHIND = (0.003, 0.045)  # metres inside of the hairline of the hair that is looked at
WIDE, FRONT, HIGH = 0.06, 0.0, 0.09  # metres: |x| below, z and y above which it grows
PLACES = np.linspace(-0.045, 0.045, 19)  # metres, x of partings
FACING = 0.1  # cosine towards the camera
# Share of the hair, by how much it leans, that must lean away from the parting; how much it leans
# on the whole (sine of twice its angle); and how much of it is seen. From 18 photos.
AGREES, LEANS, SEEN = 0.75, 0.40, 0.3


def parting(
    scalp: Scalp, line: tuple[float, ...], vertices: Sequence[Floats], seen: Sequence[SeenHair]
) -> float | None:
    """x of the parting on the mean head, metres, or None where the photos show none; `line` are
    the offsets of the hairline, `vertices` [V,3] those posed in each photo."""
    edge = scalp.inside(*own_hairline(line, 0.0))
    at = scalp.vertices
    chosen = (edge > BEHIND[0]) & (edge < BEHIND[1]) & (np.abs(at[:, 0]) < WIDE)
    front = np.flatnonzero(chosen & (at[:, 2] > FRONT) & (at[:, 1] > HIGH))
    x = at[front, 0]
    lean, weight = np.zeros(len(front)), np.zeros(len(front))
    for points, one in zip(vertices, seen, strict=True):
        found = _lean(points[front], scalp.normals[front], one)
        lean += found[0]
        weight += found[1]
    total = float(np.abs(lean).sum())
    if weight.sum() < SEEN * len(front) * len(seen) or total < LEANS * weight.sum():
        return None
    agrees = [float((np.sign(x - place) * lean).sum()) / total for place in PLACES]
    best = int(np.argmax(agrees))
    if agrees[best] < AGREES or best in (0, len(PLACES) - 1):
        return None
    return float(PLACES[best])


def _lean(points: Floats, normals: Floats, seen: SeenHair) -> tuple[Floats, Floats]:
    """How far hair at N points leans to the person's left, -1..1 times its weight, and the
    weight, 0 where none is seen."""
    x, y, inside, toward, _ = in_window(points, normals, seen)
    weight = (inside & (toward > FACING)) * seen.hair[y, x] * seen.known[y, x]
    return weight * lean_on_head(points, normals, seen), weight
