"""What sits on the head: beanies, caps, hats, helmets, bands, turbans, head scarves, hoods,
headphones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter1d

from fitme.head.model import HeadModel
from fitme.models.train.photos import fabric
from fitme.models.train.photos.measures import CHIN, FOREHEAD, Measures
from fitme.models.train.photos.prop import Array, Prop, plain
from fitme.models.train.photos.shapes import (
    Shape,
    ellipsoid,
    frame,
    joined,
    rounded_box,
    sheet,
    spline,
    tube,
    unit,
)
from fitme.segment.labels import Label

Rng = np.random.Generator
COLUMNS = 72

# How often what is on the head in photos of people with something on the head; set by eye.
CHANCE = {
    "cap": 0.25, "beanie": 0.15, "brimmed hat": 0.14, "head scarf": 0.14, "headphones": 0.1,
    "hood": 0.07, "headband": 0.06, "helmet": 0.04, "turban": 0.05,
}  # fmt: skip


def draw_headwear(
    rng: Rng,
    head: HeadModel,
    vertices: Array,
    *,
    kind: str | None = None,
    measures: Measures | None = None,
) -> list[Prop]:
    """One thing on vertices [V,3] of a head, metres; kind: a key of CHANCE, None draws one. `measures` are the head's, if already taken."""
    measures = measures or Measures.of(head, vertices)
    if kind is None:
        kind = str(rng.choice(list(CHANCE), p=np.array(list(CHANCE.values()))))
    return _KINDS[kind](rng, measures)


def _prop(
    name: str,
    shape: Shape,
    albedo: Array,
    *,
    specular: float = 0.03,
    roughness: float = 0.85,
    label: Label = Label.OTHER,
    repeat: tuple[float, float] = (1.0, 1.0),
) -> Prop:
    """A prop whose texture is laid `repeat` times around and down, mirrored."""
    uv = 1 - np.abs(1 - (shape.uv * repeat) % 2)
    return Prop(
        name, label, shape.vertices.astype(np.float32), shape.triangles.astype(np.int32),
        uv.astype(np.float32), albedo, specular, roughness, two_sided=True,
    )  # fmt: skip


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


def _beanie(rng: Rng, measures: Measures) -> list[Prop]:
    rim = _rim(measures, rng.uniform(-0.25, 0.25), rng.uniform(-0.7, -0.4), rng.uniform(-0.3, 0.05))
    share = np.linspace(0, 1, 24)[:, None]
    slouch = rng.uniform(0.0, 0.03) * np.exp(-((share / 0.5) ** 2))
    lean = 1 - 0.6 * np.cos(_azimuth())
    base = fabric.color(rng)
    wool = fabric.finished(fabric.knit(rng, base))
    wave = 0.0015 * np.cos(_azimuth() * int(rng.integers(5, 11)) + 3 * share)
    grid = _edge(_crown(measures, rim, 0.007 + slouch * lean + wave, 24, True), 0.006, measures)
    props = [_prop("beanie", sheet(grid), wool, repeat=(4.0, 1.3))]
    if rng.random() < 0.7:  # a turned-up brim
        wide = rng.uniform(0.25, 0.45)
        at = np.array([1.0, 0.9, 0.5, 0.05, 0.0, 0.0])[:, None]
        rise = np.array([0.006, 0.012, 0.0145, 0.0135, 0.010, 0.0])[:, None]
        band = measures.surface(_azimuth()[None], rim + wide * at, rise, ears=True)
        cuff = wool if rng.random() < 0.7 else fabric.finished(fabric.knit(rng, base))
        props.append(_prop("beanie cuff", sheet(band), cuff, repeat=(4.0, 0.3)))
    if rng.random() < 0.25:
        top = measures.surface(np.zeros(1), np.full(1, np.pi / 2 - 0.1), 0.035 + slouch[0, 0])[0]
        ball = ellipsoid(top, (0.03, 0.028, 0.03), sides=20)
        fluff = ball.vertices + ball.normals * rng.normal(0, 0.0015, (len(ball.vertices), 1))
        props.append(_prop("bobble", Shape(fluff, ball.triangles, ball.uv), wool, repeat=(2, 2)))
    return props


