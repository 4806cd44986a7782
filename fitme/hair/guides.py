"""Which way each hair of the head is combed, how long it is, and where ties hold it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.collision import Collision
from fitme.hair.kernels_grow import SHOULDERS
from fitme.hair.scalp import CROWN, Roots
from fitme.hair.styles import HairStyle
from fitme.head.curves import smoothstep

Floats = NDArray[np.floating[Any]]

LINES, LINE_POINTS = 3, 48  # of a tail: three so that it can be braided
TAIL_RADIUS = 0.017  # metres
BRAID_TURNS = 22.0  # crossings per metre
CORNROW_DEGREES = 17.0  # from row to row, around the axis from the face to the back
TUFT = 0.0045  # metres: the inverse of the usual wave number; tufts are some 15 mm wide
TUFTS = 5  # seed of where they are
ACROSS = 0.062  # metres: |x| of the temple into whose hair a fringe across the forehead goes
# The way of such a fringe, per metre sideways: to the front, and how far from the parting it begins
ACROSS_FRONT, ACROSS_FROM = 0.95, -0.004


def smooth_share(low: float, high: float, value: float) -> float:
    """`smoothstep` of one number, in single precision as everything of hair."""
    return float(np.float32(smoothstep(low, high, np.array([value]))[0]))


def unit(vector: Floats) -> Floats:
    return (vector / (np.linalg.norm(vector, axis=-1, keepdims=True) + 1e-9)).astype(np.float32)


def tangent(vector: Floats, normal: Floats) -> Floats:
    """The part of vectors [N,3] along the surface, made unit."""
    return unit(vector - (vector * normal).sum(-1, keepdims=True) * normal)


@dataclass(frozen=True)
class Zones:
    """Soft shares [N] of the places on the head."""

    top: Floats
    front: Floats  # of the top, before the crown
    side: Floats
    back: Floats
    nape: Floats
    temple: Floats  # sides before the ear
    fringe: Floats  # 0 or 1


def zones(roots: Roots, style: HairStyle, edge: Floats, random: np.random.Generator) -> Zones:
    """Zones of the roots; edge [N] is the distance to the hairline in metres."""
    y, a = roots.position[:, 1], roots.azimuth
    top = smoothstep(0.070, 0.108, y)
    low = 1 - top
    side = low * (1 - smoothstep(105, 140, a))
    nape = (low - side) * (1 - smoothstep(-0.02, 0.03, y))
    back = low - side - nape
    front = top * smoothstep(-0.03, 0.04, roots.position[:, 2])
    temple = side * (1 - smoothstep(68, 84, a))
    wobble = 4 * random.standard_normal(len(a)).astype(np.float32)
    within = (a + wobble < style.fringe_width) & (edge < 0.045) & (y > 0.07)
    if style.fringe_across > 0:
        within &= ~beyond_fringe(roots.position, style)
    fringe = (within & (style.fringe > 0)).astype(np.float32)
    return Zones(top, front, side, back, nape, temple, fringe)


def beyond_fringe(position: Floats, style: HairStyle) -> NDArray[np.bool_]:
    """[N]: roots [N,3] that lie beyond the parting at which a fringe across the forehead begins;
    what grows there falls to its own side."""
    way = float(np.sign(style.fringe_sweep))
    start = -way * ACROSS if style.part is None else style.part
    return np.asarray(way * (position[:, 0] - start) < ACROSS_FROM)


def lengths(
    roots: Roots, style: HairStyle, zone: Zones, edge: Floats, random: np.random.Generator
) -> Floats:
    """Length [N] metres of each hair."""
    length = zone.top * style.top + zone.side * style.sides
    length = length + zone.back * style.back + zone.nape * style.nape
    faded = style.fade * (zone.side + zone.back + zone.nape)
    height = smoothstep(-0.03, 0.085, roots.position[:, 1])
    length = length * (1 - faded * (1 - height) ** 1.0 * 0.92)
    far = ACROSS - np.sign(style.fringe_sweep) * roots.position[:, 0]
    fringe = style.fringe + style.fringe_across * far.clip(0, 2 * ACROSS)
    length = np.where(zone.fringe > 0, fringe, length)
    spread = style.layers * np.where(zone.fringe > 0, 0.6, 1.0)
    jitter = 1 - spread * random.random(len(length)) ** 1.3
    # the first hairs of a hairline are finer and shorter
    first = 0.6 + 0.4 * smoothstep(-0.003, 0.008, edge)
    return np.maximum(length * jitter * first, 0.0015).astype(np.float32)


def combed(
    roots: Roots, style: HairStyle, zone: Zones, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Unit direction [N,3] along the skin in which each hair lies, and side of the parting [N]
    (-1 or 1)."""
    p, normal = roots.position, roots.normal
    count = len(p)
    noise = random.standard_normal((count, 3)).astype(np.float32)
    whorl = tangent(p - CROWN, normal)
    field = 0.5 * whorl
    x = p[:, 0] - (style.part or 0.0) + 0.0012 * noise[:, 0]
    side = np.where(x < 0, -1.0, 1.0).astype(np.float32)
    outward = np.zeros_like(p)
    outward[:, 0] = side
    if style.part is not None:
        before_crown = smoothstep(-0.055, -0.025, p[:, 2]) * smoothstep(0.06, 0.09, p[:, 1])
        away = outward + np.array([0, -0.2, -0.5], np.float32)
        field = field + (2.2 * before_crown)[:, None] * away
    else:
        # long hair without a parting leaves the face free all the same
        long = smooth_share(0.07, 0.14, style.top) * (1 - style.swept_back)
        away = outward * smoothstep(0.0, 0.035, np.abs(p[:, 0]))[:, None]
        field = field + (long * zone.front)[:, None] * (1.6 * away + [0, 0, -1.5])
    field[:, 2] += style.forward * (1.2 * zone.top + 0.5 * zone.side)
    field[:, 2] -= 1.6 * style.swept_back * (zone.top + 0.9 * zone.side)
    field[:, 1] += style.swept_back * 0.25 * zone.front
    field[:, 1] -= 0.8 * (zone.side + zone.back + zone.nape)
    field[:, 2] -= 0.30 * zone.side * (1 - style.face)
    field[:, 2] += 0.9 * style.face * zone.temple
    field[:, 2] -= 2.2 * style.tuck * zone.side
    falling = np.zeros_like(p)
    falling[:, 2] = 1.0
    falling[:, 0] = 1.2 * style.fringe_sweep + 5.0 * p[:, 0] + 0.12 * noise[:, 1]
    if style.fringe_across > 0:
        level = np.zeros_like(p)
        level[:, 0] = np.sign(style.fringe_sweep)
        level[:, 2] = ACROSS_FRONT + 0.12 * noise[:, 1]
        falling = falling + style.fringe_across * (level - falling)
    field = np.where(zone.fringe[:, None] > 0, falling, field)
    return tangent(tangent(field, normal) + 0.07 * noise, normal), side


