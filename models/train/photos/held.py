"""Hands at the face, and what people hold before it: microphones, phones, cups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fitme.head.model import HeadModel
from fitme.models.train.photos import fabric
from fitme.models.train.photos.hands import PALM, POSES, forearm, hand_mesh, loosened
from fitme.models.train.photos.measures import CHIN, FOREHEAD, NOSE_TIP, UPPER_LIP, Measures
from fitme.models.train.photos.prop import Array, Prop, plain
from fitme.models.train.photos.shapes import (
    Shape,
    ellipsoid,
    frame,
    joined,
    rounded_box,
    tube,
    turned_profile,
    unit,
)
from fitme.segment.labels import Label

Rng = np.random.Generator
PRESSED = 0.002  # metres that a touching hand sinks into the soft face

# How often, among photos with something held; set by eye.
CHANCE = {
    "chin": 0.14, "cheek": 0.12, "finger": 0.1, "mouth": 0.08, "forehead": 0.06, "hair": 0.07,
    "both cheeks": 0.05, "before the face": 0.06, "microphone": 0.17, "held microphone": 0.08,
    "phone": 0.04, "cup": 0.03,
}  # fmt: skip


def draw_held(
    rng: Rng,
    head: HeadModel,
    vertices: Array,
    skin_rgb: Array,
    *,
    kind: str | None = None,
    measures: Measures | None = None,
) -> list[Prop]:
    """Something held at vertices [V,3] of a head, metres, by hands of the linear colour skin_rgb
    [3]; kind: a key of CHANCE, None draws one. `measures` are the head's, if already taken."""
    measures = measures or Measures.of(head, vertices)
    if kind is None:
        kind = str(rng.choice(list(CHANCE), p=np.array(list(CHANCE.values()))))
    return _KINDS[kind](rng, measures, np.asarray(skin_rgb))


@dataclass(frozen=True)
class Grip:
    """Where a hand is: its axes in the head's frame and the wrist's place."""

    axes: Array  # [3,3] in columns: across, along the fingers, out of the palm
    wrist: Array  # [3]


def _prop(
    name: str, shape: Shape, albedo: Array, specular: float = 0.04, roughness: float = 0.5
) -> Prop:
    uv = 1 - np.abs(1 - shape.uv % 2)
    return Prop(
        name, Label.OTHER, shape.vertices.astype(np.float32), shape.triangles.astype(np.int32),
        uv.astype(np.float32), albedo, specular, roughness,
    )  # fmt: skip


def _grip(fingers: Array, palm: Array) -> Array:
    """Axes in columns from where the fingers point and what the palm faces."""
    return frame(np.asarray(fingers, float), np.asarray(palm, float))


def _hand(
    rng: Rng,
    measures: Measures,
    skin_rgb: Array,
    pose: str,
    *,
    left: bool,
    fingers: Array | tuple[float, float, float],
    palm: Array | tuple[float, float, float],
    touch: Array,
    spot: Array = PALM,
    away: Array | None = None,
    gap: float = -PRESSED,
    slack: float = 0.1,
) -> list[Prop]:
    """A hand whose `spot` (in its own frame) is at `touch` [3], then moved along `away` [3] (out of
    the palm's back by default) until it lies just `gap` metres outside of the face."""
    joints = loosened(rng, POSES[pose], slack)
    size = rng.uniform(0.92, 1.08)
    jitter = rng.normal(0, 0.09, 3)
    axes = _grip(np.asarray(fingers) + jitter, palm)
    mesh = hand_mesh(joints, left=left, size=size)
    local = spot * (np.array([-1.0, 1, 1]) if left else 1.0) * size
    wrist = touch - axes @ local
    placed = mesh.turned(axes, wrist)
    back = unit(-axes[:, 2] if away is None else np.asarray(away, float))
    shift = 0.0
    for _ in range(4):
        clear = float(_robust_least(measures.clearance(placed.vertices + shift * back, True)))
        shift += gap - clear
    placed = Shape(placed.vertices + shift * back, placed.triangles, placed.uv)
    arm = forearm(joints.wrist, 0.3, size).turned(axes, wrist + shift * back)
    skin = fabric.skin_texture(rng, skin_rgb * rng.uniform(0.9, 1.08))
    props = [_prop("hand", placed, skin, 0.03, 0.5)]
    if rng.random() < 0.6:  # a sleeve from somewhere on the forearm
        start = rng.uniform(0.02, 0.12)
        sleeve = _sleeve(arm, start / 0.3)
        props.append(
            Prop(
                "sleeve", Label.CLOTHES, sleeve.vertices.astype(np.float32),
                sleeve.triangles.astype(np.int32), np.clip(sleeve.uv, 0, 1).astype(np.float32),
                fabric.cloth(rng, "suit"), 0.03, 0.8, two_sided=True,
            )
        )  # fmt: skip
    props.append(_prop("arm", arm, skin, 0.03, 0.5))
    return props


