"""Cards kept out of the skin, exactly: the collision grid is a millimetre or two off in places."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.strands import Anchor

Floats = NDArray[np.floating[Any]]

NEAR = 0.015  # metres from the skin within which its planes hold
DEEP = -0.007  # metres; what lies deeper is meant to: hair of a tie, or on the shoulders
ROUNDS = 3
BETWEEN = (0.25, 0.5, 0.75)  # of a segment, where it is looked at as well


class Skin:
    """The skin of the mean head as many small planes."""

    def __init__(self, anchor: Anchor) -> None:
        from scipy.spatial import cKDTree

        corners = anchor.vertices[anchor.triangles]
        normals = anchor.normals[anchor.triangles]
        used = np.unique(anchor.triangles)
        self.points = np.concatenate([anchor.vertices[used], corners.mean(1)])
        mean = normals.mean(1)
        mean = mean / (np.linalg.norm(mean, axis=1, keepdims=True) + 1e-9)
        self.normals = np.concatenate([anchor.normals[used], mean])
        self.tree = cKDTree(self.points)

    def height(self, points: Floats) -> tuple[Floats, Floats]:
        """Metres [N] above the skin of points [N,3], inf where it is far, and its normals."""
        far, index = self.tree.query(points, distance_upper_bound=NEAR)
        found = np.isfinite(far)
        index = np.where(found, index, 0)
        away = ((points - self.points[index]) * self.normals[index]).sum(-1)
        return np.where(found, away, np.inf), self.normals[index]


def lifted(points: Floats, least: Floats, skin: Skin) -> Floats:
    """Lines [M,K,3] moved out until they and the straight pieces between their points are `least`
    [M,K] metres above the skin."""
    points = points.astype(np.float64)
    rest = np.arange(len(points))  # lines that the round before has moved
    for _ in range(ROUNDS):
        own, low = points[rest], least[rest]
        push = _push(own, low, skin)
        for t in BETWEEN:
            middle = own[:, :-1] * (1 - t) + own[:, 1:] * t
            # a straight piece may come closer than its ends, but not into the skin
            between = _push(middle, 0.5 * (low[:, :-1] + low[:, 1:]), skin)
            for ends in (push[:, :-1], push[:, 1:]):
                larger = np.linalg.norm(between, axis=-1) > np.linalg.norm(ends, axis=-1)
                ends[larger] = between[larger]
        points[rest] = own + push
        rest = rest[np.abs(push).max((1, 2)) > 0]
        if len(rest) == 0:
            break
    return points.astype(np.float32)


def _push(points: Floats, least: Floats, skin: Skin) -> Floats:
    height, normal = skin.height(points.reshape(-1, 3))
    short = least.reshape(-1) - height
    short = np.where((short > 0) & (height > DEEP), short, 0)
    push: Floats = (short[:, None] * normal).reshape(points.shape)
    return push