def tufts(position: Floats) -> Floats:
    """Three smooth fields [3,N] about normal at roots [N,3], that change from tuft to tuft."""
    random = np.random.default_rng(TUFTS)
    waves = random.standard_normal((3, 3, 16)).astype(np.float32) / TUFT
    phase = random.uniform(0, 2 * np.pi, (3, 16)).astype(np.float32)
    each = np.cos(np.einsum("nc,fcw->fnw", position, waves) + phase[:, None]).sum(-1)
    return (each / np.sqrt(8)).astype(np.float32)


def turned(comb: Floats, normal: Floats, angle: Floats) -> Floats:
    """Directions [N,3] along the skin turned around its normal [N,3] by angles [N], radians."""
    other = np.cross(normal, comb)
    mixed = np.cos(angle)[:, None] * comb + np.sin(angle)[:, None] * other
    return mixed.astype(np.float32)


def cornrow(points: Floats) -> tuple[Floats, Floats]:
    """The row [...] int that points [...,3] belong to, and how far from its middle they lie, -1..1
    of half the distance to the next."""
    turn = np.degrees(np.arctan2(points[..., 0], points[..., 1] - 0.03)) / CORNROW_DEGREES
    row = np.rint(turn)
    return row, 2 * (turn - row)


def tails(style: HairStyle, collision: Collision, side: Floats) -> tuple[Floats, Floats]:
    """Where ties hold [M,3], and the three lines of each tail beyond them [M,LINES,P,3]."""
    if style.tie == "bun":
        centre = _behind(collision, 0.0, style.tie_height, 0.0)
        return centre[None], _bun(centre, style.tail)[None]
    if style.tie == "braids":
        starts = [_behind(collision, x, -0.005, 0.008) for x in (-0.052, 0.052)]
        forward = 1.0 if style.front > 0.5 else -0.2
    else:
        starts = [_behind(collision, 0.0, style.tie_height, 0.010)]
        forward = 0.0
    curves = []
    for start in starts:
        way = np.array([start[0] * 14, 0.05, -1.0 if forward <= 0 else -0.25])
        middle = _hanging(collision, start, way, forward, style.tail)
        braided = style.tie in ("braid", "braids")
        curves.append(_plaited(middle, style.tail) if braided else np.stack([middle] * LINES))
    return np.array(starts, np.float32), np.array(curves, np.float32)