def _robust_least(values: Array) -> float:
    """The 12th smallest: a few vertices inside do not matter."""
    return float(np.partition(values, 12)[12])


def _sleeve(arm: Shape, start: float) -> Shape:
    """The arm's mesh from a share of its length on, grown by some millimetres."""
    keep = arm.uv[:, 1] >= start
    wide = arm.vertices + 0.006 * arm.normals
    triangles = arm.triangles[keep[arm.triangles].all(1)]
    used, index = np.unique(triangles, return_inverse=True)
    return Shape(wide[used], index.reshape(-1, 3), arm.uv[used])


def _side(rng: Rng) -> tuple[bool, int]:
    """Which hand (True is the left) and the sign of x on its side."""
    left = bool(rng.random() < 0.5)
    return left, 1 if left else -1


def _at_chin(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """The chin on a fist or on bent fingers."""
    left, side = _side(rng)
    pose = str(rng.choice(["fist", "fist", "cupped", "relaxed"]))
    touch = measures.points[CHIN] + (side * rng.uniform(-0.01, 0.03), -0.012, -0.005)
    return _hand(
        rng, measures, skin, pose, left=left,
        fingers=(-0.35 * side, 1.0, 0.05), palm=(-0.25 * side, 0.15, -1.0),
        touch=touch, spot=np.array([-0.01, 0.095, 0.01]), away=np.array([0.0, -0.75, 0.65]),
    )  # fmt: skip


def _at_cheek(rng: Rng, measures: Measures, skin: Array, side: int | None = None) -> list[Prop]:
    """The cheek in an open or half-closed hand."""
    left, drawn = _side(rng)
    if side is not None:
        left, drawn = side > 0, side
    pose = str(rng.choice(["flat", "cupped", "fist", "relaxed"]))
    cheek = measures.points[425 if drawn > 0 else 205]
    ear = measures.ears[0 if drawn > 0 else 1]
    touch = cheek * 0.5 + ear * 0.5 + (0, -0.02, 0)
    return _hand(
        rng, measures, skin, pose, left=left,
        fingers=(-0.1 * drawn, 1.0, -0.25 + rng.uniform(-0.4, 0.3)),
        palm=(-0.9 * drawn, 0.1, -0.45), touch=touch, away=np.array([drawn * 0.85, -0.35, 0.4]),
    )  # fmt: skip


def _both_cheeks(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    return _at_cheek(rng, measures, skin, 1) + _at_cheek(rng, measures, skin, -1)


def _finger(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A finger or two at the lips, the chin, the cheek or the temple."""
    left, side = _side(rng)
    index = [UPPER_LIP, CHIN, 425 if side > 0 else 205, 356 if side > 0 else 127][rng.integers(4)]
    touch = measures.points[index] + (0, 0, 0.004)
    pose = "point" if rng.random() < 0.7 else "two fingers"
    out = unit(measures.points[index] - measures.centre)
    return _hand(
        rng, measures, skin, pose, left=left, fingers=(-0.45 * side, 1.0, -0.35),
        palm=(-0.5 * side, 0.0, -1.0), touch=touch, spot=np.array([-0.028, 0.165, 0.01]),
        away=unit((*out, 0.3 * side, -0.3, 0.5)), slack=0.06,
    )  # fmt: skip


def _over_mouth(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A hand that covers the mouth."""
    left, side = _side(rng)
    touch = measures.points[UPPER_LIP] + (0, -0.008, 0.006)
    along = rng.uniform(0.1, 1.1)
    return _hand(
        rng, measures, skin, str(rng.choice(["flat", "cupped", "relaxed"])), left=left,
        fingers=(-1.0 * side, along, -0.2), palm=(0.0, 0.05, -1.0), touch=touch,
        spot=np.array([0.0, 0.1, 0.012]), away=np.array([0.15 * side, -0.1, 1.0]),
    )  # fmt: skip


def _at_forehead(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A hand on the forehead, over the brow, or over the eyes."""
    left, side = _side(rng)
    low = rng.choice([0.0, 0.0, 0.045])
    touch = measures.points[FOREHEAD] + (side * 0.015, -0.02 - low, 0.004)
    return _hand(
        rng, measures, skin, str(rng.choice(["flat", "relaxed", "spread"])), left=left,
        fingers=(-0.9 * side, rng.uniform(0.1, 0.9), -0.3), palm=(-0.15 * side, -0.1, -1.0),
        touch=touch, spot=np.array([0.0, 0.12, 0.012]), away=np.array([0.25 * side, 0.1, 1.0]),
    )  # fmt: skip


def _in_hair(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A hand at the side or on the top of the head."""
    left, side = _side(rng)
    azimuth, elevation = side * rng.uniform(0.5, 1.5), rng.uniform(0.2, 0.9)
    touch = measures.surface(np.array([azimuth]), np.array([elevation]), 0.004)[0]
    out = unit(touch - measures.centre)
    tangent = unit(np.array([-0.35 * side, 1.0, -0.35]) - out * out[1])
    return _hand(
        rng, measures, skin, str(rng.choice(["spread", "relaxed", "flat"])), left=left,
        fingers=tangent, palm=-out, touch=touch, spot=np.array([0.0, 0.1, 0.012]), away=out,
        gap=rng.uniform(-0.002, 0.015),
    )  # fmt: skip


def _before(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A hand that waves, points or hides, some centimetres before the face."""
    left, side = _side(rng)
    touch = measures.points[NOSE_TIP] + (
        side * rng.uniform(0.0, 0.12), rng.uniform(-0.1, 0.06), rng.uniform(0.04, 0.2),
    )  # fmt: skip
    joints = str(rng.choice(list(POSES)))
    palm = unit((*rng.normal(0, 0.4, 3), 0, 0, rng.choice([-1.0, 1.0])))
    return _hand(
        rng, measures, skin, joints, left=left, fingers=(-0.5 * side, 1.0, rng.normal(0, 0.3)),
        palm=palm, touch=touch, away=np.array([0.0, 0.0, 1.0]), gap=rng.uniform(0.02, 0.08),
    )  # fmt: skip


def _mesh_of_grille(rng: Rng) -> Array:
    """Wire mesh or foam, [64,64,3]."""
    step = np.arange(64)
    wires = 0.4 + 0.6 * ((step[:, None] % 4 < 2) ^ (step[None] % 4 < 2))
    tone = rng.choice([0.03, 0.03, 0.25])
    return np.clip(wires[..., None] * np.full(3, tone), 0.004, 0.9).astype(np.float32)


def _microphone_shape(rng: Rng, tip: Array, axis: Array) -> list[Prop]:
    """A microphone whose head is at `tip` and whose body runs along `axis` [3], away from it."""
    black = plain(np.full(3, rng.uniform(0.008, 0.03)))
    along = unit(axis)
    if rng.random() < 0.5:  # for singers and interviews: a ball and a tapered body
        ball = rng.uniform(0.021, 0.027)
        head = ellipsoid(tip + ball * along, (ball, ball * 1.1, ball), frame(along), sides=20)
        body = turned_profile(
            np.array([ball * 0.8, ball * 0.85, 0.017, 0.0125, 0.0115, 0.0]),
            np.array([1.6, 1.85, 2.0, 4.2, 8.2, 8.2]) * ball, tip, along,
        )  # fmt: skip
        props = [
            _prop("microphone head", head.textured(head.uv * 1.0), _mesh_of_grille(rng), 0.1, 0.5),
            _prop("microphone", body, black, 0.05, 0.4),
        ]
        if rng.random() < 0.35:  # a station's cube
            box = rounded_box(tip + 3.2 * ball * along, (0.032, 0.022, 0.032), frame(along), 9.0)
            props.append(_prop("station cube", box, fabric.cloth(rng, "wrap"), 0.045, 0.3))
        return props
    foam = rng.uniform(0.012, 0.03)  # foam over a slim microphone on a gooseneck
    head = ellipsoid(tip + foam * 1.6 * along, (foam, foam * 1.6, foam), frame(along), sides=20)
    return [_prop("microphone foam", head, plain(np.full(3, rng.uniform(0.006, 0.02))), 0.02, 0.95)]


def _microphone(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """One to three microphones on stands or goosenecks below or beside the mouth."""
    props: list[Prop] = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.7, 0.22, 0.08]))):
        side = rng.normal(0, 0.5)
        axis = unit(np.array([side, -rng.uniform(0.5, 1.4), rng.uniform(0.3, 1.0)]))
        tip = measures.points[UPPER_LIP] + axis * rng.uniform(0.03, 0.14) + (0, -0.01, 0.01)
        props += _microphone_shape(rng, tip, axis)
        start = tip + axis * 0.02
        foot = np.array([start[0] + side * 0.2 + rng.normal(0, 0.06), measures.centre[1] - 0.6,
                         start[2] + 0.25])  # fmt: skip
        share = np.linspace(0, 1, 24)[:, None]
        knee = start + axis * 0.22
        path = (1 - share) ** 2 * start + 2 * share * (1 - share) * knee + share**2 * foot
        radius = rng.uniform(0.003, 0.009)
        props.append(
            _prop("stand", tube(path, radius, up=(1.0, 0.0, 0.1)), plain((0.015, 0.015, 0.016)))
        )
    return props


def _gripped(
    rng: Rng, measures: Measures, skin: Array, at: Array, axis: Array, radius: float, left: bool
) -> list[Prop]:
    """A hand around a rod of `radius` metres through `at` along `axis`, fingers before it."""
    side = 1 if left else -1
    inward = unit(np.array([-0.5 * side, 0.1, -1.0]))  # what the palm faces
    across = unit(np.cross(axis, inward)) * side
    joints = loosened(rng, POSES["grip"], 0.05)
    mesh = hand_mesh(joints, left=left)
    axes = _grip(-across if float(across[0] * side) > 0 else across, inward)
    local = np.array([0.0, 0.082, 0.011 + radius])
    wrist = at - axes @ local
    texture = fabric.skin_texture(rng, skin * rng.uniform(0.9, 1.08))
    arm = forearm(rng.uniform(0.2, 0.7), 0.3)
    down = _arm_axes(axes)
    return [
        _prop("hand", mesh.turned(axes, wrist), texture, 0.03, 0.5),
        _prop("arm", arm.turned(down, wrist), texture, 0.03, 0.5),
    ]


def _arm_axes(axes: Array) -> Array:
    """Axes of the forearm of a gripping hand: it comes from below."""
    return frame(unit(axes[:, 1] + (0.0, 0.9, -0.3)), axes[:, 2])


def _held_microphone(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    left, side = _side(rng)
    axis = unit(np.array([side * rng.uniform(0.1, 0.5), -1.0, rng.uniform(0.3, 0.8)]))
    tip = measures.points[UPPER_LIP] + axis * rng.uniform(0.015, 0.05) + (0, -0.005, 0.008)
    ball = 0.024
    head = ellipsoid(tip + ball * axis, (ball, ball * 1.1, ball), frame(axis), sides=20)
    body = turned_profile(
        np.array([0.019, 0.02, 0.015, 0.0125, 0.0]), np.array([0.038, 0.045, 0.06, 0.2, 0.2]),
        tip, axis,
    )  # fmt: skip
    black = plain(np.full(3, rng.uniform(0.008, 0.03)))
    return [
        _prop("microphone head", head, _mesh_of_grille(rng), 0.1, 0.5),
        _prop("microphone", body, black, 0.05, 0.4),
        *_gripped(rng, measures, skin, tip + 0.115 * axis, axis, 0.014, left),
    ]


def _phone(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A phone at the ear, or before the face as for a picture in a mirror."""
    left, side = _side(rng)
    tone = plain(fabric.color(rng, 0.6))
    if rng.random() < 0.65:
        ear = measures.ears[0 if side > 0 else 1]
        mouth = measures.points[UPPER_LIP]
        down = unit((mouth - ear) * (0.35, 1.0, 0.8) + (0, -0.03, 0))
        out = unit(np.array([side * 1.0, -0.1, 0.25]))
        axes = frame(-down, out)
        at = ear + 0.045 * down + 0.03 * out
    else:
        axes = frame(np.array([rng.normal(0, 0.15), 1.0, 0.1]), (0.0, 0.0, 1.0))
        at = measures.points[NOSE_TIP] + (side * 0.05, rng.uniform(-0.09, 0), rng.uniform(0.1, 0.2))
        out = axes[:, 2]
    body = rounded_box(at, (0.036, 0.074, 0.0045), axes, square=10.0)
    fingers = unit(axes[:, 1] * 0.8 - axes[:, 0] * side * 0.5)
    joints = loosened(rng, POSES["cupped"], 0.06)
    mesh = hand_mesh(joints, left=left)
    hand_axes = _grip(fingers, -out)
    local = (*PALM, 0, 0.012, 0.004)
    wrist = at + 0.005 * out - hand_axes @ local
    texture = fabric.skin_texture(rng, skin)
    arm = forearm(rng.uniform(0, 0.4), 0.3)
    return [
        _prop("phone", body, tone, 0.045, 0.15),
        _prop("hand", mesh.turned(hand_axes, wrist), texture, 0.03, 0.5),
        _prop("arm", arm.turned(frame(unit(hand_axes[:, 1] + (0, 0.8, 0)), -out), wrist), texture),
    ]


def _cup(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A cup or a glass at the mouth, and the hand that holds it."""
    left, side = _side(rng)
    up = unit(np.array([side * -0.1, 1.0, -rng.uniform(0.1, 0.7)]))
    wide, tall = rng.uniform(0.033, 0.043), rng.uniform(0.085, 0.12)
    lip = measures.points[14] + (0, 0.0, 0.002)
    forward = frame(up)[:, 2]
    top = lip + forward * (wide + 0.001)
    profile = np.array([0.0, 0.78, 0.8, 1.0, 0.94, 0.74, 0.0]) * wide
    height = np.array([-1.0, -1.0, -0.98, 0.0, 0.0, -0.93, -0.93]) * tall
    shape = turned_profile(profile, height, top, up, 28)
    texture = plain(fabric.color(rng, 0.15)) if rng.random() < 0.6 else fabric.cloth(rng, "wrap")
    hand = _gripped(rng, measures, skin, top - up * tall * 0.55, -up, wide * 0.9, left)
    return [_prop("cup", joined([shape]), texture, 0.045, 0.2), *hand]


_KINDS: dict[str, Callable[[Rng, Measures, Array], list[Prop]]] = {
    "chin": _at_chin,
    "cheek": _at_cheek,
    "finger": _finger,
    "mouth": _over_mouth,
    "forehead": _at_forehead,
    "hair": _in_hair,
    "both cheeks": _both_cheeks,
    "before the face": _before,
    "microphone": _microphone,
    "held microphone": _held_microphone,
    "phone": _phone,
    "cup": _cup,
}
