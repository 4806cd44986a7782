"""Beards and moustaches, grown on the lower face.

The outline is drawn on the template: the cheek line from the sideburn to the corner of the mouth,
the neck line a finger above the larynx; the moustache between nose and lip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair import guides
from fitme.hair.collision import LOW, STEP
from fitme.hair.finish import arc_lengths, clump_of, curled, frizzed, gathered, taper
from fitme.hair.gravity import UPRIGHT
from fitme.hair.grow import anchor_of
from fitme.hair.kernels_grow import grow_strands, push_out
from fitme.hair.scalp import Scalp, draw_roots, scalp_of
from fitme.hair.strands import Kind, Strands
from fitme.hair.styles import BeardStyle
from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel

Floats = NDArray[np.floating[Any]]

TOTAL_WIDTH = 3.4  # metres: some 28,000 hairs of 0.12 mm, as dense as thick beards are
POINTS, POINTS_SHORT = 12, 6
# cheek line: azimuth in degrees, height in metres
CHEEK = (
    (0, -0.030),
    (17, -0.026),
    (30, -0.024),
    (45, -0.014),
    (58, 0.000),
    (68, 0.012),
    (90, 0.02),
)
NECK = ((0, -0.088), (30, -0.086), (55, -0.070), (75, -0.045), (90, -0.03))
LIP_TOP, NOSE_BASE = -0.0255, -0.0115  # metres, heights at the middle of the face
MOUTH_HALF = 0.027  # metres


def _parts(scalp: Scalp, tidy: float) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Shares [V] of cheeks, chin, moustache, soul patch and neck of the skin."""
    p, a = scalp.vertices, scalp.azimuth
    x, y = np.abs(p[:, 0]), p[:, 1]
    soft = 0.006 - 0.004 * tidy
    cheek = np.interp(a, *np.array(CHEEK).T).astype(np.float32)
    neck = np.interp(a, *np.array(NECK).T).astype(np.float32)
    below = smoothstep(-soft, soft, cheek - y)
    above = smoothstep(-1.5 * soft, 1.5 * soft, y - neck)
    before_ear = 1 - smoothstep(73, 80, a)
    front = smoothstep(0.0, 0.02, p[:, 2])
    not_lips = 1 - smoothstep(0.05, 0.4, scalp.regions["lips"])
    not_lips = not_lips * (1 - smoothstep(0.3, 0.7, scalp.regions.get("mouth_inside", 0 * x)))
    not_lips = not_lips * (1 - smoothstep(0.3, 0.7, scalp.regions.get("nostrils", 0 * x)))
    area = front * not_lips * before_ear
    under_lip = np.exp(-(((y + 0.050) / 0.007) ** 2)) * smoothstep(0.006, 0.012, x)
    under_lip = under_lip * (1 - smoothstep(0.020, 0.028, x))
    middle = 1 - smoothstep(0.027, 0.036, x)
    moustache = smoothstep(LIP_TOP - 0.012, LIP_TOP - 0.006, y)
    moustache = moustache * (1 - smoothstep(NOSE_BASE - 0.004, NOSE_BASE, y + 0.20 * x))
    moustache = moustache * (1 - smoothstep(0.028, 0.035, x)) * area
    chin = area * middle * below * above * (1 - 0.9 * under_lip)
    chin = chin * (1 - smoothstep(-0.047, -0.040, y) * (1 - smoothstep(0.022, 0.026, x)))
    soul = area * (1 - smoothstep(0.005, 0.009, x)) * smoothstep(-0.062, -0.056, y)
    soul = soul * (1 - smoothstep(-0.046, -0.042, y))
    cheeks = area * below * above * (1 - middle)
    return cheeks, chin, moustache, soul, smoothstep(0.004, -0.012, y - (neck + 0.014))


