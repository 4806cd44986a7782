"""Clothes on a torso: from T-shirts to suits, with the skin of the neck that they leave bare."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fitme.head.model import HeadModel
from fitme.models.train.photos import collars, fabric
from fitme.models.train.photos.kinds import draw_kind
from fitme.models.train.photos.measures import Measures
from fitme.models.train.photos.prop import Array, Prop
from fitme.models.train.photos.shapes import Shape
from fitme.models.train.photos.torso import COLUMNS, Torso, around, draw_torso, skin_of
from fitme.segment.labels import Label

Rng = np.random.Generator
FRONT = COLUMNS / 2  # the column in front
ROWS = 30
END = 2.0  # where clothes end, see torso.py

# How often people in portraits wear what; set by eye after official and press portraits.
CHANCE = {
    "suit": 0.27, "crew": 0.14, "shirt": 0.12, "t-shirt": 0.1, "v neck": 0.09, "blouse": 0.07,
    "hoodie": 0.06, "turtleneck": 0.04, "scarf": 0.05, "bare shoulders": 0.06,
}  # fmt: skip


def draw_garment(
    rng: Rng,
    head: HeadModel,
    vertices: Array,
    skin_rgb: Array,
    *,
    kind: str | None = None,
    turn: float = 0.0,
    wide: bool | None = None,
    measures: Measures | None = None,
) -> list[Prop]:
    """Clothes and the bare skin between them and the neck.

    vertices [V,3] of a head, metres; skin_rgb [3] linear; kind: a key of CHANCE, None draws one;
    turn and wide: see `draw_torso`.

    `measures` are the head's, if already taken."""
    measures = measures or Measures.of(head, vertices)
    torso = draw_torso(rng, measures, turn=turn, wide=wide)
    kind = draw_kind(rng, CHANCE, kind)
    points = skin_of(torso)
    skin = around(points).textured(metric_uv(points))
    texture = fabric.skin_texture(rng, np.asarray(skin_rgb))
    bare = cloth_prop("shoulders", Label.NECK, skin, texture, specular=0.03, roughness=0.5)
    return [bare, *_KINDS[kind](rng, torso, measures)]


def cloth_prop(
    name: str,
    label: Label,
    shape: Shape,
    albedo: Array,
    specular: float = 0.03,
    roughness: float = 0.8,
) -> Prop:
    """A prop of cloth, seen from both sides."""
    return Prop.of(name, label, shape, albedo, specular, roughness, two_sided=True)


def metric_uv(points: Array) -> Array:
    """Texture coordinates [N*M,2] of a sheet [N,M,3] as cloth is cut: metres across the body and
    down, over the cloth's width, mirrored into 0..1. Stripes stay level on breast and shoulders."""
    across = points[..., 0] - points[..., 0].mean()
    forward = np.abs(points[..., 2] - points[..., 2].mean())
    down = points[..., 1].max() - points[..., 1] + 0.35 * forward
    uv = np.stack([across / fabric.SPAN + 0.5, (down + 0.03) / fabric.SPAN], -1).reshape(-1, 2)
    return 1 - np.abs(1 - uv % 2)


def angle_from_front(columns: Array) -> Array:
    """Radians from the front, 0 to pi, of columns of the torso."""
    return np.abs((columns - FRONT) * (2 * np.pi / COLUMNS))


def shell(rng: Rng, torso: Torso, neckline: Array, thick: float, folds: float = 1.0) -> Array:
    """Points [ROWS,COLUMNS+1,3] of cloth from `neckline` [COLUMNS+1] (in `down`) to the end,
    `thick` metres outside of the body, with folds of about 3 mm times `folds`."""
    share = np.concatenate([[0.0, 0.0], np.linspace(0.015, 1, ROWS - 2) ** 1.1])[:, None]
    down = neckline + share * (END - neckline)
    rise = np.concatenate([[-0.4, 0.75], np.ones(ROWS - 2)])[:, None]
    columns = np.linspace(0, 2 * np.pi, COLUMNS + 1)[None]
    wave = np.zeros(down.shape)
    for _ in range(7):
        number, pitch = int(rng.integers(1, 7)), rng.uniform(-7, 7)
        phase = rng.uniform(0, 2 * np.pi) + rng.uniform(0.3, 1.2) * np.sin(2 * columns + 5 * share)
        ridge = 1 - np.abs(np.sin(0.5 * (number * columns + pitch * down + phase)))
        wave += rng.uniform(0.3, 1.0) * (ridge**2 - 0.3)
    crease = 0.0017 * folds * wave * np.clip(share * 4, 0, 1)
    return torso.at(down, thick * rise + np.maximum(crease, 0.004 - thick))


