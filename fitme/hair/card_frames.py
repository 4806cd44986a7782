"""Which way hair faces: outwards from all of it, and the ribbons that cards are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.guides import unit
from fitme.hair.shadow import Volume, hair_volume
from fitme.hair.strands import Strands
from fitme.render.light import fibonacci_sphere

Floats = NDArray[np.floating[Any]]

BLUR = 2.2  # grid points of the hair's volume over which its surface is smoothed
MOST_DENSE = 120.0  # per metre: a thin layer of hair counts like a thick one
DIRECTIONS = 14  # from which ambient light is looked at
PASSED = 0.5  # of the optical depth: light is scattered onwards within hair
LEAST_LIGHT = 0.12  # share of ambient light that reaches the depth of hair


@dataclass(frozen=True)
class Surroundings:
    """What hair and head together are at any place."""

    volume: Volume
    slope: Floats  # [3,X,Y,Z] downhill of the smoothed density: outwards
    light: Floats  # [X,Y,Z] share of ambient light, on the coarser grid
    coarse: Volume

    def outward(self, points: Floats) -> Floats:
        """Unit directions [...,3] out of the hair at points [...,3]."""
        flat = np.ascontiguousarray(points.reshape(-1, 3), np.float32)
        found = [self.volume.at(np.ascontiguousarray(axis), flat) for axis in self.slope]
        return unit(np.stack(found, -1)).reshape(points.shape)

    def visibility(self, points: Floats) -> Floats:
        """Share [...] in 0..1 of ambient light that reaches points [...,3]."""
        flat = np.ascontiguousarray(points.reshape(-1, 3), np.float32)
        return self.coarse.at(self.light, flat).reshape(points.shape[:-1]).clip(0, 1)


def surroundings(strands: Strands) -> Surroundings:
    """Of strands, those of the mean head, with the head among them."""
    from scipy.ndimage import gaussian_filter

    volume = hair_volume(strands, with_head=True)
    smooth = gaussian_filter(np.minimum(volume.density, MOST_DENSE), BLUR)
    # far out and deep inside, where nothing changes, a much wider filter tells
    smooth = smooth + 0.3 * gaussian_filter(smooth, 3 * BLUR)
    slope = -np.stack(np.gradient(smooth)).astype(np.float32)
    coarse = volume.coarser()
    total = np.zeros(coarse.density.shape, np.float32)
    for direction in fibonacci_sphere(DIRECTIONS).numpy():
        total += np.exp(-PASSED * coarse.depth_towards(direction))
    # half of all directions is all that the outermost hair can see
    light = LEAST_LIGHT + (1 - LEAST_LIGHT) * np.minimum(2 * total / DIRECTIONS, 1)
    return Surroundings(volume, slope, light.astype(np.float32), coarse)


def tangents(points: Floats) -> Floats:
    """Unit directions [C,S,3] along lines of points [C,S,3]."""
    return unit(np.gradient(points, axis=1))


def across(along: Floats, outward: Floats, twist: Floats, random: np.random.Generator) -> Floats:
    """Unit vectors [C,S,3] across ribbons that run along [C,S,3] and face outward [C,S,3], turned
    by twist [C] radians. Where hair stands on end any side will do, and the ribbon keeps the one
    it had before."""
    count, many = along.shape[:2]
    wanted = np.cross(outward, along)
    lies = np.linalg.norm(wanted, axis=-1, keepdims=True)  # 0: stands on end
    wanted = wanted / np.maximum(lies, 1e-6)
    trust = np.clip((lies - 0.25) / 0.4, 0, 1)
    out = np.empty_like(along)
    before = unit(np.cross(along[:, 0], random.standard_normal((count, 3)).astype(np.float32)))
    # the side is that of the place where the hair lies flattest
    flattest = lies[..., 0].argmax(1)
    start = wanted[np.arange(count), flattest]
    before = unit(before * (1 - trust.max(1)) + start * trust.max(1))
    for k in range(many):
        kept = unit(before - (before * along[:, k]).sum(-1, keepdims=True) * along[:, k])
        before = unit(kept * (1 - trust[:, k]) + wanted[:, k] * trust[:, k])
        out[:, k] = before
    turned = np.cross(along, out)
    angle = twist[:, None, None]
    return (np.cos(angle) * out + np.sin(angle) * turned).astype(np.float32)


def ribbon(
    points: Floats, side: Floats, along: Floats, half: Floats, columns: int, curve: float
) -> tuple[Floats, Floats]:
    """Vertices [C,columns,S,3] of ribbons around lines [C,S,3], and their own normals: half-widths
    half [C,S] metres, the edges bent down by `curve` of them."""
    up = np.cross(along, side)
    at = np.linspace(-1, 1, columns, dtype=np.float32)
    width, rise = at[None, :, None, None], (0.5 - at**2)[None, :, None, None]
    h = half[:, None, :, None]
    vertices = points[:, None] + width * h * side[:, None] + curve * rise * h * up[:, None]
    normals = unit(up[:, None] + 2 * curve * width * side[:, None])
    return vertices.astype(np.float32), normals
