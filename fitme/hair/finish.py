"""What is laid over the grown paths: clumps, curls, frizz, the taper of the single hair."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.head.curves import smoothstep

Floats = NDArray[np.floating[Any]]

# Metres by which locks bend aside, and of arc over which they come to
STRAYS, STRAYS_FROM, STRAYS_FULL = 0.008, 0.06, 0.35
WAVES_BELOW = 20.0  # turns per metre below which curls are waves


def arc_lengths(points: Floats) -> Floats:
    """Path length [N,K] metres from the root."""
    steps = np.sqrt((np.diff(points, axis=1) ** 2).sum(-1))
    return np.concatenate([np.zeros_like(steps[:, :1]), np.cumsum(steps, 1)], 1)


def clump_of(root: Floats, group: Floats, clumps: int, random: np.random.Generator) -> Floats:
    """For each of N strands the strand [N] int that leads its clump; groups [N] do not mix."""
    from scipy.spatial import cKDTree

    clumps = min(clumps, len(root))
    leaders = random.choice(len(root), clumps, replace=False)
    features = np.concatenate([root, 0.03 * group[:, None]], 1)
    _, nearest = cKDTree(features[leaders]).query(features)
    return leaders[nearest]


def gathered(
    points: Floats, leader: Floats, tightness: float, random: np.random.Generator
) -> Floats:
    """Points [N,K,3] drawn towards their leader's, more so at the tips."""
    if tightness <= 0:
        return points
    count, many = points.shape[:2]
    t = np.linspace(0, 1, many, dtype=np.float32)
    own = tightness * (0.55 + 0.45 * random.random(count, dtype=np.float32))
    # stubs stand each for themselves
    long = np.linalg.norm(points[:, -1] - points[:, 0], axis=1)
    own = own * np.clip(long / 0.025 - 0.5, 0, 1)
    # tips stay a little apart: a clump ends in a brush, not in a needle
    share = own[:, None] * (1 - (1 - t) ** 1.6) * (1 - 0.25 * t**3)
    return points + share[..., None] * (points[leader] - points)


def curled(
    points: Floats, arc: Floats, radius: Floats, turns: Floats, phase: Floats, flat: float
) -> Floats:
    """Points [N,K,3] on a helix around their path: radius [N] metres, turns [N] per metre,
    phase [N] radians; flat 1 makes a wave of it."""
    along = np.gradient(points, axis=1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True) + 1e-9
    # a frame that does not spin: across the path and the world's axis least along it
    reference = np.where(np.abs(along[:, :, 1:2]) < 0.8, [[[0.0, 1.0, 0.0]]], [[[0.0, 0.0, 1.0]]])
    mixed = np.array([0.25, 0.1, 1.0], np.float32)
    reference = mixed + 0.0 * reference
    across = np.cross(along, reference)
    across /= np.linalg.norm(across, axis=-1, keepdims=True) + 1e-6
    other = np.cross(across, along)
    angle = 2 * np.pi * turns[:, None] * arc + phase[:, None]
    # curls begin at the root, waves of long hair further down
    onset = np.where(turns < WAVES_BELOW, 0.10, 0.02)[:, None]
    size = radius[:, None] * (1 - np.exp(-((arc / onset) ** 1.5)))
    first, second = np.cos(angle) * size, np.sin(angle) * size * (1 - 0.65 * flat)
    start = np.cos(phase)[:, None] * size, np.sin(phase)[:, None] * size * (1 - 0.65 * flat)
    fade = np.exp(-arc / 0.01)
    first, second = first - fade * start[0], second - fade * start[1]
    return (points + first[..., None] * across + second[..., None] * other).astype(np.float32)


def strayed(points: Floats, arc: Floats, leader: Floats, random: np.random.Generator) -> Floats:
    """Points [N,K,3] of which each lock bends a little in its own way, more so towards the end."""
    way = random.standard_normal((len(points), 2, 3))[leader]
    far = smoothstep(STRAYS_FROM, STRAYS_FULL, arc)[..., None]
    later = smoothstep(0.0, 1.0, arc / np.maximum(arc[:, -1:], 1e-6))[..., None]
    bent = STRAYS * far * (way[:, :1] * (1 - later) + way[:, 1:] * later)
    return (points + bent * [1.0, 0.3, 0.6]).astype(np.float32)


def frizzed(points: Floats, arc: Floats, amount: Floats, random: np.random.Generator) -> Floats:
    """Points [N,K,3] with smooth noise of `amount` [N] metres at 5 cm from the root."""
    count, many = points.shape[:2]
    knots = max(3, many // 5)
    noise = random.standard_normal((count, knots, 3), dtype=np.float32)
    at = np.linspace(0, knots - 1, many, dtype=np.float32)
    low = at.astype(np.int64).clip(0, knots - 2)
    t = smoothstep(0.0, 1.0, (at - low)[:, None])
    wander = noise[:, low] * (1 - t) + noise[:, low + 1] * t
    size = amount[:, None] * (arc / 0.05) ** 0.7
    return points + wander * np.minimum(size, 3 * amount[:, None])[..., None]


def cornrowed(points: Floats, outward: Floats, line: NDArray[np.int64]) -> Floats:
    """Paths [N,K,3] plaited over the head: outward [N,K,3] is its normal, line [N] which of the
    three lines of a plait a strand belongs to."""
    across = np.gradient(points, axis=1)
    across = np.cross(across, outward)
    across /= np.linalg.norm(across, axis=-1, keepdims=True) + 1e-9
    along = np.arctan2(-points[..., 2], points[..., 1] - 0.03) * 0.1
    turn = 2 * np.pi * (55.0 * along + line[:, None] / 3)
    start = np.clip(np.linspace(0, 6, points.shape[1]), 0, 1)
    side = (0.0032 * np.sin(turn)) * start
    rise = (0.0025 * (1 + np.sin(2 * turn))) * start
    return points + side[..., None] * across + rise[..., None] * outward


def taper(half_width: Floats, many: int, tip: float) -> Floats:
    """Half-widths [N,K] that thin to the share `tip` at the end."""
    t = np.linspace(0, 1, many, dtype=np.float32)
    profile = (0.85 + 0.15 * np.clip(t / 0.1, 0, 1)) * (1 - (1 - tip) * np.clip(t - 0.5, 0, 1) * 2)
    return (half_width[:, None] * profile).astype(np.float32)
