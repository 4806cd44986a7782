"""Folds of an expression: a height field in millimetres, driven by ARKit shapes.

Which muscle folds which skin is anatomy (P. Ekman, W. Friesen, "Facial Action Coding System",
1978: action units 1, 4, 6, 7, 9, 12), written by hand and not derived from how the mesh strains:
a fit's model of wrinkles finds nothing of itself here. Places and depths differ between people
and between the sides of a face.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.models.train.synth_anatomy import Anatomy
from fitme.models.train.synth_atlas import sample

Array = NDArray[np.float64]

STEP_MM = 0.2  # between points of a curve
REACH = 5.0  # sigmas beyond which a fold ends
SIDES = {"Left": 1.0, "Right": -1.0}  # the person's left is +X

#: Region -> ARKit shape without its side -> share of the region's full depth at weight 1.
DRIVERS: dict[str, dict[str, float]] = {
    "nasolabial": {"mouthSmile": 1.0, "cheekSquint": 0.2, "noseSneer": 0.35},
    "cheek": {"mouthSmile": 0.9, "mouthDimple": 0.6},
    "crows_feet": {"cheekSquint": 0.7, "eyeSquint": 0.5, "mouthSmile": 0.15},
    "under_eye": {"cheekSquint": 0.7, "eyeSquint": 0.4, "mouthSmile": 0.15},
    "forehead": {"browInnerUp": 1.0, "browOuterUp": 0.5},
    "glabella": {"browDown": 1.0, "noseSneer": 0.25},
    "bunny": {"noseSneer": 1.0, "cheekSquint": 0.15},
}


@dataclass(frozen=True)
class Fold:
    """One groove: points [n,2] in mm as seen from the front, depth [n] in mm, and the standard
    deviation of its profile. `ridge` is the height of the skin heaped up beside it, a share of the
    depth, on the side of `outwards` [2] and on the other."""

    points: Array
    depth: Array
    sigma: float
    outwards: tuple[float, float] = (0.0, 1.0)
    ridge: tuple[float, float] = (0.25, 0.25)


def drive(weights: Mapping[str, float], region: str, side: str) -> float:
    """How far a region of one side is folded, 0..1.15; shapes without sides act on both."""
    shares = DRIVERS[region].items()
    total = sum(
        share * (weights.get(shape + side, 0.0) + weights.get(shape, 0.0))
        for shape, share in shares
    )
    return min(total, 1.15)


def person_folds(anatomy: Anatomy, weights: Mapping[str, float], seed: int) -> Tensor:
    """Height [R,R] in mm of one person's folds under expression weights by ARKit name; zero for
    a face at rest. The seed is the person: other weights fold the same places."""
    draws = np.random.default_rng([31, seed])
    xyz, normal = (v.double().numpy() for v in (anatomy.atlas.xyz, anatomy.atlas.normal))
    size = anatomy.atlas.resolution
    height = np.zeros(size * size)
    shown = (anatomy.atlas.inside & (anatomy.regions["front"] > 0.01)).numpy().ravel()
    index = shown.nonzero()[0]
    texels, tree = xyz.reshape(-1, 3)[index], cKDTree(xyz.reshape(-1, 3)[index])
    points = {name: value.double().numpy() for name, value in vars(anatomy.points).items()}
    for amount, fold in _all_folds(points, draws, weights):
        if amount <= 0:
            continue
        uv = anatomy.atlas.front_uv(torch.from_numpy(fold.points).float())
        curve = sample(anatomy.atlas.xyz, uv).double().numpy()
        facing = sample(torch.from_numpy(normal).float(), uv).double().numpy()
        near = tree.query_ball_point(curve[::4], REACH * fold.sigma)
        chosen = np.unique(np.concatenate([np.asarray(one, int) for one in near]))
        if len(chosen):
            height[index[chosen]] += amount * _profile(texels[chosen], curve, facing, fold)
    folded = torch.from_numpy(height.reshape(size, size)).float()
    return folded * _skin(anatomy)


def _profile(texels: Array, curve: Array, normal: Array, fold: Fold) -> Array:
    """Height [N] in mm that a fold along curve [n,3] adds at texels [N,3]."""
    distance, nearest = cKDTree(curve).query(texels)
    tangent = np.gradient(curve, axis=0)
    across = np.cross(normal, tangent)
    outer = across @ np.array([*fold.outwards, 0.0])
    across *= np.where(outer < 0, -1.0, 1.0)[:, None]
    side = ((texels - curve[nearest]) * across[nearest]).sum(1)
    depth = np.interp(np.arange(len(curve)), np.linspace(0, len(curve) - 1, len(fold.depth)),
                      fold.depth)[nearest]  # fmt: skip
    x = distance / fold.sigma
    valley = -np.exp(-0.5 * x**2)
    heap = np.exp(-0.5 * ((x - 2.1) / 1.0) ** 2)
    # Both ridges fade towards the curve's own line, where the side changes.
    share = np.where(side > 0, fold.ridge[0], fold.ridge[1]) * np.minimum(x / 2.1, 1) ** 2
    return depth * (valley + share * heap)


def _skin(anatomy: Anatomy) -> Tensor:
    """[R,R] in 0..1: not inside of lids, lips and nostrils, nor where a texel is far too large."""
    open_eye = smoothstep(0.3, 2.5, anatomy.lid_distance)
    lips = 1 - smoothstep(-1.2, 0.6, anatomy.lip)
    return open_eye * lips * (1 - smoothstep(0.2, 0.8, anatomy.regions["nostrils"]))


def _curve(start: Array, control: Array, end: Array) -> Array:
    """Points [n,2] about STEP_MM apart of a quadratic Bezier curve."""
    length = np.linalg.norm(control - start) + np.linalg.norm(end - control)
    t = np.linspace(0, 1, max(12, math.ceil(length / STEP_MM)))[:, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end


def _fold(
    draws: np.random.Generator, corners: tuple[tuple[float, float], ...], depth: float,
    sigma: float, outwards: tuple[float, float] = (0.0, 1.0),
    ridge: tuple[float, float] = (0.25, 0.25), fade: float = 0.7,
) -> Fold:  # fmt: skip
    """A groove that wanders about its curve, is broken here and there, and fades out."""
    points = _curve(*(np.array(corner) for corner in corners))
    t = np.linspace(0, 1, len(points))
    phase, size = draws.uniform(0, 2 * math.pi, 3), draws.normal(0, 1, 3)
    waves = np.sin(np.array([[4.0], [9.0], [19.0]]) * t + phase[:, None])
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    across /= np.linalg.norm(across, axis=1, keepdims=True).clip(1e-9)
    shift = (waves * size[:, None] * np.array([[0.5], [0.25], [0.1]])).sum(0)  # mm
    broken = 1 + 0.25 * np.sin(12 * t + phase[0]) * np.sin(5 * t + phase[1])
    ends = np.sin(math.pi * t.clip(0.004, 0.996)) ** fade
    return Fold(points + shift[:, None] * across, depth * broken * ends, sigma, outwards, ridge)


def _all_folds(
    p: Mapping[str, Array], draws: np.random.Generator, weights: Mapping[str, float]
) -> Iterator[tuple[float, Fold]]:
    """Every fold of a face with how far it is folded; draws go on in the same order whatever the
    weights are."""
    u = draws.uniform
    wing, corner, outer, inner = (
        p[name] for name in ("nose_wing", "mouth_corner", "eye_outer", "eye_inner")
    )
    for side, s in SIDES.items():
        # From beside the wing of the nose, round the mouth's corner: deep and broad, the cheek
        # heaped up over it, with a fine crease at the bottom.
        start = (s * (wing[0] - u(2, 4.5)), wing[1] + u(8, 11))
        middle = (s * (corner[0] + u(2, 5)), wing[1] - u(6, 10))
        end = (s * (corner[0] + u(7, 11)), corner[1] - u(2, 9))
        line, depth, sigma = (start, middle, end), u(0.8, 2.0), u(1.5, 2.5)
        amount = drive(weights, "nasolabial", side)
        yield amount, _fold(draws, line, depth, sigma, (s, 0.6), (0.55, 0.0), 0.4)
        yield amount, _fold(draws, line, u(0.2, 0.5), u(0.4, 0.6), (s, 0.6), (0.1, 0.1), 0.4)
        # A second, shallow one outside of it that some cheeks show.
        has, x = u() < 0.6, corner[0] + u(15, 20)
        line = ((s * x, corner[1] + u(8, 14)), (s * (x + u(3, 5)), corner[1]),
                (s * (x - u(0, 3)), corner[1] - u(8, 14)))  # fmt: skip
        lesser = _fold(draws, line, u(0.3, 0.8), u(1.0, 1.6), (s, 0.3), (0.3, 0.1))
        yield has * drive(weights, "cheek", side), lesser
        # A fan from the outer corner of the eye.
        count = int(draws.integers(3, 6))
        for angle in np.linspace(0.7, -0.75, count) + draws.normal(0, 0.07, count):
            near, length = u(5, 8), u(9, 20)
            fan = [
                (s * (outer[0] + math.cos(angle) * r), outer[1] + math.sin(angle) * r - drop)
                for r, drop in ((near, 0.5), (near + length / 2, 0.8), (near + length, u(1, 4)))
            ]
            yield drive(weights, "crows_feet", side), _fold(
                draws, tuple(fan), u(0.15, 0.5), u(0.5, 0.9)
            )  # fmt: skip
        # Arcs below the lower lid.
        base = (inner[1] + outer[1]) / 2
        for row in range(3):
            drop = 6.5 + 4 * row + u(-1, 1)
            left, right = np.interp([u(0.1, 0.4), u(0.8, 1.1)], [0, 1], [inner[0], outer[0]])
            low = ((left, base - 1.5 - 0.8 * drop), ((left + right) / 2, base - 3 - 1.3 * drop))
            arch = (*low, (right, base - 1.5 - 0.7 * drop))
            arc = _fold(
                draws,
                tuple((s * x, y) for x, y in arch),
                u(0.15, 0.5) * (1 - 0.2 * row),
                u(0.6, 1.2),
            )
            yield drive(weights, "under_eye", side), arc
        # Upright between the brows.
        for k in range(2):
            x, y = 6 + 5 * k + u(-1, 1.5), inner[1] + u(8, 12)
            line = ((s * x, y), (s * (x - u(0, 1)), y + 7), (s * (x + u(0, 2)), y + u(13, 18)))
            frown = _fold(draws, line, u(0.4, 0.9) * (1 - 0.55 * k), u(0.8, 1.2))
            yield drive(weights, "glabella", side), frown
        # Slanting over the side of the nose's root.
        for k in range(3):
            y = inner[1] - 6 - 5 * k + u(-1, 1)
            line = ((s * u(1, 3), y + 2), (s * 7.0, y + 1), (s * u(11, 14), y - u(3, 6)))
            yield drive(weights, "bunny", side), _fold(draws, line, u(0.2, 0.45), u(0.6, 0.9))
    # Across the forehead.
    amount = max(drive(weights, "forehead", side) for side in SIDES)
    for k in range(int(draws.integers(3, 5))):
        y = p["brow"][0] + 11 + 7.5 * k + u(-1, 1)
        line = ((-u(24, 44), y + u(0, 3)), (u(-4, 4), y + u(-3, 4)), (u(24, 44), y + u(0, 3)))
        yield amount, _fold(draws, line, u(0.3, 0.8), u(0.9, 1.4), (0.0, 1.0), (0.3, 0.3))
