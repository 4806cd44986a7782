"""Beanies, caps, brimmed hats, bands, helmets and turbans on one head's skull."""

from __future__ import annotations

import numpy as np

from fitme.models.train.photos import fabric
from fitme.models.train.photos.measures import FOREHEAD, Measures
from fitme.models.train.photos.prop import Array, Prop
from fitme.models.train.photos.shapes import (
    Shape,
    ellipsoid,
    frame,
    rounded_box,
    sheet,
    unit,
)
from fitme.segment.labels import Label

Rng = np.random.Generator
COLUMNS = 72


def headwear(
    name: str,
    shape: Shape,
    albedo: Array,
    *,
    specular: float = 0.03,
    roughness: float = 0.85,
    repeat: tuple[float, float] = (1.0, 1.0),
) -> Prop:
    """A prop labelled as things on the head are."""
    return Prop.of(
        name, Label.OTHER, shape, albedo, specular, roughness, two_sided=True, repeat=repeat
    )


def _azimuth(count: int = COLUMNS) -> Array:
    """Around the head from the back over the front (which is at the middle) to the back."""
    return np.linspace(-np.pi, np.pi, count + 1)


def _rim(measures: Measures, front: float, back: float, side: float) -> Array:
    """Elevations [COLUMNS+1] of a rim from three of them in radians: the front's is above the
    forehead's middle, the others from the horizon."""
    forehead = measures.points[FOREHEAD] - measures.centre
    front = float(np.arctan2(forehead[1], forehead[2])) + front
    azimuth = _azimuth()
    cos = np.cos(azimuth)
    ends = np.where(cos > 0, front, back)
    return side + (ends - side) * cos**2


def _crown(
    measures: Measures, rim: Array, offset: Array, rows: int = 22, ears: bool = False
) -> Array:
    """Points [rows,COLUMNS+1,3] from the top to the rim, `offset` ([rows,1] or with columns)
    metres outside of the skull."""
    share = np.linspace(0, 1, rows)[:, None]
    elevation = np.pi / 2 + share * (rim - np.pi / 2)
    return measures.surface(_azimuth()[None], elevation, offset, ears)


def _edge(points: Array, inward: float, measures: Measures) -> Array:
    """The grid with its last row folded inwards by `inward` metres, as an edge of cloth is."""
    last = points[-1]
    way = unit(measures.centre - last)
    return np.concatenate([points, (last + inward * way)[None]])


def beanie(rng: Rng, measures: Measures) -> list[Prop]:
    rim = _rim(measures, rng.uniform(-0.25, 0.25), rng.uniform(-0.7, -0.4), rng.uniform(-0.3, 0.05))
    share = np.linspace(0, 1, 24)[:, None]
    slouch = rng.uniform(0.0, 0.03) * np.exp(-((share / 0.5) ** 2))
    lean = 1 - 0.6 * np.cos(_azimuth())
    base = fabric.color(rng)
    wool = fabric.finished(fabric.knit(rng, base))
    wave = 0.0015 * np.cos(_azimuth() * int(rng.integers(5, 11)) + 3 * share)
    grid = _edge(_crown(measures, rim, 0.007 + slouch * lean + wave, 24, True), 0.006, measures)
    props = [headwear("beanie", sheet(grid), wool, repeat=(4.0, 1.3))]
    if rng.random() < 0.7:  # a turned-up brim
        wide = rng.uniform(0.25, 0.45)
        at = np.array([1.0, 0.9, 0.5, 0.05, 0.0, 0.0])[:, None]
        rise = np.array([0.006, 0.012, 0.0145, 0.0135, 0.010, 0.0])[:, None]
        band = measures.surface(_azimuth()[None], rim + wide * at, rise, ears=True)
        cuff = wool if rng.random() < 0.7 else fabric.finished(fabric.knit(rng, base))
        props.append(headwear("beanie cuff", sheet(band), cuff, repeat=(4.0, 0.3)))
    if rng.random() < 0.25:
        top = measures.surface(np.zeros(1), np.full(1, np.pi / 2 - 0.1), 0.035 + slouch[0, 0])[0]
        ball = ellipsoid(top, (0.03, 0.028, 0.03), sides=20)
        fluff = ball.vertices + ball.normals * rng.normal(0, 0.0015, (len(ball.vertices), 1))
        props.append(headwear("bobble", Shape(fluff, ball.triangles, ball.uv), wool, repeat=(2, 2)))
    return props


