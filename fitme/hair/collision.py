"""What hair lies on: a signed distance grid of the mean head, its neck and a bust below.

Distances are to the nearest skin vertex or triangle centre along its normal, a grid step fine
enough for hair. The bust (trapezius and chest as capsules) carries long hair; it is an adult's of
average build, measured from anthropometric tables by eye, as the head model ends at the neck.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.head.model import HeadModel
from fitme.runtime.made_once import made_once

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]

STEP = 0.006  # metres between grid points
LOW = np.array([-0.27, -0.42, -0.19], np.float32)  # metres, corners of the grid
HIGH = np.array([0.27, 0.22, 0.22], np.float32)
HEAD_BELOW = -0.17  # metres: below this height only the bust is near
FAR = 0.2  # metres beyond which no skin is looked for
EXACT, BLOCK = 0.015, 4  # metres to which distances are exact; grid steps that go together beyond
SOFT_STEPS = 2.5  # standard deviation of the filter that fills hollows, grid steps
NEAR_SKIN = 0.09  # metres beyond which the nearest skin vertex is not kept

# start, end (metres, of the left side; mirrored), radius at both ends
BUST = (
    ((0.020, -0.125, -0.035), (0.175, -0.200, -0.035), 0.042, 0.050),
    ((0.000, -0.250, 0.000), (0.110, -0.265, -0.010), 0.085, 0.080),
    ((0.000, -0.420, 0.015), (0.130, -0.420, 0.000), 0.110, 0.100),
)


@dataclass(frozen=True)
class Collision:
    """Signed distance [X,Y,Z] metres, positive outside, and the nearest skin vertex of the head
    (-1 where it is far) at the points LOW + STEP * index."""

    distance: Floats
    nearest: Ints
    soft: Floats  # the same with what is hollow around the ears filled, for long hair

    def at(self, points: Floats) -> tuple[Floats, Floats]:
        """Distance [...] and outward unit gradient [...,3] at points [...,3], trilinear."""
        from fitme.hair.kernels_grow import sample_distance

        flat = np.ascontiguousarray(points.reshape(-1, 3), np.float32)
        value = np.empty(len(flat), np.float32)
        gradient = np.empty_like(flat)
        sample_distance(flat, self.distance, LOW, STEP, value, gradient)
        return value.reshape(points.shape[:-1]), gradient.reshape(points.shape)

    def nearest_vertex(self, points: Floats) -> Ints:
        """Index of the skin vertex near each point [...,3], -1 for none."""
        index = np.rint((points - LOW) / STEP).astype(np.int64)
        limit = np.array(self.nearest.shape) - 1
        inside = ((index >= 0) & (index <= limit)).all(-1)
        index = index.clip(0, limit)
        found = self.nearest[index[..., 0], index[..., 1], index[..., 2]]
        return np.where(inside, found, -1).astype(np.int32)


def build_collision(head: HeadModel, normals: Floats) -> Collision:
    """The grid for the mean shape of `head`; normals [V,3] of its vertices. Made once per head."""
    mean = head.mean.cpu().numpy()
    triangles = head.part_triangles(head.skin.name).cpu().numpy()
    outer = _outer(head)
    triangles = triangles[outer[triangles].all(1)]
    made: dict[str, Any] = made_once(
        __file__, "collision", (mean, normals, triangles),
        lambda: vars(_grid(mean, normals, triangles)),
    )  # fmt: skip
    return Collision(**made)


def _grid(mean: Floats, normals: Floats, triangles: Ints) -> Collision:
    """Of vertices [V,3] with normals [V,3] and triangles [T,3] that hair can touch."""
    from scipy.ndimage import gaussian_filter

    vertices = np.unique(triangles)
    centres = mean[triangles].mean(1)
    points = np.concatenate([mean[vertices], centres])
    directions = np.concatenate([normals[vertices], normals[triangles].mean(1)])
    owner = np.concatenate([vertices, triangles[:, 0]]).astype(np.int32)
    counts = np.ceil((HIGH - LOW) / STEP).astype(int) + 1
    axes = [LOW[k] + STEP * np.arange(counts[k], dtype=np.float32) for k in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    distance = _bust(grid)
    nearest = np.full(grid.shape[:3], -1, np.int32)
    near_head = (grid[..., 1] > HEAD_BELOW) & (np.abs(grid[..., 0]) < 0.19)
    at = grid[near_head]
    far, index = _nearest(points, grid, near_head)
    found = np.isfinite(far)
    index = np.where(found, index, 0)
    away = ((at - points[index]) * directions[index]).sum(-1)
    signed = np.where(found, np.where(away < 0, -far, far), 0.2)
    # the neck's open end: nothing below it is inside
    middle, down = _neck_end(mean, triangles)
    signed = np.where(((at - middle) @ down > 0.003) & (away < 0), 0.2, signed)
    distance[near_head] = np.minimum(distance[near_head], signed)
    nearest[near_head] = np.where(found & (far < NEAR_SKIN), owner[index], -1)
    filled = gaussian_filter(distance, SOFT_STEPS)
    soft = np.minimum(distance, filled + 0.002)
    return Collision(distance.astype(np.float32), nearest, soft.astype(np.float32))


def _nearest(
    points: Floats, grid: Floats, wanted: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.int64]]:
    """Distance [N] metres to the nearest of points [M,3], and its index, at the N wanted points
    of a grid [X,Y,Z,3]; infinite beyond FAR.

    Exact within EXACT; farther points, which cost a search tree the most, look at the point
    that is nearest to the middle of their block.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    block = np.stack(np.meshgrid(*[np.arange(n) // BLOCK for n in wanted.shape], indexing="ij"), -1)
    block = block[wanted]
    sides = np.array([-(-n // BLOCK) for n in wanted.shape])
    flat = np.ravel_multi_index(tuple(block.T), tuple(sides))
    used, which = np.unique(flat, return_inverse=True)
    middles = np.stack(np.unravel_index(used, tuple(sides)), -1) * BLOCK + (BLOCK - 1) / 2
    far, index = tree.query(LOW + STEP * middles, distance_upper_bound=FAR)
    index = np.where(np.isfinite(far), index, 0)[which]
    at = grid[wanted]
    distance = np.where(
        np.isfinite(far)[which], np.linalg.norm(at - points[index], axis=-1), np.inf
    )
    close = far[which] < EXACT + STEP * BLOCK * math.sqrt(3) / 2
    distance[close], index[close] = tree.query(at[close])
    return distance, index


def _outer(head: HeadModel) -> NDArray[np.bool_]:
    """Vertices [V] that hair can touch: not the inside of mouth and nostrils."""
    hidden = np.zeros(len(head.mean), bool)
    for name in ("mouth_inside", "nostrils"):
        if name in head.regions:
            hidden |= head.regions[name].cpu().numpy() > 0.5
    return ~hidden


def _neck_end(mean: Floats, triangles: Ints) -> tuple[Floats, Floats]:
    """Centre and downward unit normal of the plane through the lower edge of the neck."""
    edges = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    )
    found, times = np.unique(edges, axis=0, return_counts=True)
    rim = mean[np.unique(found[times == 1])]
    rim = rim[rim[:, 1] < -0.08]
    if len(rim) < 3:
        return mean.min(0), np.array([0, -1, 0], np.float32)
    middle = rim.mean(0)
    normal = np.linalg.svd(rim - middle)[2][2]
    return middle, normal if normal[1] < 0 else -normal


def _bust(points: Floats) -> Floats:
    """Signed distance to the capsules, [...]."""
    mirrored = points.copy()
    mirrored[..., 0] = np.abs(mirrored[..., 0])
    best = np.full(points.shape[:-1], 1.0, np.float32)
    for start, end, first, last in BUST:
        a, b = np.array(start, np.float32), np.array(end, np.float32)
        along = ((mirrored - a) @ (b - a) / ((b - a) @ (b - a))).clip(0, 1)
        middle = a + along[..., None] * (b - a)
        away = np.linalg.norm(mirrored - middle, axis=-1)
        best = np.minimum(best, away - (first + (last - first) * along))
    return best
