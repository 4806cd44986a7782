"""Glasses, from rimless to thick acetate, and sunglasses, that rest on one head's nose and ears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fitme.head.model import HeadModel
from fitme.models.train.photos.fabric import hsv, tortoise
from fitme.models.train.photos.measures import BRIDGE, SELLION, Measures
from fitme.models.train.photos.prop import Array, Prop, plain
from fitme.models.train.photos.reflections import draw_reflection
from fitme.models.train.photos.shapes import Shape, ellipsoid, joined, sheet, spline, tube
from fitme.segment.labels import Label

RIM_POINTS = 64
VERTEX_DISTANCE = (0.010, 0.014)  # metres from the cornea to the lens, as opticians fit them
BASE_RADIUS = 0.13  # metres, curvature of a lens's front ("base 4")

# Lens outlines: (x, y) in halves of width and height, seen on the person's left lens from the
# nose outwards; x = -1 is at the nose. Drawn by hand after shop windows.
_OUTLINES: dict[str, list[tuple[float, float]]] = {
    "aviator": [(-0.92, 0.55), (-0.3, 0.98), (0.5, 0.95), (0.98, 0.6), (0.95, -0.05),
                (0.5, -0.8), (-0.05, -1.0), (-0.55, -0.65), (-0.85, -0.1)],
    "cat eye": [(-0.9, 0.35), (-0.35, 0.66), (0.35, 0.85), (1.0, 1.0), (0.92, 0.2),
                (0.55, -0.7), (-0.05, -1.0), (-0.65, -0.75), (-0.95, -0.2)],
    "panto": [(-0.95, 0.4), (-0.6, 0.88), (0.0, 1.0), (0.6, 0.88), (0.98, 0.45), (0.85, -0.35),
              (0.45, -0.85), (0.0, -1.0), (-0.45, -0.85), (-0.85, -0.35)],
}  # fmt: skip
_SQUARENESS = {"round": 2.0, "oval": 2.2, "square": 5.0, "rectangle": 5.0, "soft square": 3.2}
# Half width and half height in metres: (least, most) each. Lenses are 44 to 60 mm wide.
_SIZES: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "round": ((0.022, 0.026), (0.021, 0.025)),
    "oval": ((0.0235, 0.027), (0.015, 0.019)),
    "square": ((0.025, 0.028), (0.019, 0.023)),
    "rectangle": ((0.0245, 0.028), (0.013, 0.018)),
    "soft square": ((0.0245, 0.028), (0.018, 0.022)),
    "aviator": ((0.027, 0.031), (0.023, 0.027)),
    "cat eye": ((0.025, 0.029), (0.018, 0.022)),
    "panto": ((0.0235, 0.0265), (0.020, 0.0235)),
}
_CHANCE = {
    "rectangle": 0.3, "soft square": 0.2, "oval": 0.14, "square": 0.1, "panto": 0.1,
    "round": 0.08, "cat eye": 0.05, "aviator": 0.03,
}  # fmt: skip
_CHANCE_SUN = {
    "soft square": 0.3, "aviator": 0.25, "square": 0.15, "cat eye": 0.12, "round": 0.1,
    "rectangle": 0.08,
}  # fmt: skip


@dataclass(frozen=True)
class Front:
    """The front of a pair of glasses in the head's frame."""

    rims: Array  # [2,RIM_POINTS,3] lens outlines, left and right, counter-clockwise from before
    middles: Array  # [2,3] of the lenses
    forward: Array  # [3]
    upward: Array  # [3]