def grow_beard(head: HeadModel, style: BeardStyle, seed: int, strands: int = 4000) -> Strands:
    """`strands` hairs of a full beard on the mean shape of `head`; fewer where parts are shaved."""
    scalp, random = scalp_of(head), np.random.default_rng(seed)
    cheeks, chin, moustache, soul, low = _parts(scalp, style.tidy)
    full = np.maximum.reduce([cheeks, chin, moustache, soul])
    wave = np.sin(scalp.vertices @ random.uniform(-260, 260, (3, 6))).mean(1)
    thin = 1 - style.patchy * smoothstep(-0.3, 0.5, wave.astype(np.float32)) * (1 - 0.6 * moustache)
    if style.has_moustache < 0.5:  # a chin beard alone stays below the corners of the mouth
        chin = chin * (1 - smoothstep(-0.050, -0.043, scalp.vertices[:, 1]))
    kept = np.maximum.reduce(
        [
            cheeks * style.has_cheeks, chin * style.has_chin,
            moustache * style.has_moustache, soul * style.has_soul_patch,
        ]
    )  # fmt: skip
    density = (kept * thin * style.density).astype(np.float32)
    density = np.where(np.isin(np.arange(len(full)), scalp.triangles), density, 0)
    longest = max(style.chin * style.has_chin, style.cheeks * style.has_cheeks, style.moustache)
    more = 1 + 2 * guides.smooth_share(0.03, 0.008, longest)  # stubs are seen singly
    share = float(density.sum() / max(full.sum(), 1e-6))
    count = max(int(strands * more * min(1.0, share)), 8)
    many = POINTS if longest > 0.015 else POINTS_SHORT
    roots = draw_roots(scalp, density + 1e-9 * full, count, random)
    at = [roots.of(scalp, values) for values in (cheeks, chin, moustache, low)]
    total = at[0] + at[1] + at[2] + 1e-6
    side = smoothstep(50, 66, roots.azimuth)
    cheek_length = style.cheeks + side * (style.sideburns - style.cheeks)
    length = (at[0] * cheek_length + at[1] * style.chin + at[2] * style.moustache) / total
    length = length + at[3] * (np.minimum(style.neck, length) - length)
    length = length * random.uniform(0.6, 1.05, count)
    p, normal = roots.position, roots.normal
    x = np.sign(p[:, 0])
    comb = np.zeros_like(p)
    comb[:, 1] = -1
    comb[:, 0] = at[2] * x * (0.3 + 1.6 * style.part) - 0.15 * at[1] * x
    comb[:, 2] = 0.35 * at[1] - 0.25 * side
    noise = random.standard_normal((count, 3)).astype(np.float32)
    comb = guides.tangent(
        guides.tangent(comb, normal) + (0.12 + 0.25 * style.frizz) * noise, normal
    )
    steep = (0.35 + 0.1 * at[1] - 0.1 * at[2])[:, None]
    start = guides.unit(steep * normal + (1 - steep) * comb)
    long = smoothstep(0.012, 0.05, length.astype(np.float32))
    zero = np.zeros(count)
    out = np.empty((count, many, 3), np.float32)
    values = (
        p, start, length, 0.25 * length * random.random(count), 20.0 * comb, 12.0 * long,
        np.array(UPRIGHT), zero, zero - 1, 6.0 * style.frizz * noise, zero + 0.01,
    )  # fmt: skip
    grow_strands(
        *(np.ascontiguousarray(value, np.float32) for value in values),
        np.full(count, -1, np.int32), np.zeros((1, 3), np.float32),
        np.zeros((1, 1, 2, 3), np.float32), np.zeros((count, 4), np.float32),
        np.ones(count, np.float32), scalp.collision.distance, LOW, STEP, out,
    )  # fmt: skip
    leader = clump_of(p, x, max(count // 12, 1), random)
    points = gathered(out, leader, 0.35 * float(long.mean()), random)
    arc = arc_lengths(points)
    if style.curl_radius > 0 and float(length.max()) > 0.008:
        phase = random.uniform(0, 6.28, count).astype(np.float32)
        radius = (style.curl_radius * random.random(count)).astype(np.float32)
        turns = np.full(count, style.curl_turns, np.float32)
        points = curled(points, arc, radius, turns, phase, 0.0)
    points = frizzed(points, arc, (0.002 * style.frizz * random.random(count)).astype("f4"), random)
    points[:, 0] = p
    points = np.ascontiguousarray(points, np.float32)
    least = np.minimum(0.0004, arc).astype(np.float32)
    push_out(points, least, scalp.collision.distance, LOW, STEP)
    half = 0.5 * TOTAL_WIDTH / (strands * more) * random.uniform(0.7, 1.3, count)
    return Strands(
        points, taper(half.astype(np.float32), many, 0.4), roots.triangle, roots.barycentric,
        random.standard_normal(count).astype(np.float32), np.full(count, int(Kind.BEARD), np.int32),
        scalp.collision.nearest_vertex(points), anchor_of(scalp),
    )  # fmt: skip