def _behind(collision: Collision, x: float, y: float, away: float) -> Floats:
    """The point `away` metres off the back of the head at (x, y)."""
    z = np.linspace(-0.16, 0.0, 161, dtype=np.float32)
    line = np.stack([np.full_like(z, x), np.full_like(z, y), z], -1)
    inside = collision.at(line)[0] < 0.004
    first = int(np.argmax(inside))
    return (line[first] - np.array([0, 0, away], np.float32)).astype(np.float32)


def _hanging(
    collision: Collision, start: Floats, way: Floats, forward: float, length: float
) -> Floats:
    """A line [P,3] that leaves `start` along `way`, falls, and lies on head and shoulders."""
    points, at, step = [start], start.astype(np.float64), length / (LINE_POINTS - 1)
    d = way / np.linalg.norm(way)
    for _ in range(LINE_POINTS - 1):
        d = d + step * np.array([0, -38.0, 0]) + step * np.array([0, 0, 9.0 * forward])
        d = d / np.linalg.norm(d)
        at = at + step * d
        f, n = collision.at(at[None].astype(np.float32))
        missing = max(0.0, TAIL_RADIUS * 0.75 - float(f[0]))
        if at[1] < SHOULDERS:  # off the shoulder to the front or to the back, not over its end
            n = np.array([[0.15 * n[0, 0], 0.3 * n[0, 1], 1.0 if forward > 0 else -1.0]])
        at = at + min(missing, 0.8 * step) * n[0]
        if missing > 0 and d @ n[0] < 0:
            d = d - (d @ n[0]) * n[0]
        points.append(at.astype(np.float32))
    return np.array(points, np.float32)


def _plaited(middle: Floats, length: float) -> Floats:
    """Three lines [LINES,P,3] crossing around a middle line [P,3]."""
    along = np.linspace(0, length, LINE_POINTS)
    fade = np.clip(along / 0.02, 0, 1) * (1 - 0.5 * np.clip(along / length, 0, 1))
    lines = []
    for k in range(LINES):
        turn = 2 * np.pi * (BRAID_TURNS * along + k / LINES)
        across = 0.011 * np.sin(turn) * fade
        depth = 0.006 * np.sin(2 * turn) * fade
        lines.append(middle + np.stack([across, np.zeros_like(across), depth], -1))
    return np.array(lines, np.float32)


def _bun(centre: Floats, radius: float) -> Floats:
    """Lines wound around a ball of `radius` metres behind `centre`, [LINES,P,3]."""
    middle = centre + np.array([0, 0.006, -0.75 * radius], np.float32)
    lines = []
    t = np.linspace(0, 1, LINE_POINTS)
    for k in range(LINES):
        turn = 2 * np.pi * (1.6 * t + k / LINES)
        away = radius * np.clip(t / 0.12, 0.3, 1) * (0.62 + 0.38 * np.sin(np.pi * t))
        depth = radius * (0.55 - 1.1 * t)
        ring = np.stack([np.cos(turn) * away, np.sin(turn) * away, depth], -1)
        lines.append(middle + ring)
    return np.array(lines, np.float32)