def draw_glasses(
    rng: np.random.Generator,
    head: HeadModel,
    vertices: Array,
    *,
    sunglasses: bool = False,
    measures: Measures | None = None,
) -> list[Prop]:
    """One pair: frame and two lenses, fitted to vertices [V,3] of a head, metres.

    `measures` are the head's, if already taken."""
    measures = measures or Measures.of(head, vertices)
    chances = _CHANCE_SUN if sunglasses else _CHANCE
    kind = str(
        rng.choice(list(chances), p=np.array(list(chances.values())) / sum(chances.values()))
    )
    style = str(
        rng.choice(["acetate", "wire", "half", "rimless"],
                   p=[0.7, 0.3, 0, 0] if sunglasses else [0.34, 0.34, 0.18, 0.14])
    )  # fmt: skip
    if kind == "aviator":
        style = "wire"
    thick = rng.uniform(0.0012, 0.0028) if style == "acetate" else rng.uniform(0.0006, 0.0011)
    front = _front(rng, measures, kind, 1.12 if sunglasses else 1.0, thick)
    metal = style != "acetate"
    albedo, specular, roughness = _frame_material(rng, metal)
    shapes = _rims(front, style, thick) + _bridge(front, measures, style, thick)
    shapes += _temples(rng, front, measures, style, thick)
    if metal or rng.random() < 0.4:
        shapes += _nose_pads(front, measures)
    frame = joined(shapes)
    frame = frame.textured((frame.vertices[:, :2] - frame.vertices[:, :2].min(0)) / 0.16 % 1.0)
    props = [Prop.of("glasses frame", Label.GLASSES, frame, albedo, specular, roughness)]
    return props + _lenses(rng, front, sunglasses)


def _outline(kind: str) -> Array:
    """A lens's outline [RIM_POINTS,2] in halves of its size, counter-clockwise."""
    if kind in _OUTLINES:
        return spline(np.array(_OUTLINES[kind]), RIM_POINTS, loop=True)[::-1]
    angle = np.arange(RIM_POINTS) * (2 * np.pi / RIM_POINTS)
    x, y = np.cos(angle), np.sin(angle)
    power = 2 / _SQUARENESS[kind]
    outline = np.stack([np.sign(x) * np.abs(x) ** power, np.sign(y) * np.abs(y) ** power], 1)
    outline[:, 0] *= 1 + 0.06 * outline[:, 1]  # a little wider at the brow
    return outline


def _front(
    rng: np.random.Generator, measures: Measures, kind: str, larger: float, thick: float
) -> Front:
    """Place the lenses before the eyes, forward enough that nothing cuts the face."""
    pupils = measures.eyes
    apart = float(np.linalg.norm(pupils[0] - pupils[1]))
    scale = larger * apart / 0.0625  # lens sizes are for the mean distance of pupils, 62.5 mm
    (w0, w1), (h0, h1) = _SIZES[kind]
    half = scale * np.array([rng.uniform(w0, w1), rng.uniform(h0, h1)])
    gap = rng.uniform(0.016, 0.021) * scale
    nose_x = measures.points[SELLION, 0]
    # Lenses are often set a little towards the nose of the pupils' distance, or as wide as it.
    offset = np.clip(half[0] + gap / 2, 0.47 * apart, 0.56 * apart)
    middle_y = pupils[:, 1].mean() - rng.uniform(0.0, 0.006) - (half[1] - 0.017) * 0.25
    tilt, wrap = np.radians(rng.uniform(4, 11)), np.radians(rng.uniform(1, 6))
    forward = np.array([0.0, -np.sin(tilt), np.cos(tilt)])
    upward = np.array([0.0, np.cos(tilt), np.sin(tilt)])
    z = measures.corneas[:, 2].max() + rng.uniform(*VERTEX_DISTANCE)
    outline = _outline(kind) * half
    rims, middles = [], []
    for side in (1, -1):
        local = outline * (side, 1)
        local = local if side > 0 else local[::-1]
        middle = np.array([nose_x + side * offset, middle_y, z])
        across = np.array([np.cos(wrap), 0.0, -side * np.sin(wrap)])
        sag = (local**2).sum(1) / (2 * BASE_RADIUS)
        rims.append(middle + local[:, :1] * across + local[:, 1:] * upward - sag[:, None] * forward)
        middles.append(middle)
    rim = np.stack(rims)
    # Lids, cheeks and brows stay behind the rims; the nose is between them.
    behind = measures.depth_of_face(rim[..., :2]) + thick + 0.0008 - rim[..., 2]
    shift = float(np.clip(behind.max(), 0.0, 0.012))
    rim[..., 2] += shift
    return Front(rim, np.stack(middles) + np.array([0, 0, shift]), forward, upward)


