"""Lashes as strands on the lids of a posed head."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.brows import LIDS, grow_lashes
from fitme.hair.card_hinge import Hinge
from fitme.hair.strands import Strands
from fitme.hair.styles import BrowStyle
from fitme.head.model import HeadModel
from fitme.head.parts import Role

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]

# The head is kept with them so that its id stays its own.
_CACHE: list[tuple[tuple[int, BrowStyle, int], HeadModel, Strands]] = []
_LOCK = threading.Lock()


def has_lashes(head: HeadModel) -> bool:
    """Whether the head has what lashes grow on: a skin whose regions and lids are known, and two
    eyes about which they turn."""
    known = len(head.landmark_triangles) > max(max(margin) for eye in LIDS for margin in eye)
    two = len(head.parts_with(Role.EYE)) == 2 and len(head.eye_ring) >= 2
    return known and two and "ears" in head.regions


def lashes_on(
    head: HeadModel, vertices: Floats, style: BrowStyle | None = None, seed: int = 0
) -> Strands:
    """Lashes on a head with vertices [V,3] of any identity and expression: they stay on the margins
    of the lids and turn about the eyes with them. Raises ValueError for a head without."""
    if not has_lashes(head):
        raise ValueError("lashes need a head with lids and two eyes")
    style = style or BrowStyle()
    grown = _grown(head, style, seed)
    hinge = hinge_of(head, grown.points, grown.triangle, grown.barycentric)
    vertices = np.ascontiguousarray(vertices, np.float32)
    points, _ = hinge.turned(grown.points, grown.points, grown.anchor, vertices)
    return replace(grown, points=points)


def _grown(head: HeadModel, style: BrowStyle, seed: int) -> Strands:
    """On the mean shape; those asked for last are kept."""
    key = (id(head), style, seed)
    with _LOCK:
        if not _CACHE or _CACHE[0][0] != key:
            _CACHE[:] = [(key, head, grow_lashes(head, style, seed))]
        return _CACHE[0][2]


def hinge_of(head: HeadModel, points: Floats, triangle: Ints, barycentric: Floats) -> Hinge:
    """How M lines [M,K,3] on the lids of the mean head, root first, go along with the lids."""
    return Hinge(
        head.eye_ring.cpu().numpy().astype(np.int32).reshape(2, -1),
        (points[:, 0, 0] < 0).astype(np.int32),  # +X is the person's left
        triangle, barycentric,
    )  # fmt: skip
