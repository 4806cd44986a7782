"""What cards follow: the middle line of each group of strands, its width, where it is rooted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.clusters import clustered, shape_features
from fitme.hair.guides import unit
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


def places(middles: Floats, count: int) -> Floats:
    """Where along lines [C,K,3] their `count` stations are, as indices [C,count] in 0..K-1: closer
    to each other where they bend, and near the root."""
    from scipy.ndimage import uniform_filter1d

    steps = np.diff(middles, axis=1)
    size = np.linalg.norm(steps, axis=-1) + 1e-9
    bend = np.linalg.norm(np.diff(steps / size[..., None], axis=1), axis=-1)
    turn = np.zeros(size.shape)
    turn[:, 1:] += bend
    turn[:, :-1] += bend
    weight = size + BEND * uniform_filter1d(turn, 3, 1, mode="nearest")
    weight = weight * (1 + np.exp(-np.arange(size.shape[1]) / max(0.1 * size.shape[1], 1)))
    total = np.concatenate([np.zeros((len(size), 1)), np.cumsum(weight, 1)], 1)
    index = np.arange(total.shape[1])
    wanted = np.linspace(0, total[:, -1], count, axis=1)
    at: Floats = np.stack([np.interp(w, own, index) for w, own in zip(wanted, total, strict=True)])
    return at


def at_places(points: Floats, at: Floats) -> Floats:
    """Points [N,K,3] at indices [N,S], linear between them."""
    low = at.astype(np.int64).clip(0, points.shape[1] - 2)
    mix = (at - low)[..., None].astype(np.float32)
    row = np.arange(len(points))[:, None]
    out: Floats = points[row, low] * (1 - mix) + points[row, low + 1] * mix
    return out.astype(np.float32)


def without_curls(points: Floats, window: int) -> Floats:
    """Points [N,K,3], each the mean of `window`; roots stay."""
    from scipy.ndimage import uniform_filter1d

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
    reach = np.linalg.norm(lines[:, -1] - lines[:, 0], axis=1)
    order = np.lexsort((reach, owner))  # groups behind each other, the longest strands last
    lines, outward, owner = lines[order], outward[order], owner[order]
    starts = np.searchsorted(owner, np.arange(owner[-1] + 1))
    many_in = np.diff(np.append(starts, len(owner)))

    def mean(values: Floats, of: Floats) -> Floats:
        """Of each group, weighted by of [N]."""
        weight = of.reshape(-1, *[1] * (values.ndim - 1)).astype(np.float32)
        total = np.add.reduceat(values * weight, starts)
        out: Floats = total / np.add.reduceat(weight, starts)
        return out

    rank = np.arange(len(owner)) - starts[owner]
    # the strips' tips are ragged, not the cards'
    middles = mean(lines, (rank >= (LONGER * many_in).astype(int)[owner]).astype(np.float32))
    at = places(middles, many)
    own, middles = at_places(lines, at[owner]), at_places(middles, at)
    last = middles[:, -1] - middles[:, -2]
    length = np.linalg.norm(np.diff(middles, axis=1), axis=-1).sum(1)
    middles[:, -1] += (ONWARDS * length)[:, None] * unit(last)
    # begins at the roots that lie behind, so that partings and hairlines are covered
    every = np.ones(len(owner), np.float32)
    normal, root = mean(outward, every), mean(own[:, 0], every)
    way: Floats = middles[:, min(2, many - 1)] - middles[:, 0]
    along = (way * normal).sum(1) / ((normal * normal).sum(1) + 1e-9)
    way = unit(way - along[:, None] * normal)
    behind = ((own[:, 0] - root[owner]) * way[owner]).sum(1)
    first = behind[np.lexsort((behind, owner))][starts + (FOREMOST * many_in).astype(int)]
    middles[:, 0] = root + (first - BEHIND)[:, None] * way
    away = np.linalg.norm(own[:, 0] - middles[owner, 0], axis=1)
    nearest = order[np.lexsort((away, owner))[starts]]
    offsets = tuple(np.split(own - mean(own, every)[owner], starts[1:]))
    return Paths(middles.astype(np.float32), offsets, nearest.astype(np.int32))


def stray_paths(
    strands: Strands, count: int, many: int, smooth: int, random: np.random.Generator
) -> Paths:  # fmt: skip
    """Single strands that lie far from the others' way: what flies about."""
    at = np.linspace(0, strands.points.shape[1] - 1, many)
    lines = without_curls(strands.points, smooth)
    lines = at_places(lines, np.broadcast_to(at, (len(strands), many)))
    features = shape_features(lines)
    owner = clustered(lines, max(len(lines) // 40, 1), random)
    total = np.zeros((owner.max() + 1, features.shape[1]))
    np.add.at(total, owner, features)
    mean = total / np.bincount(owner)[:, None]
    away = np.linalg.norm(features - mean[owner], axis=1)
    likely = np.argsort(-away, kind="stable")[: 4 * count]
    chosen = np.sort(random.permutation(likely)[:count]).astype(np.int32)
    return Paths(lines[chosen], tuple(np.zeros((1, many, 3)) for _ in chosen), chosen)
