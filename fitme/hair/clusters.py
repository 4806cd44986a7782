"""Strands that lie close together, as groups: what one card of hair stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.kernels_cards import nearest_centres, sum_clusters

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]

SHAPE_POINTS = 6  # of a strand that are compared
ROOT_WEIGHT = 1.6  # of the root beside the other points: cards must cover the scalp evenly
ROUNDS = 4  # of Lloyd's algorithm; more change little


def clustered(points: Floats, count: int, random: np.random.Generator) -> Ints:
    """For each strand of points [N,K,3] its group [N], 0..C-1, C at most `count`, none empty.

    k-means (S. Lloyd, "Least squares quantization in PCM", 1982) over root and shape.
    """
    features = shape_features(points)
    count = min(count, len(points))
    centres = features[random.choice(len(points), count, replace=False)].copy()
    owner = np.zeros(len(points), np.int32)
    for _ in range(ROUNDS):
        nearest_centres(features, centres, owner)
        sums = np.zeros_like(centres)
        counts = np.zeros(count, np.int64)
        sum_clusters(features, owner, sums, counts)
        kept = counts > 0
        centres[kept] = sums[kept] / counts[kept, None]
    return np.unique(owner, return_inverse=True)[1].astype(np.int32).reshape(-1)


def shape_features(points: Floats) -> Floats:
    """[N,3*SHAPE_POINTS] metres: the root, weighted, and points along each strand [N,K,3]."""
    at = np.rint(np.linspace(0, points.shape[1] - 1, SHAPE_POINTS)).astype(int)
    chosen = points[:, at].astype(np.float32)
    chosen[:, 0] *= ROOT_WEIGHT
    chosen[:, -1] *= 0.7  # tips stray, and a card's own tips are ragged anyway
    return np.ascontiguousarray(chosen.reshape(len(points), -1))