def _garment(
    rng: Rng, torso: Torso, neckline: Array, texture: Array, *, thick: float, folds: float = 1.0,
    name: str = "garment", roughness: float = 0.8,
) -> Prop:  # fmt: skip
    points = shell(rng, torso, neckline, thick, folds)
    shape = around(points).textured(metric_uv(points))
    return cloth_prop(name, Label.CLOTHES, shape, texture, roughness=roughness)


def _columns() -> Array:
    return np.linspace(0, COLUMNS, COLUMNS + 1)


def _round(rng: Rng, low: float, high: float, front: float) -> Array:
    """A round neckline: `down` between low and high, plus `front` in front."""
    angle = angle_from_front(_columns())
    return rng.uniform(low, high) + front * np.exp(-((angle / 0.9) ** 2))


def _crew(rng: Rng, torso: Torso, measures: Measures) -> list[Prop]:
    knitted = rng.random() < 0.6
    texture = (
        fabric.finished(fabric.knit(rng, fabric.color(rng))) if knitted
        else fabric.cloth(rng, "casual")
    )  # fmt: skip
    neckline = _round(rng, 0.06, 0.2, rng.uniform(0.05, 0.15))
    thick = rng.uniform(0.006, 0.01)
    band = collars.band(torso, neckline, rng.uniform(0.010, 0.018), thick + 0.001)
    return [
        _garment(rng, torso, neckline, texture, thick=thick),
        cloth_prop("collar band", Label.CLOTHES, band, texture),
    ]


def _t_shirt(rng: Rng, torso: Torso, measures: Measures) -> list[Prop]:
    texture = fabric.cloth(rng, "casual")
    neckline = _round(rng, 0.1, 0.28, rng.uniform(0.08, 0.2))
    band = collars.band(torso, neckline, rng.uniform(0.007, 0.013), 0.006)
    trim = texture if rng.random() < 0.8 else fabric.cloth(rng, "casual")
    return [
        _garment(rng, torso, neckline, texture, thick=0.005),
        cloth_prop("collar band", Label.CLOTHES, band, trim),
    ]


def _v_neck(rng: Rng, torso: Torso, measures: Measures) -> list[Prop]:
    texture = (
        fabric.finished(fabric.knit(rng, fabric.color(rng))) if rng.random() < 0.5
        else fabric.cloth(rng, "casual")
    )  # fmt: skip
    neckline = collars.vee(rng.uniform(0.1, 0.3), rng.uniform(0.4, 0.9), rng.uniform(0.5, 0.9))
    props = [_garment(rng, torso, neckline, texture, thick=0.008)]
    band = collars.band(torso, neckline, rng.uniform(0.008, 0.016), 0.009)
    props.append(cloth_prop("collar band", Label.CLOTHES, band, texture))
    if rng.random() < 0.3:  # over a shirt
        props += _shirt_parts(rng, torso, open_collar=rng.random() < 0.5, thick=0.003)
    return props


def _shirt_parts(
    rng: Rng, torso: Torso, *, open_collar: bool, thick: float, base: Array | None = None
) -> list[Prop]:
    """A shirt with its collar; open by a button or two, or closed."""
    texture = fabric.cloth(rng, "shirt", base)
    depth = rng.uniform(0.3, 0.6) if open_collar else 0.04
    neckline = collars.vee(0.0, depth, 0.35)
    props = [_garment(rng, torso, neckline, texture, thick=thick, name="shirt")]
    for shape in collars.shirt_collar(rng, torso, depth, thick):
        props.append(cloth_prop("shirt collar", Label.CLOTHES, shape, texture))
    placket = collars.strip(torso, max(depth - 0.02, 0.1), 1.9, 0.013, thick + 0.0022)
    props.append(cloth_prop("placket", Label.CLOTHES, placket, texture))
    return props


def _shirt(rng: Rng, torso: Torso, measures: Measures) -> list[Prop]:
    return _shirt_parts(rng, torso, open_collar=rng.random() < 0.75, thick=0.006)


