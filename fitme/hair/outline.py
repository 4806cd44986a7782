"""Hair that stands out from the head, or lies closer to it, as a person's does seen from the front:
styles tell the course of hair, photos its outline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.head.curves import smoothstep

Floats = NDArray[np.floating[Any]]

# Degrees around the head seen from the front: 0 is up, 90 the person's left.
ANGLES = np.arange(-130.0, 131.0, 20.0, dtype=np.float32)
MIDDLE = np.array([0.0, 0.060], np.float32)  # x and y, metres, of what the angles are around
FROM, FULL = 0.004, 0.030  # metres of arc over which a strand comes to stand out in full
# metres of height over which it ends above the shoulders
LOW, HIGH = -0.120, -0.030


def stood_out(points: Floats, arc: Floats, outline: Sequence[float]) -> Floats:
    """Points [N,K,3] of strands with path lengths [N,K] on the mean head, moved away from MIDDLE,
    sideways and up, by the outline's metres at their angle."""
    away = points[..., :2] - MIDDLE
    size = np.linalg.norm(away, axis=-1)
    angle = np.degrees(np.arctan2(away[..., 0], away[..., 1]))
    by = np.interp(angle, ANGLES, np.asarray(outline, np.float32))
    # less near the middle of the face and of the back, whose outline is not seen from the front
    by = by * smoothstep(0.02, 0.07, size) * smoothstep(FROM, FULL, arc)
    by = by * smoothstep(LOW, HIGH, points[..., 1])
    moved: Floats = points.copy()
    moved[..., :2] += (by / np.maximum(size, 1e-6))[..., None] * away
    return moved
