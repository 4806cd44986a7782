"""Hair that stands out from the head, or lies closer to it, as a person's does seen from the front:
styles tell the course of hair, photos its outline.

An outline is metres at PLACES along it: degrees around the middle of the skull from the person's
right (-90) over the top (0) to the left (90), and further down on both sides by height, 20 to
every 4 cm. There hair moves sideways, above the middle away from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.head.curves import smoothstep

Floats = NDArray[np.floating[Any]]

PLACES = np.arange(-190.0, 191.0, 20.0, dtype=np.float32)
SIDE = 90.0  # the place beyond which it goes by height
PER_METRE = 500.0
MIDDLE_Y = 0.060  # metres
FROM, FULL = 0.004, 0.030  # metres of arc over which a strand comes to stand out in full
LOW, HIGH = -0.200, -0.140  # metres of height over which it ends on the shoulders


def stood_out(points: Floats, arc: Floats, outline: Sequence[float]) -> Floats:
    """Points [N,K,3] of strands with path lengths [N,K] on the mean head, moved outwards by the
    outline's metres at their place."""
    x, y = points[..., 0], points[..., 1]
    below = np.maximum(MIDDLE_Y - y, 0)
    up = np.maximum(y - MIDDLE_Y, 0)
    size = np.hypot(x, up)
    place = np.degrees(np.arctan2(np.abs(x), up)) + PER_METRE * below
    by = np.interp(np.sign(x) * place, PLACES, np.asarray(outline, np.float32))
    # less near the middle of the face and of the back, whose outline is not seen from the front
    by = by * smoothstep(0.02, 0.07, size) * smoothstep(FROM, FULL, arc)
    by = by * smoothstep(LOW, HIGH, y) / np.maximum(size, 1e-6)
    moved: Floats = points.copy()
    moved[..., 0] += by * x
    moved[..., 1] += by * up
    return moved


def rays(away: Floats) -> Floats:
    """Points [P,A,2], x and y in metres, `away` [A] metres out from the middle at each place."""
    down = np.maximum(np.abs(PLACES) - SIDE, 0) / PER_METRE
    turn = np.radians(np.clip(PLACES, -SIDE, SIDE))
    way = np.stack([np.sin(turn), np.cos(turn)], -1)
    start = np.stack([np.zeros_like(down), MIDDLE_Y - down], -1)
    points: Floats = start[:, None] + away[None, :, None] * way[:, None]
    return points