def _frame_material(rng: np.random.Generator, metal: bool) -> tuple[Array, float, float]:
    """Albedo, F0 and roughness of a frame."""
    kind = rng.random()
    if metal:
        if kind < 0.35:
            return plain((0.25, 0.25, 0.26)), 0.5, 0.3  # steel
        if kind < 0.6:
            return plain((0.32, 0.2, 0.07)), 0.45, 0.3  # gold
        if kind < 0.9:
            return plain((0.015, 0.014, 0.014)), 0.1, 0.35  # black lacquer, gunmetal
        return plain(hsv(rng.random(), 0.6, 0.15)), 0.15, 0.35
    if kind < 0.45:
        return plain((0.008, 0.008, 0.009)), 0.045, rng.uniform(0.1, 0.4)
    if kind < 0.75:
        return tortoise(rng), 0.045, 0.2
    if kind < 0.9:
        return plain(hsv(rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.03, 0.4))), 0.045, 0.25
    return plain(rng.uniform(0.45, 0.75) * np.array([1.0, 0.95, 0.88])), 0.045, 0.15  # clear


def _rims(front: Front, style: str, thick: float) -> list[Shape]:
    if style == "rimless":
        return []
    shapes = []
    for rim, middle in zip(front.rims, front.middles, strict=True):
        if style == "half":
            above = (rim - middle) @ front.upward > -0.002
            start = int(np.flatnonzero(above & ~np.roll(above, 1))[0])
            path = np.roll(rim, -start, 0)[: int(above.sum())]
            shapes.append(tube(path, thick * 1.15, up=front.forward, depth=1.2))
        elif style == "acetate":
            height = (rim - middle) @ front.upward
            wide = thick * (1 + 0.35 * np.clip(height / 0.02, -1, 1))
            shapes.append(
                tube(rim, wide, up=front.forward, depth=0.0019 / thick, loop=True, square=4)
            )
        else:
            shapes.append(tube(rim, thick, up=front.forward, sides=6, loop=True))
    return shapes


def _bridge(front: Front, measures: Measures, style: str, thick: float) -> list[Shape]:
    """An arch from rim to rim, in front of the nose's bridge."""
    ends = []
    inner = [
        front.rims[0][front.rims[0][:, 0].argmin()],
        front.rims[1][front.rims[1][:, 0].argmax()],
    ]
    for rim, nose_end in zip(front.rims, inner, strict=True):
        lifted = nose_end + front.upward * 0.0035
        ends.append(rim[np.linalg.norm(rim - lifted, axis=1).argmin()])
    left, right = ends
    middle = (left + right) / 2 + front.upward * 0.003
    nose = max(measures.points[SELLION, 2], measures.depth_of_face(middle[None, :2])[0])
    middle[2] = max(middle[2] + 0.001, nose + thick + 0.001)
    lift = front.upward * 0.001
    knots = [left, 0.65 * left + 0.35 * middle + lift, middle, 0.65 * right + 0.35 * middle + lift]
    path = spline(np.stack([*knots, right]), 13)
    radius = thick * (1.3 if style == "acetate" else 1.1)
    shapes = [tube(path, radius, up=front.forward, depth=1.0 if style != "acetate" else 0.9)]
    return shapes


