"""Hands at the face."""

from __future__ import annotations

import numpy as np

from fitme.models.train.photos import fabric
from fitme.models.train.photos.hands import PALM, POSES, forearm, hand_mesh, loosened
from fitme.models.train.photos.measures import CHIN, FOREHEAD, NOSE_TIP, UPPER_LIP, Measures
from fitme.models.train.photos.prop import Array, Prop
from fitme.models.train.photos.shapes import (
    Shape,
    frame,
    unit,
)
from fitme.segment.labels import Label

Rng = np.random.Generator
PRESSED = 0.002  # metres that a touching hand sinks into the soft face


def held_prop(
    name: str, shape: Shape, albedo: Array, specular: float = 0.04, roughness: float = 0.5
) -> Prop:
    """A prop labelled as things before the face are."""
    return Prop.of(name, Label.OTHER, shape, albedo, specular, roughness)


def grip(fingers: Array, palm: Array) -> Array:
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
    axes = grip(np.asarray(fingers) + jitter, palm)
    mesh = hand_mesh(joints, left=left, size=size)
    local = spot * (np.array([-1.0, 1, 1]) if left else 1.0) * size
    wrist = touch - axes @ local
    placed = mesh.turned(axes, wrist)
    back = unit(-axes[:, 2] if away is None else np.asarray(away, float))
    shift = 0.0
    few = placed.vertices[:: max(len(placed.vertices) // 600, 1)]
    for _ in range(5):
        shift += gap - _robust_least(measures.distance(few + shift * back))
    placed = Shape(placed.vertices + shift * back, placed.triangles, placed.uv)
    arm = forearm(joints.wrist, 0.3, size).turned(axes, wrist + shift * back)
    skin = fabric.skin_texture(rng, skin_rgb * rng.uniform(0.9, 1.08))
    props = [held_prop("hand", placed, skin, 0.03, 0.5)]
    if rng.random() < 0.6:  # a sleeve from somewhere on the forearm
        start = rng.uniform(0.02, 0.12)
        sleeve = _sleeve(arm, start / 0.3)
        cloth = fabric.cloth(rng, "suit")
        props.append(Prop.of("sleeve", Label.CLOTHES, sleeve, cloth, 0.03, 0.8, two_sided=True))
    props.append(held_prop("arm", arm, skin, 0.03, 0.5))
    return props


def _robust_least(values: Array) -> float:
    """The third smallest: a vertex or two inside do not matter."""
    return float(np.partition(values, 2)[2])


def _sleeve(arm: Shape, start: float) -> Shape:
    """The arm's mesh from a share of its length on, grown by some millimetres."""
    keep = arm.uv[:, 1] >= start
    wide = arm.vertices + 0.006 * arm.normals
    triangles = arm.triangles[keep[arm.triangles].all(1)]
    used, index = np.unique(triangles, return_inverse=True)
    return Shape(wide[used], index.reshape(-1, 3), arm.uv[used])


def which_side(rng: Rng) -> tuple[bool, int]:
    """Which hand (True is the left) and the sign of x on its side."""
    left = bool(rng.random() < 0.5)
    return left, 1 if left else -1


def at_chin(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """The chin on a fist or on bent fingers."""
    left, side = which_side(rng)
    pose = str(rng.choice(["fist", "fist", "cupped", "relaxed"]))
    touch = measures.points[CHIN] + (side * rng.uniform(-0.01, 0.03), -0.012, -0.005)
    return _hand(
        rng, measures, skin, pose, left=left,
        fingers=(-0.35 * side, 1.0, 0.05), palm=(-0.25 * side, 0.15, -1.0),
        touch=touch, spot=np.array([-0.01, 0.095, 0.01]), away=np.array([0.0, -0.75, 0.65]),
    )  # fmt: skip


def at_cheek(rng: Rng, measures: Measures, skin: Array, side: int | None = None) -> list[Prop]:
    """The cheek in an open or half-closed hand."""
    left, drawn = which_side(rng)
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


def both_cheeks(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    return at_cheek(rng, measures, skin, 1) + at_cheek(rng, measures, skin, -1)


def finger(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A finger or two at the lips, the chin, the cheek or the temple."""
    left, side = which_side(rng)
    index = [UPPER_LIP, CHIN, 425 if side > 0 else 205, 356 if side > 0 else 127][rng.integers(4)]
    touch = measures.points[index] + (0, 0, 0.004)
    pose = "point" if rng.random() < 0.7 else "two fingers"
    out = unit(measures.points[index] - measures.centre)
    return _hand(
        rng, measures, skin, pose, left=left, fingers=(-0.45 * side, 1.0, -0.35),
        palm=(-0.5 * side, 0.0, -1.0), touch=touch, spot=np.array([-0.028, 0.165, 0.01]),
        away=unit(out + np.array([0.3 * side, -0.3, 0.5])), slack=0.06,
    )  # fmt: skip


def over_mouth(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A hand that covers the mouth."""
    left, side = which_side(rng)
    touch = measures.points[UPPER_LIP] + (0, -0.008, 0.006)
    along = rng.uniform(0.1, 1.1)
    return _hand(
        rng, measures, skin, str(rng.choice(["flat", "cupped", "relaxed"])), left=left,
        fingers=(-1.0 * side, along, -0.2), palm=(0.0, 0.05, -1.0), touch=touch,
        spot=np.array([0.0, 0.1, 0.012]), away=np.array([0.15 * side, -0.1, 1.0]),
    )  # fmt: skip


def at_forehead(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A hand on the forehead, over the brow, or over the eyes."""
    left, side = which_side(rng)
    low = rng.choice([0.0, 0.0, 0.045])
    touch = measures.points[FOREHEAD] + (side * 0.015, -0.02 - low, 0.004)
    return _hand(
        rng, measures, skin, str(rng.choice(["flat", "relaxed", "spread"])), left=left,
        fingers=(-0.9 * side, rng.uniform(0.1, 0.9), -0.3), palm=(-0.15 * side, -0.1, -1.0),
        touch=touch, spot=np.array([0.0, 0.12, 0.012]), away=np.array([0.25 * side, 0.1, 1.0]),
    )  # fmt: skip


def in_hair(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A hand at the side or on the top of the head."""
    left, side = which_side(rng)
    azimuth, elevation = side * rng.uniform(0.5, 1.5), rng.uniform(0.2, 0.9)
    touch = measures.surface(np.array([azimuth]), np.array([elevation]), 0.004)[0]
    out = unit(touch - measures.centre)
    tangent = unit(np.array([-0.35 * side, 1.0, -0.35]) - out * out[1])
    return _hand(
        rng, measures, skin, str(rng.choice(["spread", "relaxed", "flat"])), left=left,
        fingers=tangent, palm=-out, touch=touch, spot=np.array([0.0, 0.1, 0.012]), away=out,
        gap=rng.uniform(-0.002, 0.015),
    )  # fmt: skip


def before(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A hand that waves, points or hides, some centimetres before the face."""
    left, side = which_side(rng)
    touch = measures.points[NOSE_TIP] + (
        side * rng.uniform(0.0, 0.12), rng.uniform(-0.1, 0.06), rng.uniform(0.04, 0.2),
    )  # fmt: skip
    joints = str(rng.choice(list(POSES)))
    palm = unit(rng.normal(0, 0.4, 3) + np.array([0, 0, rng.choice([-1.0, 1.0])]))
    return _hand(
        rng, measures, skin, joints, left=left, fingers=(-0.5 * side, 1.0, rng.normal(0, 0.3)),
        palm=palm, touch=touch, away=np.array([0.0, 0.0, 1.0]), gap=rng.uniform(0.02, 0.08),
    )  # fmt: skip
