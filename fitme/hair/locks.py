"""Which locks are light and which are dark: lightness by the place of the root and along the hair.

Roots are drawn flat around the crown, as on a map of the pole: the angle from upright is the
distance from the middle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.strands import Strands

Floats = NDArray[np.floating[Any]]

SIDE = 24  # places along each side of the map: 17 mm at the crown
ALONG = 3  # places from root to tip
COUNT = SIDE * SIDE * ALONG
MIDDLE = np.array([0.0, 0.06, -0.015], np.float32)  # metres on the mean head: within the skull
FARTHEST = np.radians(150.0)  # from upright: the nape is at 145


def spots(strands: Strands) -> tuple[NDArray[np.int64], Floats]:
    """The four places [N,4] of the map around each root, and how much each counts [N,4]."""
    anchor = strands.anchor
    corners = anchor.vertices[anchor.triangles[strands.triangle]]
    away = (corners * strands.barycentric[..., None]).sum(1) - MIDDLE
    away = away / np.linalg.norm(away, axis=1, keepdims=True)
    flat = np.hypot(away[:, 0], away[:, 2])
    far = np.arctan2(flat, away[:, 1]) / FARTHEST / np.maximum(flat, 1e-6)
    at = (0.5 + 0.5 * away[:, [0, 2]] * far[:, None]).clip(0, 1) * (SIDE - 1)
    low = at.astype(np.int64).clip(0, SIDE - 2)
    x, z = (at - low).T
    place = low[:, :1] * SIDE + low[:, 1:] + np.array([0, 1, SIDE, SIDE + 1])
    share = np.stack([(1 - x) * (1 - z), (1 - x) * z, x * (1 - z), x * z], -1)
    return place, share.astype(np.float32)


def along(arc: Floats) -> Floats:
    """[N,K,ALONG]: how much each place from root to tip counts at points of arc length [N,K]."""
    at = arc / np.maximum(arc[:, -1:], 1e-6) * (ALONG - 1)
    shares: Floats = (1 - np.abs(at[..., None] - np.arange(ALONG))).clip(0, 1).astype(np.float32)
    return shares


def lightness(strands: Strands, arc: Floats, locks: Floats) -> Floats:
    """The values [N,K] of a map [SIDE*SIDE,ALONG] at points of arc length [N,K]."""
    place, share = spots(strands)
    own = (locks[place] * share[..., None]).sum(1)
    values: Floats = (own[:, None] * along(arc)).sum(-1)
    return values