def _cap(rng: Rng, measures: Measures) -> list[Prop]:
    rim = _rim(measures, rng.uniform(-0.12, 0.18), rng.uniform(-0.4, -0.25), rng.uniform(0.0, 0.15))
    share = np.linspace(0, 1, 24)[:, None]
    front = np.clip(np.cos(_azimuth()), 0, 1)
    panel = rng.uniform(0.006, 0.022) * front * np.sin(np.pi * np.clip(share * 0.9, 0, 1))
    grid = _crown(measures, rim, 0.009 + panel + 0.004 * (1 - share), 24)
    cloth = fabric.cloth(rng, "casual" if rng.random() < 0.3 else "suit", fabric.color(rng))
    props = [_prop("cap", sheet(_edge(grid, 0.005, measures)), cloth, repeat=(2.0, 0.6))]
    length, bend = rng.uniform(0.06, 0.078), rng.uniform(0.008, 0.028)
    visor = _visor(measures, rim, 0.010, length, bend, rng.uniform(0.1, 0.5))
    trim = cloth if rng.random() < 0.6 else fabric.cloth(rng, "suit", fabric.color(rng))
    props.append(_prop("visor", visor, trim))
    if rng.random() < 0.5:  # an emblem on the front
        at = measures.surface(np.zeros(1), rim[COLUMNS // 2] + np.full(1, 0.33), 0.018)[0]
        out = unit(at - measures.centre)
        axes = frame(np.array([0.0, 1.0, -0.4]), out)
        half = (rng.uniform(0.015, 0.03), rng.uniform(0.01, 0.02), 0.004)
        emblem = rounded_box(at + 0.001 * out, half, axes, square=float(rng.choice([2.0, 8.0])))
        props.append(_prop("emblem", emblem, fabric.cloth(rng, "wrap"), repeat=(0.3, 0.3)))
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
    upper = (*out, 0, 0.0012, 0)
    lower = out - (0, 0.0012, 0)
    return sheet(np.concatenate([upper, lower[::-1]]))


def _brimmed(rng: Rng, measures: Measures) -> list[Prop]:
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
    both = np.concatenate([(*brim, 0, 0.001, 0), (brim - (0, 0.001, 0))[::-1]])
    props = [
        _prop("hat", sheet(wall), felt, repeat=(2.0, 0.6)),
        _prop("brim", sheet(both), felt, repeat=(2.0, 0.5)),
    ]
    if not bucket:
        up = np.array([0.002, 0.006, 0.03, 0.034])[:, None, None] * np.array([0.0, 1.0, 0.0])
        rise = np.array([0.0005, 0.0022, 0.0018, 0.0])[:, None, None] * out
        ribbon = loop * np.array([1, 1, 1]) + up + rise - 0.0006 * up[:, :, 1:2] / 0.03 * out
        dark = fabric.finished(np.broadcast_to(fabric.color(rng, 0.7), (1, 1, 3)))
        props.append(_prop("hat ribbon", sheet(ribbon[::-1]), dark, roughness=0.5))
    return props


def _headband(rng: Rng, measures: Measures) -> list[Prop]:
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
    return [_prop("headband", sheet(grid), texture, repeat=(3.0, 0.2))]


def _helmet(rng: Rng, measures: Measures) -> list[Prop]:
    rim = _rim(measures, rng.uniform(0.0, 0.2), rng.uniform(-0.35, -0.1), rng.uniform(0.0, 0.2))
    share = np.linspace(0, 1, 26)[:, None]
    thick = rng.uniform(0.018, 0.028)
    ridge = 0.006 * np.exp(-((np.sin(_azimuth()) / 0.25) ** 2)) * np.sin(np.pi * share)
    grid = _edge(_crown(measures, rim, thick + ridge + 0.004 * share**6, 26), thick, measures)
    color = fabric.finished(np.broadcast_to(fabric.color(rng, 0.15, 0.6), (1, 1, 3)))
    props = [_prop("helmet", sheet(grid), color, specular=0.045, roughness=0.2)]
    if rng.random() < 0.7:
        visor = _visor(measures, rim, thick, rng.uniform(0.03, 0.05), 0.01, 0.25)
        props.append(_prop("helmet visor", visor, color, specular=0.045, roughness=0.2))
    return props


def _turban(rng: Rng, measures: Measures) -> list[Prop]:
    rim = _rim(measures, rng.uniform(-0.05, 0.15), rng.uniform(-0.6, -0.4), rng.uniform(-0.1, 0.05))
    share = np.linspace(0, 1, 40)[:, None]
    azimuth = _azimuth()
    cross = share * rng.uniform(9, 16) + rng.uniform(0.8, 1.6) * np.abs(np.sin(azimuth / 2 + 0.2))
    folds = np.abs(np.sin(np.pi * cross)) ** 0.7
    body = rng.uniform(0.025, 0.045) * np.sin(np.pi * np.clip(0.25 + 0.75 * share, 0, 1)) ** 0.6
    grid = _crown(measures, rim, 0.008 + body + 0.004 * folds, 40, True)
    cloth = fabric.cloth(rng, "casual" if rng.random() < 0.2 else "suit", fabric.color(rng, 0.25))
    return [_prop("turban", sheet(_edge(grid, 0.015, measures)), cloth, repeat=(2.0, 0.8))]


def _opening(rng: Rng, measures: Measures, tight: float) -> tuple[Array, Array]:
    """Angles around the face [COLUMNS+1] from the chin over the right of the picture, and how far
    from straight ahead, in radians, the cloth's edge lies there; `tight` grows inwards."""
    around = np.linspace(-np.pi, np.pi, COLUMNS + 1)  # 0 is up
    top = measures.points[FOREHEAD] - measures.centre
    chin = measures.points[CHIN] - measures.centre
    up = float(np.arctan2(top[1], top[2])) + rng.uniform(0.0, 0.22) - tight
    low = float(np.arctan2(-chin[1], chin[2])) + rng.uniform(-0.02, 0.1) - 0.5 * tight
    side = rng.uniform(0.95, 1.12) - tight
    cos = np.cos(around)
    edge = side + (np.where(cos > 0, up, low) - side) * cos**2
    return around, edge


def _veil(
    measures: Measures, around: Array, edge: Array, offset: Array, rows: int, smooth: float
) -> Array:
    """Points [rows,COLUMNS+1,3] from the face's opening to the back of the head."""
    share = np.linspace(0, 1, rows)[:, None]
    angle = edge + share * (np.pi - 0.02 - edge)
    x, y, z = np.sin(angle) * np.sin(around), np.sin(angle) * np.cos(around), np.cos(angle)
    azimuth, elevation = np.arctan2(x, z), np.arcsin(np.clip(y, -1, 1))
    reach = measures.radius(azimuth, elevation, ears=True)
    reach = np.minimum(reach, 0.125 + 0 * reach)  # below, the neck is another cloth's
    if smooth:
        reach = gaussian_filter1d(reach, smooth, axis=1, mode="wrap")
        reach = gaussian_filter1d(reach, smooth / 3, axis=0, mode="nearest")
    way = np.stack([x, y, z], -1)
    return measures.centre + (reach + offset)[..., None] * way


def _cape(rng: Rng, measures: Measures, thick: float) -> Array:
    """Cloth [rows,COLUMNS+1,3] from under the chin around the neck onto the shoulders."""
    ring = np.concatenate([measures.ring, measures.ring[:1]])
    middle = measures.ring.mean(0)
    chin = measures.points[CHIN]
    angle = np.linspace(0, 2 * np.pi, len(ring))
    front = (1 - np.cos(angle)) / 2
    wide = rng.uniform(0.02, 0.035)
    way = unit((ring - middle) * (1, 0, 1))
    rows = []
    top = middle + (ring - middle) * (0.95, 0, 0.95)
    top[:, 2] += 0.028 * front
    top[:, 1] = chin[1] - 0.012 + 0.035 * (1 - front)
    phase = rng.uniform(0, 6, 3)
    for share, out, drop in ((0, 0.4, 0), (0.3, 0.8, 0), (0.6, 1.0, 0), (1, 1.4, 0.0),
                             (1, 2.6, 0.025), (1, 4.2, 0.06), (1, 4.8, 0.10), (1, 5.2, 0.2)):  # fmt: skip
        wave = sum(np.sin((k + 2) * angle + 3 * share + 20 * drop + phase[k]) for k in range(3))
        base = top + share * (ring - top)
        row = base + way * (wide * out + thick + 0.003 * wave * min(out, 2.0))[:, None]
        row[:, 1] -= drop
        rows.append(row)
    return np.stack(rows)


def _head_scarf(rng: Rng, measures: Measures) -> list[Prop]:
    """Cloth around face, head and neck."""
    around, edge = _opening(rng, measures, 0.0)
    share = np.linspace(0, 1, 26)[:, None]
    folds = np.sin(around * int(rng.integers(2, 6)) + 5 * share + rng.uniform(0, 6))
    offset = 0.003 + np.clip(share * 5, 0, 1) * (0.010 + 0.0025 * folds)
    offset = offset + rng.uniform(0, 0.03) * np.exp(-(((share - 0.75) / 0.25) ** 2))
    grid = _veil(measures, around, edge, offset, 26, 1.5)
    inner = grid[0] + 0.006 * unit(measures.centre - grid[0])
    cloth = fabric.cloth(rng, "wrap")
    cape = sheet(_cape(rng, measures, 0.01)).flipped()
    return [
        _prop("head scarf", sheet(np.concatenate([inner[None], grid])).flipped()
              .facing_from(measures.centre), cloth, label=Label.CLOTHES, repeat=(1.5, 0.8)),
        _prop("head scarf's cape", cape, cloth, label=Label.CLOTHES, repeat=(1.5, 0.6)),
    ]  # fmt: skip


def _hood(rng: Rng, measures: Measures) -> list[Prop]:
    """A hood drawn over the head, open in front."""
    around, edge = _opening(rng, measures, rng.uniform(-0.15, 0.1))
    share = np.linspace(0, 1, 26)[:, None]
    folds = np.sin(around * 3 + 6 * share + rng.uniform(0, 6))
    offset = 0.016 + 0.012 * np.clip(share * 3, 0, 1) + 0.003 * folds * np.clip(share * 4, 0, 1)
    point = rng.uniform(0.0, 0.03) * np.exp(-((around / 0.8) ** 2)) * np.sin(np.pi * share)
    grid = _veil(measures, around, edge, offset + point, 26, 3.0)
    cloth = fabric.cloth(rng, "suit", fabric.color(rng))
    rim = tube(grid[0][:-1], 0.006, up=(0.0, 0.0, 1.0), loop=True)
    shape = joined([sheet(grid).facing_from(measures.centre), rim])
    cape = sheet(_cape(rng, measures, 0.016)).flipped()
    return [
        _prop("hood", shape, cloth, label=Label.CLOTHES, repeat=(1.5, 0.8)),
        _prop("hood's cape", cape, cloth, label=Label.CLOTHES, repeat=(1.5, 0.6)),
    ]


def _headphones(rng: Rng, measures: Measures) -> list[Prop]:
    """Cups over the ears and a band over the skull."""
    color = fabric.finished(np.broadcast_to(fabric.color(rng, 0.6), (1, 1, 3)))
    lean = rng.uniform(-0.25, 0.15)
    cups, pads, ends = [], [], []
    size = rng.uniform(0.030, 0.042)
    for side, ear in zip((1, -1), measures.ears, strict=True):
        out = unit(np.array([side * 1.0, 0.0, 0.12]))
        axes = frame(np.array([0.0, 1.0, 0.0]), out)
        at = (*ear, side * 0.012, 0.002, 0.0)
        pads.append(rounded_box(at, (size, size * 1.15, 0.014), axes, square=2.6))
        cups.append(rounded_box(at + 0.018 * out, (size * 0.9, size * 1.05, 0.011), axes, 2.6))
        ends.append(at + 0.014 * out)
    over = np.linspace(0.12, np.pi - 0.12, 9)
    x, y = np.cos(over), np.sin(over)
    way = unit(np.stack([x, y, lean * y], 1))
    azimuth, elevation = np.arctan2(way[:, 0], way[:, 2]), np.arcsin(way[:, 1])
    arch = measures.surface(azimuth, elevation, rng.uniform(0.012, 0.03))
    path = spline(np.concatenate([ends[:1], arch[1:-1], ends[1:]]), 40)
    band = tube(path, rng.uniform(0.008, 0.016), up=(0.0, 0.05, 1.0), sides=12)
    # Wide along the head, thin across.
    flat = tube(path, 0.005, up=(0.0, 0.05, 1.0), depth=rng.uniform(1.8, 4.0), sides=12, square=4)
    props = [
        _prop("headphones", joined([*cups, flat if rng.random() < 0.8 else band]), color,
              specular=0.045, roughness=0.35),
        _prop("ear pads", joined(pads), plain((0.01, 0.01, 0.01)), roughness=0.6),
    ]  # fmt: skip
    if rng.random() < 0.3:
        mouth = measures.points[14] + (0.045, -0.012, 0.002)
        start = ends[0] + (0.004, -0.02, 0.01)
        boom = spline(np.stack([start, (start + mouth) / 2 + (0.014, -0.008, 0), mouth]), 14)
        foam = ellipsoid(mouth, (0.009, 0.008, 0.008))
        shapes = [tube(boom, 0.0022, up=(0.0, 1.0, 0.0), sides=6), foam]
        props.append(_prop("headset microphone", joined(shapes), plain((0.01, 0.01, 0.01))))
    return props


_KINDS: dict[str, Callable[[Rng, Measures], list[Prop]]] = {
    "cap": _cap,
    "beanie": _beanie,
    "brimmed hat": _brimmed,
    "head scarf": _head_scarf,
    "headphones": _headphones,
    "hood": _hood,
    "headband": _headband,
    "helmet": _helmet,
    "turban": _turban,
}
