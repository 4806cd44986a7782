"""How much light comes through hair, from a grid of its density.

A strand takes away light by its width times its length per volume (the extinction of many thin
cylinders); light that hairs scatter onwards is counted as let through by FORWARD.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.kernels_shadow import bounds, deposit, lookup, march, sweep
from fitme.hair.strands import Strands
from fitme.runtime.kept import kept_with

Floats = NDArray[np.floating[Any]]

STEP = 0.007  # metres between grid points
HEAD_DENSITY = 500.0  # per metre inside of the head, which is opaque
DENSEST = 400.0  # per metre: a tie is finer than the grid, whose points would all lie inside it
SKIN_START = 0.003  # metres above the skin where shadows on it begin to count
FORWARD = 0.35  # share of the light that meets a hair and goes on


@dataclass(frozen=True)
class Volume:
    """Extinction [X,Y,Z] per metre at the points low + step * index."""

    density: Floats
    low: Floats  # [3] metres
    step: float

    def depth_towards(self, direction: Floats) -> Floats:
        """Optical depth [X,Y,Z] from each grid point to a light in this direction [3]."""
        d = np.asarray(direction, np.float64)
        axis = int(np.argmax(np.abs(d)))
        others = [k for k in range(3) if k != axis]
        forward = 1 if d[axis] > 0 else -1
        turned = self.density.transpose(axis, *others)
        turned = np.ascontiguousarray(turned[::forward])
        depth = np.empty_like(turned)
        shift = d[others] / abs(d[axis])
        path = self.step * float(np.linalg.norm(d)) / abs(d[axis])
        sweep(turned, float(shift[0]), float(shift[1]), path, depth)
        back = np.argsort([axis, *others])
        return np.ascontiguousarray(depth[::forward].transpose(back))

    def coarser(self) -> Volume:
        """The same at every second point, each the mean of its surroundings."""
        d = np.pad(self.density, [(1, 2)] * 3)
        for axis in range(3):
            d = np.moveaxis(d, axis, 0)
            many = (len(d) - 1) // 2
            middle = d[1 : 1 + 2 * many : 2]
            d = 0.25 * (d[0 : 2 * many : 2] + d[2 : 2 + 2 * many : 2]) + 0.5 * middle
            d = np.moveaxis(d, 0, axis)
        return Volume(np.ascontiguousarray(d), self.low, 2 * self.step)

    def at(self, values: Floats, points: Floats) -> Floats:
        """Trilinear values [N] of a grid [X,Y,Z] at points [N,3]."""
        out = np.empty(len(points), np.float32)
        lookup(values, self.low, self.step, points, out)
        return out


def hair_volume(strands: Strands, step: float = STEP, with_head: bool = False) -> Volume:
    """The density of strands; `with_head` the head and the shoulders are opaque."""
    low, high = np.empty(3, np.float32), np.empty(3, np.float32)
    bounds(strands.points, low, high)
    low, high = low - 2 * step, high + 2 * step
    counts = np.ceil((high - low) / step).astype(int) + 1
    density = np.zeros(counts, np.float32)
    low = low.astype(np.float32)
    deposit(strands.points, strands.half_width, low, step, density)
    density = (DENSEST * (1 - np.exp(-density / DENSEST))) * (1 - FORWARD)
    if with_head:
        axes = [low[k] + step * np.arange(counts[k], dtype=np.float32) for k in range(3)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        density += HEAD_DENSITY * strands.inside_head(grid, 0.004, 0.010)
    return Volume(density, low, step)


def kept_volume(strands: Strands, with_head: bool = False) -> Volume:
    """`hair_volume` of these strands, made once: pictures under several lights ask for it."""
    return kept_with(strands, ("volume", with_head), lambda: hair_volume(strands, STEP, with_head))


def transmittance(strands: Strands, points: Floats, direction: Floats) -> Floats:
    """Share [M] of a directional light that reaches points [M,3] of the skin through the hair;
    direction [3] is towards the light, of any length."""
    points = np.ascontiguousarray(points, np.float32)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points: wanted [M,3], got {list(points.shape)}")
    out = np.ones(len(points), np.float32)
    if len(strands) == 0:
        return out
    volume = kept_volume(strands)
    d = np.asarray(direction, np.float64)
    d = d / np.linalg.norm(d)
    march(volume.density, volume.low, volume.step, points, d[0], d[1], d[2], SKIN_START, out)
    return np.exp(-out)
