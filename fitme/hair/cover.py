"""How much of the skin hair grows on, and what colour skin has between roots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.color import HairColor
from fitme.hair.strands import Strands

Floats = NDArray[np.floating[Any]]

FULL = 0.35  # of the usual density where nothing of the skin is left to see
PAINTED = 0.85  # share of the hair's colour in the albedo of the skin that hair hides
SHADE = 0.55  # factor of the hair's albedo: between the roots it is dark
ROUNDS = 2  # in which a vertex takes on half of what its neighbours have: roots are dots


def cover(strands: Strands) -> Floats:
    """Share [V] in 0..1 of the skin at each vertex of the head that roots hide."""
    anchor = strands.anchor
    count = len(anchor.vertices)
    corners = anchor.vertices[anchor.triangles]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    around, grown = np.zeros(count), np.zeros(count)
    for k in range(3):
        around += np.bincount(anchor.triangles[:, k], area / 6, count)
        vertex = anchor.triangles[strands.triangle, k]
        grown += np.bincount(vertex, strands.barycentric[:, k], count)
    edges = np.concatenate([anchor.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    edges = np.concatenate([edges, edges[:, ::-1]])
    number = np.bincount(edges[:, 0], minlength=count).clip(1)
    for _ in range(ROUNDS):
        around, grown = (
            0.5 * (v + np.bincount(edges[:, 0], v[edges[:, 1]], count) / number)
            for v in (around, grown)
        )
    density = grown / np.maximum(around, 1e-12)
    usual = float(np.quantile(density[density > 0], 0.7)) if (density > 0).any() else 1.0
    return np.clip(density / usual / FULL, 0, 1).astype(np.float32)


def root_albedo(strands: Strands, color: HairColor) -> Floats:
    """Linear albedo [3] that the skin has where hair hides it."""
    return (SHADE * color.albedo(strands)[:, 0].mean(0)).astype(np.float32)
