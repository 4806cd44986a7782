"""How lashes go along with a lid, which turns about the eye that it lies on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.guides import unit
from fitme.hair.strands import Anchor

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]


ROLL = 1.5  # times the lid's angle that lashes turn: a margin rolls while its lid closes


@dataclass(frozen=True)
class Hinge:
    """M lines of vertices that turn about the eyes' centres as their roots do."""

    rings: Ints  # [2,R] vertices of the head whose means are the centres of left and right eye
    eye: Ints  # [M] 0 left, 1 right
    triangle: Ints  # [M] of the anchor's skin, where each is rooted
    barycentric: Floats  # [M,3]

    def turned(self, points: Floats, normals: Floats, anchor: Anchor, vertices: Floats
               ) -> tuple[Floats, Floats]:  # fmt: skip
        """Points and normals [M,K,3] of the mean head for a head with vertices [V,3]."""
        corners = anchor.triangles[self.triangle]
        weight = self.barycentric[..., None]
        before = (anchor.vertices[corners] * weight).sum(1)
        after = (vertices[corners] * weight).sum(1)
        turn = turns(
            before - anchor.vertices[self.rings].mean(1)[self.eye],
            after - vertices[self.rings].mean(1)[self.eye],
            ROLL,
        )
        moved = after[:, None] + np.einsum("mij,mkj->mki", turn, points - before[:, None])
        return moved.astype(np.float32), np.einsum("mij,mkj->mki", turn, normals).astype("f4")


def turns(start: Floats, end: Floats, gain: float = 1.0) -> Floats:
    """The shortest rotations [M,3,3] that take the directions of start [M,3] to those of end, by
    `gain` times their angles."""
    a, b = unit(start).astype(np.float64), unit(end).astype(np.float64)
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis, axis=1)
    angle = gain * np.arctan2(sine, (a * b).sum(1))
    zero = np.zeros(len(a))
    x, y, z = (axis / np.maximum(sine, 1e-12)[:, None]).T
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    first, second = np.sin(angle)[:, None, None], (1 - np.cos(angle))[:, None, None]
    out: Floats = np.eye(3) + first * skew + second * (skew @ skew)
    return out
