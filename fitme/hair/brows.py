"""Brows along the middle line of the template's brow region, and lashes along its lid margins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair import guides
from fitme.hair.finish import taper
from fitme.hair.grow import anchor_of
from fitme.hair.scalp import Scalp, draw_roots, scalp_of
from fitme.hair.strands import Kind, Strands
from fitme.hair.styles import BrowStyle
from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel

Floats = NDArray[np.floating[Any]]

BROW_HAIRS = 1100  # of both together at full density
BROW_HALF_WIDTH = 0.000085  # metres
BROW_HALF_HEIGHT = 0.0046  # metres from the middle line to the edges at the thickest place
LASHES = (110, 60)  # of an upper and a lower lid
LASH_HALF_WIDTH = 0.00005  # metres
# Where lashes grow, in eighths of the lid from its outer corner: none beside the tear duct
GROWN = ((0.3, 6.4), (0.9, 6.0))
POINTS = 8

# MediaPipe's points along the lid margins, outer corner to inner: (upper, lower) of each eye
LIDS = (
    ((263, 466, 388, 387, 386, 385, 384, 398, 362), (263, 249, 390, 373, 374, 380, 381, 382, 362)),
    ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133)),
)


def brow_line(scalp: Scalp) -> tuple[Floats, float, float]:
    """Cubic [4] of height over distance from the middle plane, and where the brows begin and end
    (metres)."""
    chosen = scalp.regions["brows"] > 0.3
    x, y = np.abs(scalp.vertices[chosen, 0]), scalp.vertices[chosen, 1]
    return np.polyfit(x, y, 3).astype(np.float32), float(x.min()), float(x.max())


def grow_brows(head: HeadModel, style: BrowStyle, seed: int) -> Strands:
    """Both brows on the mean shape of `head`."""
    scalp, random = scalp_of(head), np.random.default_rng(seed)
    line, begin, end = brow_line(scalp)
    p = scalp.vertices
    x = np.abs(p[:, 0])
    t = (x - begin) / (end - begin)
    near = (scalp.regions["face"] > 0.5) & (t > -0.15) & (t < 1.1) & (p[:, 2] > 0.05)
    near &= np.abs(p[:, 1] - np.polyval(line, x)) < 0.02
    density = near.astype(np.float32)
    count = 14 * BROW_HAIRS
    roots = draw_roots(scalp, density, count, random)
    # the mesh is coarse beside a brow: the outline is cut from the roots themselves
    x = np.abs(roots.position[:, 0])
    t = ((x - begin) / (end - begin)).astype(np.float32)
    outer = 1 - (0.35 + 0.5 * style.taper) * smoothstep(0.35, 1.05, t)
    half = smoothstep(-0.16, 0.18, t) * outer * (BROW_HALF_HEIGHT * (1 - 0.55 * style.narrow))
    across = (roots.position[:, 1] - np.polyval(line, x)) / np.maximum(half, 1e-5)
    dense = np.exp(-0.5 * (across / 0.62) ** 2) * (np.abs(across) < 1.5)
    dense = dense * smoothstep(-0.05, 0.12, t) * (1 - smoothstep(0.93, 1.03, t))
    chosen = np.flatnonzero(dense > random.random(count) * 1.02)
    wanted = int(BROW_HAIRS * style.density * (1 - 0.4 * style.narrow))
    chosen = random.permutation(chosen)[:wanted]
    position, normal = roots.position[chosen], roots.normal[chosen]
    t, across, count = t[chosen], across[chosen].clip(-1.5, 1.5), len(chosen)
    slope = np.polyval(np.polyder(line), np.abs(position[:, 0]))
    angle = np.radians(62 * (1 - smoothstep(-0.02, 0.40, t)) + 12 * (1 - t)) + 0.7 * np.arctan(
        slope
    )
    angle = angle - 0.35 * across * smoothstep(0.05, 0.3, t)
    angle = angle + (0.08 + 0.35 * style.mess) * random.standard_normal(count)
    outward = np.sign(position[:, 0])
    size = (
        style.length * (0.55 + 0.45 * smoothstep(0.0, 0.25, t)) * (1 - 0.35 * smoothstep(0.6, 1, t))
    )
    size = size * random.uniform(0.6, 1.15, count)
    s = np.linspace(0, 1, POINTS, dtype=np.float32)
    turned = angle[:, None] - 0.55 * s
    way = np.stack([np.cos(turned) * outward[:, None], np.sin(turned), 0 * turned], -1)
    way = way - (way * normal[:, None]).sum(-1, keepdims=True) * normal[:, None]
    way = guides.unit(way) + (0.28 + 0.1 * style.mess - 0.45 * s)[None, :, None] * normal[:, None]
    steps = way * (size / (POINTS - 1))[:, None, None]
    points = position[:, None] + np.cumsum(steps, 1) - steps[:, :1]
    points += 0.0003 * normal[:, None]
    width = BROW_HALF_WIDTH * style.thickness * random.uniform(0.7, 1.3, count)
    return _strands(
        scalp, points, width, roots.triangle[chosen], roots.barycentric[chosen], Kind.BROW, random
    )


def grow_lashes(head: HeadModel, style: BrowStyle, seed: int) -> Strands:
    """Lashes of both eyes on the mean shape of `head`."""
    scalp, random = scalp_of(head), np.random.default_rng(seed)
    skin = np.flatnonzero((head.part == head.skin.index).cpu().numpy())
    triangle = np.searchsorted(skin, head.landmark_triangles.cpu().numpy()).clip(0, len(skin) - 1)
    weights = head.landmark_barycentric.cpu().numpy().astype(np.float32)
    corners = scalp.vertices[scalp.triangles[triangle]]
    place = (corners * weights[..., None]).sum(1)
    parts: list[tuple[Floats, Floats, NDArray[np.int64]]] = []
    for eye in LIDS:
        for lower, margin in enumerate(eye):
            rows = np.array(margin)
            count = int(LASHES[lower] * style.lash_density)
            if count == 0:
                continue
            t = (np.arange(count) + random.random(count)) / count
            first, last = GROWN[lower]
            at = (first + (last - first) * t).astype(np.float32)
            low = at.astype(np.int64).clip(0, 7)
            mix = (at - low)[:, None]
            root = place[rows[low]] * (1 - mix) + place[rows[low + 1]] * mix
            middle = place[rows].mean(0)
            away = root - middle
            up = -1.0 if lower else 1.0
            fan = np.stack([0.9 * away[:, 0] / 0.015, 0 * t, 0 * t], -1)
            long = style.lash_length * (0.55 if lower else 1.0) * (0.65 + 0.35 * np.sin(np.pi * t))
            long = long * random.uniform(0.7, 1.1, count)
            s = np.linspace(0, 1, POINTS, dtype=np.float32)
            rise = up * (-0.25 + 1.5 * s if not lower else 0.45 + 0.3 * s)
            way = np.zeros((count, POINTS, 3), np.float32)
            way += fan[:, None] * 0.6
            way[..., 1] += rise
            way[..., 2] += 1.0 - 0.3 * s
            way += 0.12 * random.standard_normal((count, 1, 3))
            steps = guides.unit(way) * (long / (POINTS - 1))[:, None, None]
            points = root[:, None] + np.cumsum(steps, 1) - steps[:, :1]
            parts.append((points, np.full(count, LASH_HALF_WIDTH), rows[np.rint(at).astype(int)]))
    if not parts:
        parts = [(np.zeros((0, POINTS, 3), np.float32), np.zeros(0), np.zeros(0, np.int64))]
    points, width = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    owner = np.concatenate([part[2] for part in parts])
    return _strands(scalp, points, width, triangle[owner], weights[owner], Kind.LASH, random)


def _strands(
    scalp: Scalp, points: Floats, width: Floats, triangle: NDArray[np.int64] | NDArray[np.int32],
    barycentric: Floats, kind: Kind, random: np.random.Generator,
) -> Strands:  # fmt: skip
    count = len(points)
    # what is this short goes with its root alone
    loose = np.full(points.shape[:2], -1, np.int32)
    return Strands(
        points.astype(np.float32), taper(width.astype(np.float32), POINTS, 0.2),
        triangle.astype(np.int32), barycentric, random.standard_normal(count).astype(np.float32),
        np.full(count, int(kind), np.int32), loose, anchor_of(scalp),
    )  # fmt: skip