def _temples(
    rng: np.random.Generator, front: Front, measures: Measures, style: str, thick: float
) -> list[Shape]:
    """Arms from the outer rims over the tops of the ears and down behind them."""
    shapes = []
    lift = rng.uniform(0.2, 0.75)  # where on the rim's outer edge the hinge sits
    tall = rng.uniform(1.0, 2.4) if style == "acetate" else rng.uniform(1.0, 1.6)
    for side, rim, ear in zip((1, -1), front.rims, measures.ear_tops, strict=True):
        middle = rim.mean(0)
        top = rim[:, 1].max()
        wanted = np.array([rim[:, 0].max() if side > 0 else rim[:, 0].min(), 0.0, 0.0])
        wanted[1] = middle[1] + lift * (top - middle[1])
        start = rim[np.linalg.norm(rim[:, :2] - wanted[:2], axis=1).argmin()]
        corner = start + np.array([side * 0.0055, 0.0, -0.004])
        rest = ear + np.array([side * 0.002, 0.0035, 0.0])
        knots = np.stack([
            corner,
            corner + (rest - corner) * 0.12 + (side * 0.003, 0.0, 0.0),
            corner + (rest - corner) * 0.45 + (side * 0.004, 0.0, 0.0),
            corner + (rest - corner) * 0.8 + (side * 0.002, 0.0, 0.0),
            rest,
            rest + np.array([-side * 0.001, -0.006, -0.012]),
            rest + np.array([-side * 0.004, -0.026, -0.021]),
        ])  # fmt: skip
        arm = spline(knots, 30)
        arm[2:] = measures.pushed_out(arm[2:], 0.0012 + thick)
        arm = np.concatenate([[start, (start + corner) / 2 + (side * 0.0012, 0, 0.001)], arm])
        radius = np.full(len(arm), max(thick, 0.0008))
        depth = tall * (0.9 if style == "acetate" else 1.2)
        shapes.append(tube(arm, radius, up=front.upward, depth=depth, square=3))
    return shapes


def _nose_pads(front: Front, measures: Measures) -> list[Shape]:
    """Two small pads on the flanks of the nose, each on a bent wire."""
    shapes = []
    nose = measures.points[BRIDGE]
    for side, rim in zip((1, -1), front.rims, strict=True):
        inner = rim[(rim[:, 0] * side).argmin()]
        pad = np.array([nose[0] + side * 0.0085, inner[1] - 0.003, 0.0])
        pad[2] = float(measures.depth_of_face(pad[None, :2])[0]) + 0.0008
        pad[2] = min(pad[2], inner[2] - 0.001)
        turn = np.radians(35) * side
        axes = np.array([
            [np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]
        ])  # fmt: skip
        shapes.append(ellipsoid(pad, (0.0026, 0.0058, 0.0011), axes, sides=10))
        wire = spline(np.stack([inner, (inner + pad) / 2 + (0, 0.002, -0.001), pad]), 7)
        shapes.append(tube(wire, 0.0005, up=(0.0, 1.0, 0.1), sides=5))
    return shapes


def _lenses(rng: np.random.Generator, front: Front, sunglasses: bool) -> list[Prop]:
    """Thin shells bent like a lens, with what they mirror."""
    if sunglasses:
        opacity = rng.uniform(0.6, 0.95)
        tint = hsv(rng.choice([0.08, 0.1, 0.3, 0.6]), rng.uniform(0, 0.6), rng.uniform(0.004, 0.03))
        strength = rng.choice([0.05, 0.15, 0.4]) * rng.uniform(0.5, 1.5)
    else:
        tinted = rng.random() < 0.08
        opacity = rng.uniform(0.15, 0.5) if tinted else rng.uniform(0.02, 0.07)
        tint = hsv(rng.random(), 0.3, 0.08) if tinted else np.array([0.1, 0.105, 0.1])
        strength = rng.choice([0.0, 0.04, 0.12, 0.5], p=[0.3, 0.4, 0.22, 0.08])
    picture = draw_reflection(rng, float(strength) * rng.uniform(0.6, 1.4))
    props = []
    for name, rim in zip(("left lens", "right lens"), front.rims, strict=True):
        middle = rim.mean(0)
        share = np.linspace(0, 1, 7)[:, None, None]
        loop = np.concatenate([rim, rim[:1]])
        rings = middle + share * (loop - middle)[None]
        bulge = (((loop - middle) ** 2).sum(1) / (2 * BASE_RADIUS))[None, :, None]
        rings = rings + (1 - share**2) * bulge * front.forward
        shape = sheet(rings).facing_from(middle - 0.1 * front.forward)
        low, high = loop[:, :2].min(0), loop[:, :2].max(0)
        uv = (shape.vertices[:, :2] - low) / (high - low)
        shape = shape.textured(np.stack([uv[:, 0], 1 - uv[:, 1]], 1))
        props.append(
            Prop.of(
                name,
                Label.GLASSES, shape, plain(tint), 0.04, 0.08,
                opacity=float(opacity), two_sided=True, reflection=picture,
            )
        )  # fmt: skip
    return props
