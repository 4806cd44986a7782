"""`grow`: the hair of a head, strand by strand, on its mean shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair import guides
from fitme.hair.collision import LOW, STEP
from fitme.hair.finish import (
    arc_lengths,
    clump_of,
    cornrowed,
    curled,
    frizzed,
    gathered,
    strayed,
    taper,
)
from fitme.hair.gravity import UPRIGHT, Down
from fitme.hair.hairline import SKULL_RADIUS, hairline, own_hairline
from fitme.hair.kernels_grow import SHOULDERS, grow_strands, push_out
from fitme.hair.outline import stood_out
from fitme.hair.scalp import AXIS_Z, Roots, Scalp, draw_roots, scalp_of
from fitme.hair.strands import Anchor, Kind, Strands
from fitme.hair.styles import HairStyle
from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel

Floats = NDArray[np.floating[Any]]

TOTAL_WIDTH = 6.5  # metres: number of hairs (100,000) times their width (0.08 mm), less overlap
SINGLE = 0.35  # width of a flyaway beside a strand that stands for a dozen hairs
FINER = 2.0  # of cropped hair: by how much more strands stand for it
LOCK = 0.88  # of the tone of a strand: that of its clump, as locks are light and dark
TONE = 1.8  # standard deviations of the tone: beyond, a lock looks bleached
LONG = 0.1  # metres from which hair falls over the ears
# Degrees to each side, and metres below the hairline, within which no hair hangs but a fringe
FOREHEAD, BELOW_LINE = 28.0, 0.008
TEMPLES = 50.0  # the same, beside a parting from which a fringe is combed to the other side
EDGE = 0.005  # metres over which a hairline fades in
# Places across that edge at which hair begins and is dense: a line that was measured lies where
# hair is seen, and not where the first of it grows
SOFT, FIRM = (-0.5, 1.2), (-0.9, 0.5)
# Radians by which tufts of a wholly messy head are turned, and by how much more, log, they stand
# off, and rise: by eye on four photos
MESSY, UNEVEN, STEEPER = 0.7, 0.35, 0.3
NEAT = 0.35  # of that, for sides and back, which are cut closer
LAID = 0.7  # by how much less a fringe falls that is combed across the forehead
POINTS_STRAIGHT, POINTS_CURLY, POINTS_SHORT, POINTS_CROPPED = 20, 40, 10, 6


def anchor_of(scalp: Scalp) -> Anchor:
    """What strands keep of the mean head."""
    return Anchor(
        scalp.vertices, scalp.normals, scalp.triangles, scalp.skull, scalp.collision
    )  # fmt: skip


def grow(
    head: HeadModel, style: HairStyle, seed: int, strands: int = 8000, down: Down = UPRIGHT
) -> Strands:
    """`strands` hairs of the head in this style on the mean shape of `head`, falling along `down`.

    Strands stand for all of a head's hair whatever their number: fewer are wider.
    """
    scalp, random = scalp_of(head), np.random.default_rng(seed)
    edge = scalp.inside(*_lines(style))
    density = _density(scalp, style, edge, random)
    finer = _finer(scalp, style)
    share = float(density.sum() / max((edge > 0).sum(), 1))
    more = float((density * finer).sum() / max(float(density.sum()), 1e-6))
    count = max(int(strands * more * min(1.0, share + 0.15)), 16)
    if style.tie == "cornrows":
        roots = draw_roots(scalp, density, 2 * count, random)
        roots = roots.take(np.abs(guides.cornrow(roots.position)[1]) < 0.55)
        count = len(roots.position)
    else:
        roots = draw_roots(scalp, density * finer, count, random)
    inside = roots.of(scalp, edge)
    zone = guides.zones(roots, style, inside, random)
    paths, fine, side = _paths(scalp, style, roots, zone, inside, down, random)
    points, leader = _finished(scalp, style, roots, paths, side, random)
    width = 0.5 * TOTAL_WIDTH / strands * style.thickness * fine / roots.of(scalp, finer)
    width = width * random.uniform(0.7, 1.3, count).astype(np.float32)
    long = points.shape[1] > POINTS_SHORT
    half = taper(width.astype(np.float32), points.shape[1], 0.25 if long else 0.45)
    tone = random.standard_normal(count)
    tone = LOCK * tone[leader] + np.sqrt(1 - LOCK**2) * random.standard_normal(count)
    return Strands(
        points, half, roots.triangle, roots.barycentric,
        tone.clip(-TONE, TONE).astype(np.float32),
        np.full(count, int(Kind.HAIR), np.int32),
        scalp.collision.nearest_vertex(points), anchor_of(scalp),
    )  # fmt: skip


def _lines(style: HairStyle) -> tuple[Floats, ...]:
    """The hairline, or those of the left and the right."""
    if style.hairline is not None:
        return own_hairline(style.hairline, style.low_nape)
    return (hairline(style.raised, style.recession, style.peak, style.low_nape),)


def _finer(scalp: Scalp, style: HairStyle) -> Floats:
    """[V] by how much more and finer the strands are where hair is cropped: there one sees every
    hair, and not locks."""
    p = scalp.vertices
    top, height = smoothstep(0.070, 0.108, p[:, 1]), smoothstep(-0.03, 0.085, p[:, 1])
    low = np.where(scalp.azimuth < 120, style.sides, 0.5 * (style.back + style.nape))
    length = top * style.top + (1 - top) * low * (1 - 0.92 * style.fade * (1 - height))
    if style.tie != "none":
        length = np.maximum(length, 0.1)
    return (1 + FINER * (1 - smoothstep(0.012, 0.045, length))).astype(np.float32)


def _density(scalp: Scalp, style: HairStyle, edge: Floats, random: np.random.Generator) -> Floats:
    """Share of hairs [V] that grow: inside the hairline, which is soft and uneven."""
    p = scalp.vertices
    waves = random.uniform(60, 220, (3, 5)).astype(np.float32)
    uneven = np.sin(p @ waves + random.uniform(0, 6.3, 5).astype(np.float32)).mean(1) * 0.004
    # the front is the softest, the line around the ear sharp
    soft = EDGE * (1 - 0.5 * smoothstep(60, 75, scalp.azimuth))
    low, high = SOFT if style.hairline is None else FIRM
    density = smoothstep(low, high, (edge + uneven) / soft)
    y, z = p[:, 1], p[:, 2]
    if style.tie != "none":  # what grows before the ears is too short for a tie
        before = (1 - smoothstep(82, 88, scalp.azimuth)) * (1 - smoothstep(0.035, 0.06, y))
        density = density * (1 - 0.93 * before)
    crown = np.exp(-(((p - np.array([0, 0.14, -0.035])) / 0.042) ** 2).sum(1))
    density = density * (1 - style.thin_crown * np.minimum(1.2 * crown, 1) * 0.9)
    if style.bald > 0:
        # the ring: what lies below a plane that rises to the back
        above = smoothstep(-0.008, 0.010, y - (0.068 - 0.10 * (z + 0.01)) + 0.4 * uneven)
        density = density * (1 - style.bald * above * 0.995)
    return (density * style.density).astype(np.float32)


def _paths(
    scalp: Scalp, style: HairStyle, roots: Roots, zone: guides.Zones, inside: Floats,
    down: Down, random: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Grown paths [N,K,3], relative widths [N], and the side of the parting [N]."""
    count = len(roots.position)
    comb, side = guides.combed(roots, style, zone, random)
    tufts = guides.tufts(roots.position) * (NEAT + (1 - NEAT) * zone.top)
    if style.mess > 0:
        comb = guides.turned(comb, roots.normal, MESSY * style.mess * tufts[0])
    length = guides.lengths(roots, style, zone, inside, random)
    length = length * np.exp(0.3 * style.mess * tufts[1]).astype(np.float32)
    tied = style.tie != "none"
    flies = random.random(count) < 0.05 * style.flyaways
    near_edge = smoothstep(0.0, 0.022, inside)
    layer = random.random(count).astype(np.float32) ** 0.8
    height = style.volume * (0.12 + 0.88 * layer) * (0.25 + 0.75 * near_edge)
    height = height * (1 - 0.5 * zone.nape) * (1 + 0.35 * zone.top)
    if style.part is not None:
        away = np.abs(roots.position[:, 0] - style.part)
        height = height * (1 - 0.75 * zone.top * (1 - smoothstep(0.0, 0.04, away)))
    height = height * np.where(flies, 1.25, 1.0) * np.exp(UNEVEN * style.mess * tufts[1])
    noise = random.standard_normal((count, 3)).astype(np.float32)
    steep = (style.lift * (0.45 + 0.55 * near_edge))[:, None]
    steep = (steep * np.exp(STEEPER * style.mess * tufts[2][:, None])).clip(0, 1)
    start = guides.unit(steep * roots.normal + (1.02 - steep) * comb + 0.05 * noise)
    bend = 45.0 * (1 - 0.75 * style.lift) * comb
    fall = style.weight * 26.0 * (0.85 + 0.3 * random.random(count))
    fringe_falls = 1.2 - LAID * style.fringe_across
    fall = np.where(flies, 0.8 * fall, fall) * np.where(zone.fringe > 0, fringe_falls, 1.0)
    turn = 2.0 * noise * np.where(flies, 2.5, 1.0)[:, None] * (0.3 + style.frizz)
    long = smoothstep(0.18, 0.3, length)
    forward = np.where(random.random(count) < style.front, 1.0, -0.5) * zone.side
    turn[:, 2] += 1.6 * long * forward + 2.4 * style.face * zone.temple
    turn[:, 2] -= 3.5 * style.tuck * zone.side
    hem = np.full(count, -1.0) if style.hem is None else style.hem - 0.012 * random.random(count)
    hold = np.where(flies, 0.2, 1.0) * style.hold
    if tied:
        hold, fall = np.full(count, 0.9), np.zeros(count)
        hem = np.full(count, -0.075)
        ties, lines = guides.tails(style, scalp.collision, side)
        tie = np.where(roots.position[:, 0] > 0, 1, 0) if len(ties) > 1 else np.zeros(count, int)
        if style.tie != "cornrows":
            start = guides.tangent(ties[tie] - roots.position, roots.normal)
            start = guides.unit(start + 0.3 * steep * roots.normal + 0.05 * noise)
    else:
        ties = np.zeros((1, 3), np.float32)
        lines = np.zeros((1, guides.LINES, 2, 3), np.float32)
        tie = np.full(count, -1)
    disc = _disc(count, style, random)
    reach = 1 - 0.5 * style.layers * random.random(count) - 0.05 * random.random(count)
    longest = float(length.max())
    many = POINTS_STRAIGHT if longest > 0.05 or tied else POINTS_SHORT
    many = POINTS_CROPPED if longest < 0.015 else many
    if style.curl_radius > 0 or style.tie in ("bun", "braid", "braids", "cornrows"):
        many = POINTS_CURLY
    out = np.empty((count, many, 3), np.float32)
    grow_strands(
        *_arrays(roots.position, start, length, height, bend, fall), np.array(down, np.float32),
        *_arrays(hold, hem, turn),
        np.maximum(0.015, 1.2 * height).astype(np.float32), tie.astype(np.int32), ties, lines,
        disc, reach.astype(np.float32), scalp.collision.soft if float(length.max()) > LONG
        else scalp.collision.distance, LOW, STEP, out,
    )  # fmt: skip
    fine = 0.55 + 0.45 * smoothstep(-0.002, 0.012, inside)
    fine = fine * np.where(flies, SINGLE, 1.0)  # seen one by one, as no other strand is
    return out, fine, side