def _suit(rng: Rng, torso: Torso, measures: Measures) -> list[Prop]:
    tie = rng.random() < 0.7
    white = np.full(3, rng.uniform(0.6, 0.85)) * np.array([rng.uniform(0.85, 1.0), 1.0, 1.03])
    base = white if rng.random() < 0.65 else hsv_light(rng)
    if rng.random() < 0.85:
        props = _shirt_parts(rng, torso, open_collar=not tie, thick=0.003, base=base)
    else:
        props, tie = _t_shirt(rng, torso, measures), False
    if tie:
        silk = fabric.cloth(rng, "tie")
        bow = rng.random() < 0.08
        shape = collars.bow_tie(rng, torso) if bow else collars.tie(rng, torso)
        props.append(cloth_prop("tie", Label.CLOTHES, shape, silk, 0.04, 0.45))
    dark = rng.random() < 0.75
    jacket = fabric.cloth(rng, "suit", fabric.color(rng, 1.0) if dark else None)
    shoulder, depth = rng.uniform(0.1, 0.3), rng.uniform(1.0, 1.6)
    neckline = collars.vee(shoulder, depth, rng.uniform(0.5, 0.65))
    props.append(_garment(rng, torso, neckline, jacket, thick=0.013, folds=0.6, name="jacket"))
    for shape in collars.lapels(rng, torso, neckline, 0.017):
        props.append(cloth_prop("lapel", Label.CLOTHES, shape, jacket))
    return props


def hsv_light(rng: Rng) -> Array:
    """A pale colour of shirts: blue mostly."""
    hue = 0.6 if rng.random() < 0.7 else rng.random()
    return fabric.hsv(float(hue), rng.uniform(0.1, 0.5), rng.uniform(0.4, 0.75))


def _blouse(rng: Rng, torso: Torso, measures: Measures) -> list[Prop]:
    """A wide or deep neckline: round, boat-shaped or square."""
    texture = fabric.cloth(rng, "wrap" if rng.random() < 0.5 else "casual")
    angle = angle_from_front(_columns())
    wide = rng.uniform(0.35, 0.7)
    deep = rng.uniform(0.1, 0.6)
    power = rng.choice([2.0, 3.5])  # rounder or squarer
    neckline = wide + deep * np.exp(-((angle / rng.uniform(0.6, 1.0)) ** power))
    return [_garment(rng, torso, neckline, texture, thick=0.005, folds=1.4, roughness=0.6)]


def _bare_shoulders(rng: Rng, torso: Torso, measures: Measures) -> list[Prop]:
    """A dress with straps, or a strapless one."""
    texture = fabric.cloth(rng, "wrap")
    angle = angle_from_front(_columns())
    neckline = rng.uniform(1.05, 1.35) + 0.12 * np.sin(angle) ** 2 - 0.05 * np.cos(3 * angle)
    props = [_garment(rng, torso, neckline, texture, thick=0.005)]
    if rng.random() < 0.7:
        for shape in collars.straps(torso, rng.uniform(0.004, 0.022), 1.25):
            props.append(cloth_prop("strap", Label.CLOTHES, shape, texture))
    return props


def _hoodie(rng: Rng, torso: Torso, measures: Measures) -> list[Prop]:
    texture = fabric.cloth(rng, "casual", fabric.color(rng))
    neckline = _round(rng, 0.08, 0.15, rng.uniform(0.1, 0.35))
    props = [_garment(rng, torso, neckline, texture, thick=0.013, folds=1.6)]
    roll = collars.hood_down(rng, torso)
    props.append(cloth_prop("hood", Label.CLOTHES, roll.textured(roll.uv), texture))
    cord = fabric.finished(np.broadcast_to(fabric.color(rng, 0.2), (1, 1, 3)))
    for shape in collars.cords(rng, torso):
        props.append(cloth_prop("cord", Label.CLOTHES, shape, cord))
    return props


def _turtleneck(rng: Rng, torso: Torso, measures: Measures) -> list[Prop]:
    texture = fabric.finished(fabric.knit(rng, fabric.color(rng)))
    points = collars.turtleneck(rng, torso)
    return [
        _garment(rng, torso, _round(rng, 0.0, 0.05, 0.02), texture, thick=0.008),
        cloth_prop(
            "turtleneck", Label.CLOTHES, around(points).textured(metric_uv(points)), texture
        ),
    ]


def _scarf(rng: Rng, torso: Torso, measures: Measures) -> list[Prop]:
    below = _crew if rng.random() < 0.5 else _suit
    texture = (
        fabric.finished(fabric.knit(rng, fabric.color(rng))) if rng.random() < 0.4
        else fabric.cloth(rng, "wrap")
    )  # fmt: skip
    props = below(rng, torso, measures)
    for shape in collars.scarf(rng, torso):
        props.append(cloth_prop("scarf", Label.CLOTHES, shape, texture, roughness=0.9))
    return props


_KINDS: dict[str, Callable[[Rng, Torso, Measures], list[Prop]]] = {
    "suit": _suit,
    "crew": _crew,
    "shirt": _shirt,
    "t-shirt": _t_shirt,
    "v neck": _v_neck,
    "blouse": _blouse,
    "hoodie": _hoodie,
    "turtleneck": _turtleneck,
    "scarf": _scarf,
    "bare shoulders": _bare_shoulders,
}