def cap(rng: Rng, measures: Measures) -> list[Prop]:
    rim = _rim(measures, rng.uniform(-0.12, 0.18), rng.uniform(-0.4, -0.25), rng.uniform(0.0, 0.15))
    share = np.linspace(0, 1, 24)[:, None]
    front = np.clip(np.cos(_azimuth()), 0, 1)
    panel = rng.uniform(0.006, 0.022) * front * np.sin(np.pi * np.clip(share * 0.9, 0, 1))
    grid = _crown(measures, rim, 0.009 + panel + 0.004 * (1 - share), 24)
    cloth = fabric.cloth(rng, "casual" if rng.random() < 0.3 else "suit", fabric.color(rng))
    props = [headwear("cap", sheet(_edge(grid, 0.005, measures)), cloth, repeat=(2.0, 0.6))]
    length, bend = rng.uniform(0.06, 0.078), rng.uniform(0.008, 0.028)
    visor = _visor(measures, rim, 0.010, length, bend, rng.uniform(0.1, 0.5))
    trim = cloth if rng.random() < 0.6 else fabric.cloth(rng, "suit", fabric.color(rng))
    props.append(headwear("visor", visor, trim))
    if rng.random() < 0.5:  # an emblem on the front
        at = measures.surface(np.zeros(1), rim[COLUMNS // 2] + np.full(1, 0.33), 0.018)[0]
        out = unit(at - measures.centre)
        axes = frame(np.array([0.0, 1.0, -0.4]), out)
        half = (rng.uniform(0.015, 0.03), rng.uniform(0.01, 0.02), 0.004)
        emblem = rounded_box(at + 0.001 * out, half, axes, square=float(rng.choice([2.0, 8.0])))
        props.append(headwear("emblem", emblem, fabric.cloth(rng, "wrap"), repeat=(0.3, 0.3)))
    return props


def _visor(
    measures: Measures, rim: Array, offset: float, length: float, bend: float, droop: float
) -> Shape:
    """A plate before the forehead, bent like a roof, with an upper and a lower side."""
    azimuth = np.linspace(-1.15, 1.15, 25)
    elevation = np.interp(azimuth, _azimuth(), rim)
    inner = measures.surface(azimuth, elevation, offset)
    share = np.linspace(0, 1, 9)[:, None]
    reach = length * np.sqrt(np.clip(1 - (azimuth / 1.16) ** 2, 0, 1))
    out = inner[None] + np.zeros((9, 1, 1))
    out[..., 2] += share * reach
    out[..., 0] *= 1 + 0.06 * share
    middle = measures.centre[0]
    across = (out[..., 0] - middle) / 0.08
    out[..., 1] -= share * reach * droop + bend * across**2 * np.minimum(2 * share, 1)
    upper = out + np.array([0, 0.0012, 0])
    lower = out - (0, 0.0012, 0)
    return sheet(np.concatenate([upper, lower[::-1]]))


def brimmed(rng: Rng, measures: Measures) -> list[Prop]:
    """Hats with a brim all around: fedoras, sun hats, bucket hats."""
    bucket = rng.random() < 0.3
    rim = _rim(measures, rng.uniform(-0.1, 0.22), rng.uniform(-0.35, -0.15), rng.uniform(0.0, 0.2))
    share = np.linspace(0, 1, 26)[:, None]
    base = _crown(measures, rim, 0.009 + 0 * share, 26)
    loop = base[-1]
    middle = loop.mean(0)
    top = measures.surface(np.zeros(1), np.full(1, np.pi / 2))[0, 1]
    height = top - middle[1] + rng.uniform(0.01, 0.04)
    taper = rng.uniform(0.72, 0.9)
    # The wall rises from the rim; its top rounds off and, in a fedora, sinks along the middle.
    level = np.clip((1 - share) / 0.72, 0, 1)
    flat = np.clip(1 - share / 0.28, 0, 1)
    rising = level - 0.04 * np.clip(1 - np.abs(share - 0.28) / 0.08, 0, 1)
    shrink = (1 - (1 - taper) * level**1.5) * (1 - flat**1.3)
    wall = middle + shrink[..., None] * (loop - middle)
    wall[..., 1] = middle[1] + (loop[:, 1] - middle[1]) * (1 - level) + rising * height
    if not bucket:
        pinch = rng.uniform(0.0, 0.03) * flat * np.exp(-(((wall[..., 0] - middle[0]) / 0.03) ** 2))
        wall[..., 1] -= pinch
    wall = measures.pushed_out(wall, 0.004)
    straw = rng.random() < 0.35
    felt = (
        fabric.finished(fabric.knit(rng, np.array([0.5, 0.38, 0.2]) * rng.uniform(0.6, 1.3)))
        if straw
        else fabric.cloth(rng, "casual" if bucket else "suit", fabric.color(rng))
    )
    wide = rng.uniform(0.045, 0.06) if bucket else rng.uniform(0.05, 0.11)
    droop = rng.uniform(0.5, 1.1) if bucket else rng.uniform(-0.1, 0.35)
    out = loop - middle
    out[:, 1] = 0
    out = unit(out)
    reach = np.linspace(0, 1, 8)[:, None, None]
    brim = loop[None] + reach * wide * out[None]
    roll = rng.uniform(-0.02, 0.025) * np.abs(np.sin(_azimuth())) ** 2
    wave = rng.uniform(0, 0.006) * np.cos(3 * _azimuth() + rng.uniform(0, 6))
    brim[..., 1] += reach[..., 0] * (roll + wave - droop * wide) * reach[..., 0] ** 0.5
    thin = np.array([0, 0.001, 0])
    both = np.concatenate([brim + thin, (brim - thin)[::-1]])
    props = [
        headwear("hat", sheet(wall), felt, repeat=(2.0, 0.6)),
        headwear("brim", sheet(both), felt, repeat=(2.0, 0.5)),
    ]
    if not bucket:
        up = np.array([0.002, 0.006, 0.03, 0.034])[:, None, None] * np.array([0.0, 1.0, 0.0])
        rise = np.array([0.0005, 0.0022, 0.0018, 0.0])[:, None, None] * out
        ribbon = loop * np.array([1, 1, 1]) + up + rise - 0.0006 * up[:, :, 1:2] / 0.03 * out
        dark = fabric.finished(np.broadcast_to(fabric.color(rng, 0.7), (1, 1, 3)))
        props.append(headwear("hat ribbon", sheet(ribbon[::-1]), dark, roughness=0.5))
    return props


def headband(rng: Rng, measures: Measures) -> list[Prop]:
    front = rng.uniform(0.05, 0.6)
    centre = _rim(measures, front, rng.uniform(-0.5, 0.1), 0.35 * front + rng.uniform(0.1, 0.3))
    wide = rng.choice([0.12, 0.3, 0.5]) * rng.uniform(0.7, 1.2)
    at = np.array([1.0, 0.97, 0.4, -0.4, -0.97, -1.0])[:, None]
    rise = np.array([0.0, 0.004, 0.006, 0.006, 0.004, 0.0])[:, None] * rng.uniform(0.8, 1.8)
    grid = measures.surface(_azimuth()[None], centre + wide / 2 * at, rise, ears=True)
    knitted = rng.random() < 0.3
    texture = (
        fabric.finished(fabric.knit(rng, fabric.color(rng))) if knitted
        else fabric.cloth(rng, "wrap")
    )  # fmt: skip
    return [headwear("headband", sheet(grid), texture, repeat=(3.0, 0.2))]


def helmet(rng: Rng, measures: Measures) -> list[Prop]:
    rim = _rim(measures, rng.uniform(0.0, 0.2), rng.uniform(-0.35, -0.1), rng.uniform(0.0, 0.2))
    share = np.linspace(0, 1, 26)[:, None]
    thick = rng.uniform(0.018, 0.028)
    ridge = 0.006 * np.exp(-((np.sin(_azimuth()) / 0.25) ** 2)) * np.sin(np.pi * share)
    grid = _edge(_crown(measures, rim, thick + ridge + 0.004 * share**6, 26), thick, measures)
    color = fabric.finished(np.broadcast_to(fabric.color(rng, 0.15, 0.6), (1, 1, 3)))
    props = [headwear("helmet", sheet(grid), color, specular=0.045, roughness=0.2)]
    if rng.random() < 0.7:
        visor = _visor(measures, rim, thick, rng.uniform(0.03, 0.05), 0.01, 0.25)
        props.append(headwear("helmet visor", visor, color, specular=0.045, roughness=0.2))
    return props


def turban(rng: Rng, measures: Measures) -> list[Prop]:
    rim = _rim(measures, rng.uniform(-0.05, 0.15), rng.uniform(-0.6, -0.4), rng.uniform(-0.1, 0.05))
    share = np.linspace(0, 1, 40)[:, None]
    azimuth = _azimuth()
    cross = share * rng.uniform(9, 16) + rng.uniform(0.8, 1.6) * np.abs(np.sin(azimuth / 2 + 0.2))
    folds = np.abs(np.sin(np.pi * cross)) ** 0.7
    body = rng.uniform(0.025, 0.045) * np.sin(np.pi * np.clip(0.25 + 0.75 * share, 0, 1)) ** 0.6
    grid = _crown(measures, rim, 0.008 + body + 0.004 * folds, 40, True)
    cloth = fabric.cloth(rng, "casual" if rng.random() < 0.2 else "suit", fabric.color(rng, 0.25))
    return [headwear("turban", sheet(_edge(grid, 0.015, measures)), cloth, repeat=(2.0, 0.8))]