def _arrays(*values: Floats) -> list[Floats]:
    return [np.ascontiguousarray(value, np.float32) for value in values]


def _disc(count: int, style: HairStyle, random: np.random.Generator) -> Floats:
    """Line of the tail and offsets in metres from it, [N,4]."""
    line = random.integers(0, guides.LINES, count)
    size = {"braid": 0.0065, "braids": 0.0065, "bun": 0.011}.get(style.tie, guides.TAIL_RADIUS)
    ball = guides.unit(random.standard_normal((count, 3)).astype(np.float32))
    ball *= (size * random.random((count, 1)) ** 0.5).astype(np.float32)
    return np.concatenate([line[:, None], ball], 1).astype(np.float32)


def _finished(
    scalp: Scalp, style: HairStyle, roots: Roots, paths: Floats, side: Floats,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Paths [N,K,3] with clumps, curls and frizz, outside of the head; and the strand [N] int
    that leads each one's clump."""
    count = len(paths)
    leader = clump_of(roots.position, side, style.clumps, random)
    # the lines of a plait do not mix
    tightness = style.tightness if style.tie in ("none", "pony") else 0.0
    points = gathered(paths, leader, tightness, random)
    arc = arc_lengths(points)
    if style.tie == "none":
        points = strayed(points, arc, leader, random)
    if style.tie == "cornrows":
        outward = scalp.collision.at(points)[1]
        on_head = (points[..., 2:] > -0.10) & (points[..., 1:2] > -0.02)
        rows = cornrowed(points, outward, random.integers(0, 3, count))
        points = np.where(on_head, rows, points)
    if style.curl_radius > 0:
        # neighbours in step: the phase of a clump follows its place on the head
        waves = random.uniform(-1, 1, (3,)).astype(np.float32) * 25
        ordered = roots.position[leader] @ waves
        loose = random.uniform(0, 2 * np.pi, count)[leader]
        own = (0.9 - 0.7 * style.tightness) * random.standard_normal(count)
        phase = (ordered + (1 - style.curl_order) * loose + own).astype(np.float32)
        vary = 1 + 0.25 * (random.random(count)[leader] - 0.5)
        radius = style.curl_radius * (0.75 + 0.5 * random.random(count)[leader])
        turns = style.curl_turns * vary
        points = curled(
            points, arc, radius.astype(np.float32), turns.astype(np.float32), phase,
            style.curl_order if style.curl_turns < 25 else 0.0,
        )  # fmt: skip
    amount = style.frizz * 0.0035 * random.random(count) ** 1.5
    astray = random.random(count) < 0.08 * style.flyaways
    amount = np.where(astray, 0.006 if style.tie == "none" else 0.0015, amount)
    points = frizzed(points, arc, amount.astype(np.float32), random)
    if style.outline is not None:
        points = stood_out(points, arc, style.outline)
    points[:, 0] = roots.position
    points = np.ascontiguousarray(points, np.float32)
    # below the jaw hair may press into what it lies on, and tails keep their shape
    least = np.where(points[..., 1] < SHOULDERS, -0.005, np.minimum(0.0008, arc))
    if style.tie != "none":
        least = np.where(points[..., 2] < -0.09, -1.0, least)
    least = least.astype(np.float32)
    long = style.tie == "none" and float(arc[:, -1].max()) > LONG
    grid = scalp.collision.soft if long else scalp.collision.distance
    push_out(points, least, grid, LOW, STEP)
    if style.fringe == 0:
        points = _off_the_forehead(points, _lines(style))
    elif style.fringe_across > 0:
        beyond = guides.beyond_fringe(roots.position, style)
        points[beyond] = _off_the_forehead(points[beyond], _lines(style), TEMPLES)
    return points if long or style.tie != "none" else _off_the_ears(scalp, points), leader


def _off_the_ears(scalp: Scalp, points: Floats) -> Floats:
    """Short hair [N,K,3] cut where it would come to lie on an ear."""
    nearest = scalp.collision.nearest_vertex(points)
    return _cut(points, scalp.on_ear[nearest] & (nearest >= 0))


def _off_the_forehead(
    points: Floats, lines: tuple[Floats, ...], within: float = FOREHEAD
) -> Floats:
    """Hair [N,K,3] cut where it would stray over the middle of the forehead, up to `within`
    degrees to each side; `lines` the hairline or those of the left and the right."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    azimuth = np.arctan2(np.abs(x), z - AXIS_Z)
    heights = [np.interp(azimuth, line[:4, 0] / SKULL_RADIUS, line[:4, 1]) for line in lines]
    height = np.where(x < 0, heights[-1], heights[0])
    astray = (azimuth < np.radians(within)) & (y < height - BELOW_LINE) & (y > 0)
    return _cut(points, astray)


def _cut(points: Floats, astray: NDArray[np.bool_]) -> Floats:
    """Hair [N,K,3] that ends before its first point that is `astray` [N,K], with as many points."""
    astray = astray.copy()
    astray[:, :2] = False
    many = points.shape[1]
    for strand in np.flatnonzero(astray.any(1)):
        last = int(astray[strand].argmax()) - 1
        at = np.linspace(0, last, many)
        own = points[strand]
        points[strand] = np.stack([np.interp(at, np.arange(many), own[:, c]) for c in range(3)], -1)
    return points
