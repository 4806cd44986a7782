"""What cards follow: the middle line of each group of strands, its width, where it is rooted."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from fitme.hair.clusters import clustered, shape_features
from fitme.hair.strands import Strands

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]

BEND = 0.08  # metres of straight hair that need as many stations as a radian of a bend
LONGER = 0.6  # share of a group's strands that are shorter than those its card goes along with
ONWARDS = 0.07  # of its length that a card goes on: few of a strip's strands reach its end
FOREMOST = 0.04  # share of a group's roots that lie behind the place where its card begins
BEHIND = 0.0015  # metres that a card begins before that


@dataclass(frozen=True)
class Paths:
    """C middle lines of S stations each, root first."""

    points: Floats  # [C,S,3] metres
    offsets: tuple[Floats, ...]  # per card: its strands' stations less the middle line, [M,S,3]
    root: Ints  # [C] the strand whose root a card is bound to

    def __len__(self) -> int:
        return len(self.points)

    def some(self, kept: NDArray[np.integer[Any]]) -> Paths:
        """Those of these numbers."""
        offsets = tuple(self.offsets[k] for k in kept)
        return Paths(self.points[kept], offsets, self.root[kept])

    def spread(self, across: Floats) -> Floats:
        """Standard deviation [C,S] metres of each group along unit vectors [C,S,3]."""
        out = np.zeros(self.points.shape[:2], np.float32)
        for card, offsets in enumerate(self.offsets):
            if len(offsets) > 1:
                along = np.einsum("msc,sc->ms", offsets, across[card])
                out[card] = along.std(0)
        return out


def places(middle: Floats, count: int) -> Floats:
    """Where along a line [K,3] its `count` stations are, as indices 0..K-1: closer to each other
    where it bends, and near the root."""
    steps = np.diff(middle, axis=0)
    size = np.linalg.norm(steps, axis=1) + 1e-9
    way = steps / size[:, None]
    turn = np.zeros(len(size))
    turn[1:] += np.linalg.norm(np.diff(way, axis=0), axis=1)
    turn[:-1] += np.linalg.norm(np.diff(way, axis=0), axis=1)
    weight = size + BEND * uniform_filter1d(turn, 3, mode="nearest")
    weight = weight * (1 + np.exp(-np.arange(len(size)) / max(0.1 * len(size), 1)))
    total = np.concatenate([[0], np.cumsum(weight)])
    at: Floats = np.interp(np.linspace(0, total[-1], count), total, np.arange(len(total)))
    return at


def at_places(points: Floats, at: Floats) -> Floats:
    """Points [N,K,3] at indices [S], linear between them."""
    low = at.astype(np.int64).clip(0, points.shape[1] - 2)
    mix = (at - low)[:, None]
    out: Floats = (points[:, low] * (1 - mix) + points[:, low + 1] * mix).astype(np.float32)
    return out


def without_curls(points: Floats, window: int) -> Floats:
    """Points [N,K,3], each the mean of `window`; roots stay."""
    if window <= 1:
        return points
    smooth = uniform_filter1d(points, min(window, points.shape[1]), 1, mode="nearest")
    return np.concatenate([points[:, :1], smooth[:, 1:]], 1)


def group_paths(
    strands: Strands, outward: Floats, count: int, many: int, smooth: int,
    random: np.random.Generator,
) -> Paths:  # fmt: skip
    """Middle lines of about `count` groups of strands, `many` stations each; outward [N,3] is the
    normal at the roots."""
    lines = without_curls(strands.points, smooth)
    owner = clustered(lines, count, random)
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(owner.max() + 2))
    middles, offsets, roots = [], [], []
    for start, end in itertools.pairwise(ends):
        members = order[start:end]
        own = lines[members]
        reach = np.linalg.norm(own[:, -1] - own[:, 0], axis=1)
        # the strips' tips are ragged, not the cards'
        longer = own[reach >= np.sort(reach)[int(LONGER * len(reach))]]
        at = places(longer.mean(0), many)
        own, middle = at_places(own, at), at_places(longer, at).mean(0)
        last = middle[-1] - middle[-2]
        length = np.linalg.norm(np.diff(middle, axis=0), axis=1).sum()
        middle[-1] += ONWARDS * length / (np.linalg.norm(last) + 1e-9) * last
        # begins at the roots that lie behind, so that partings and hairlines are covered
        normal = outward[members].mean(0)
        way = middle[min(2, many - 1)] - middle[0]
        way = way - (way @ normal) / (normal @ normal + 1e-9) * normal
        way = way / (np.linalg.norm(way) + 1e-9)
        behind = (own[:, 0] - own[:, 0].mean(0)) @ way
        middle[0] = (
            own[:, 0].mean(0) + (np.sort(behind)[int(FOREMOST * len(behind))] - BEHIND) * way
        )
        nearest = np.linalg.norm(own[:, 0] - middle[0], axis=1).argmin()
        middles.append(middle)
        offsets.append(own - own.mean(0))
        roots.append(members[nearest])
    return Paths(np.array(middles, np.float32), tuple(offsets), np.array(roots, np.int32))


def stray_paths(strands: Strands, count: int, many: int, random: np.random.Generator) -> Paths:
    """Single strands that lie far from the others' way: what flies about."""
    lines = at_places(strands.points, np.linspace(0, strands.points.shape[1] - 1, many))
    features = shape_features(lines)
    owner = clustered(lines, max(len(lines) // 40, 1), random)
    total = np.zeros((owner.max() + 1, features.shape[1]))
    np.add.at(total, owner, features)
    mean = total / np.bincount(owner)[:, None]
    away = np.linalg.norm(features - mean[owner], axis=1)
    likely = np.argsort(-away, kind="stable")[: 4 * count]
    chosen = np.sort(random.permutation(likely)[:count]).astype(np.int32)
    return Paths(lines[chosen], tuple(np.zeros((1, many, 3)) for _ in chosen), chosen)
