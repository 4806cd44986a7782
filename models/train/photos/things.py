"""What people hold before the face: microphones, phones, cups."""

from __future__ import annotations

import numpy as np

from fitme.models.train.photos import fabric
from fitme.models.train.photos.gestures import grip, held_prop, which_side
from fitme.models.train.photos.hands import PALM, POSES, forearm, hand_mesh, loosened
from fitme.models.train.photos.measures import NOSE_TIP, UPPER_LIP, Measures
from fitme.models.train.photos.prop import Array, Prop, plain
from fitme.models.train.photos.shapes import (
    ellipsoid,
    frame,
    joined,
    rounded_box,
    tube,
    turned_profile,
    unit,
)

Rng = np.random.Generator


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
            held_prop(
                "microphone head", head.textured(head.uv * 1.0), _mesh_of_grille(rng), 0.1, 0.5
            ),
            held_prop("microphone", body, black, 0.05, 0.4),
        ]
        if rng.random() < 0.35:  # a station's cube
            box = rounded_box(tip + 3.2 * ball * along, (0.032, 0.022, 0.032), frame(along), 9.0)
            props.append(held_prop("station cube", box, fabric.cloth(rng, "wrap"), 0.045, 0.3))
        return props
    foam = rng.uniform(0.012, 0.03)  # foam over a slim microphone on a gooseneck
    head = ellipsoid(tip + foam * 1.6 * along, (foam, foam * 1.6, foam), frame(along), sides=20)
    return [
        held_prop("microphone foam", head, plain(np.full(3, rng.uniform(0.006, 0.02))), 0.02, 0.95)
    ]


def microphone(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
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
            held_prop("stand", tube(path, radius, up=(1.0, 0.0, 0.1)), plain((0.015, 0.015, 0.016)))
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
    axes = grip(-across if float(across[0] * side) > 0 else across, inward)
    local = np.array([0.0, 0.082, 0.011 + radius])
    wrist = at - axes @ local
    texture = fabric.skin_texture(rng, skin * rng.uniform(0.9, 1.08))
    arm = forearm(rng.uniform(0.2, 0.7), 0.3)
    down = _arm_axes(axes)
    return [
        held_prop("hand", mesh.turned(axes, wrist), texture, 0.03, 0.5),
        held_prop("arm", arm.turned(down, wrist), texture, 0.03, 0.5),
    ]


def _arm_axes(axes: Array) -> Array:
    """Axes of the forearm of a gripping hand: it comes from below."""
    return frame(unit(axes[:, 1] + (0.0, 0.9, -0.3)), axes[:, 2])


def held_microphone(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    left, side = which_side(rng)
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
        held_prop("microphone head", head, _mesh_of_grille(rng), 0.1, 0.5),
        held_prop("microphone", body, black, 0.05, 0.4),
        *_gripped(rng, measures, skin, tip + 0.115 * axis, axis, 0.014, left),
    ]


def phone(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A phone at the ear, or before the face as for a picture in a mirror."""
    left, side = which_side(rng)
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
    hand_axes = grip(fingers, -out)
    local = PALM + np.array([0, 0.012, 0.004])
    wrist = at + 0.005 * out - hand_axes @ local
    texture = fabric.skin_texture(rng, skin)
    arm = forearm(rng.uniform(0, 0.4), 0.3)
    return [
        held_prop("phone", body, tone, 0.045, 0.15),
        held_prop("hand", mesh.turned(hand_axes, wrist), texture, 0.03, 0.5),
        held_prop(
            "arm", arm.turned(frame(unit(hand_axes[:, 1] + (0, 0.8, 0)), -out), wrist), texture
        ),
    ]


def cup(rng: Rng, measures: Measures, skin: Array) -> list[Prop]:
    """A cup or a glass at the mouth, and the hand that holds it."""
    left, side = which_side(rng)
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
    return [held_prop("cup", joined([shape]), texture, 0.045, 0.2), *hand]
