"""Masks over mouth and nose, and strips of veil or cloth across the face."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, grey_closing

from fitme.head.model import HeadModel
from fitme.models.train.photos import fabric
from fitme.models.train.photos.kinds import draw_kind
from fitme.models.train.photos.measures import CHIN, SELLION, Measures
from fitme.models.train.photos.prop import Array, Prop
from fitme.models.train.photos.shapes import Shape, sheet, spline, tube
from fitme.segment.labels import Label

Rng = np.random.Generator
COLUMNS, ROWS = 41, 25
CHANCE = {"surgical": 0.4, "cloth": 0.3, "respirator": 0.12, "strip": 0.18}


def draw_mask(
    rng: Rng,
    head: HeadModel,
    vertices: Array,
    *,
    kind: str | None = None,
    measures: Measures | None = None,
) -> list[Prop]:
    """One mask on vertices [V,3] of a head, metres; kind: a key of CHANCE, None draws one.
    `measures` are the head's, if already taken."""
    measures = measures or Measures.of(head, vertices)
    kind = draw_kind(rng, CHANCE, kind)
    return _strip(rng, measures) if kind == "strip" else _mask(rng, measures, kind)


def _prop(name: str, shape: Shape, albedo: Array, label: Label = Label.OTHER) -> Prop:
    return Prop.of(name, label, shape, albedo, 0.025, 0.85, two_sided=True)


def _grid(measures: Measures, top: Array, bottom: Array, wide: float) -> tuple[Array, Array]:
    """Angles [COLUMNS] about the vertical through the head and the places [ROWS,COLUMNS,3] of the
    face's skin between heights `top` and `bottom` [COLUMNS]."""
    middle = np.array([measures.centre[0], 0.0, measures.points[CHIN, 2] - 0.075])
    angle = np.linspace(wide, -wide, COLUMNS)
    share = np.linspace(0, 1, ROWS)[:, None]
    height = top + share * (bottom - top)
    skin = measures.face - middle
    turn = np.arctan2(skin[:, 0], skin[:, 2])
    reach = np.hypot(skin[:, 0], skin[:, 2])
    near = (np.abs(turn) < wide + 0.2) & (skin[:, 1] < measures.points[SELLION, 1] + 0.02)
    near &= skin[:, 1] > measures.points[CHIN, 1] - 0.03
    from scipy.spatial import cKDTree

    tree = cKDTree(np.stack([turn[near] * 0.075, skin[near, 1]], 1))
    at = np.stack(np.broadcast_arrays(angle * 0.075, height), -1)
    _, index = tree.query(at, k=4)
    radius = reach[near][index].max(-1)
    way = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], -1)
    points = middle + radius[..., None] * way
    points[..., 1] = height
    return np.asarray(radius), points


def _mask(rng: Rng, measures: Measures, kind: str) -> list[Prop]:
    nose = measures.points[SELLION, 1]
    wide = rng.uniform(0.95, 1.15)
    angle = np.linspace(wide, -wide, COLUMNS)
    at = np.abs(angle) / wide
    top = nose - rng.uniform(0.012, 0.026) - (0.030 + 0.008 * rng.random()) * at**1.3
    chin = measures.points[CHIN, 1]
    bottom = chin - 0.006 + (0.026 + 0.01 * rng.random()) * at**1.6
    slip = rng.random() < 0.12  # worn below the nose
    if slip:
        top = top - 0.04 * (1 - at**2)
    radius, points = _grid(measures, top, bottom, wide)
    smooth = gaussian_filter(grey_closing(radius, (11, 9), mode="nearest"), 1.6, mode="nearest")
    share = np.linspace(0, 1, ROWS)[:, None]
    inside = np.sin(np.pi * np.clip(share, 0, 1)) * (1 - at**2)
    bulge = {"surgical": 0.004, "cloth": 0.007, "respirator": 0.016}[kind]
    offset = np.maximum(smooth, radius + 0.0005) - radius + 0.0025 + bulge * inside
    if kind == "surgical":
        offset = offset + 0.0022 * np.abs(np.sin(np.pi * share * 3.5)) * (1 - at**4)
    way = points - (measures.centre * (1, 0, 0) + (0, 0, measures.points[CHIN, 2] - 0.075))
    way[..., 1] = 0
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    grid = points + offset[..., None] * way
    shape = sheet(grid).facing_from(measures.centre)
    mask = shape.textured(shape.uv * (0.35, 0.35))
    props = [_prop(f"{kind} mask", mask, _mask_texture(rng, kind))]
    cord = fabric.finished(np.full((1, 1, 3), 0.6 if rng.random() < 0.7 else 0.02))
    for column, side in ((0, 1), (-1, -1)):
        ear = measures.ears[0 if side > 0 else 1]
        upper, lower = grid[1, column], grid[-2, column]
        behind = ear + np.array([-side * 0.008, 0.0, -0.012])
        out = np.array([side * 0.01, 0.0, 0.0])
        high, low = np.array([0, 0.022, 0]), np.array([0, -0.018, 0])
        knots = [upper, (upper + ear) / 2 + out + 0.5 * high, behind + high, behind + low]
        path = np.stack([*knots, (lower + ear) / 2 + out + 0.6 * low, lower])
        path = measures.pushed_out(spline(path, 40), 0.0015)
        props.append(_prop("ear loop", tube(path, 0.0013, up=(float(side), 0.1, 0.1)), cord))
    return props


def _mask_texture(rng: Rng, kind: str) -> Array:
    if kind == "cloth":
        return fabric.cloth(rng, "wrap")
    tones = ((0.25, 0.5, 0.65), (0.75, 0.78, 0.8), (0.02, 0.02, 0.022), (0.3, 0.55, 0.5))
    tone = np.array(tones[int(rng.choice(4, p=[0.5, 0.3, 0.15, 0.05]))])
    if kind == "respirator":
        tone = np.array([0.78, 0.78, 0.76]) if rng.random() < 0.8 else tone
    rows = np.ones((64, 8, 3))
    if kind == "surgical":
        rows *= (0.88 + 0.12 * np.abs(np.cos(np.arange(64) * np.pi / 6.4)))[:, None, None]
    return fabric.finished(rows * tone)


def _strip(rng: Rng, measures: Measures) -> list[Prop]:
    """A strip of cloth across the face: a bandana, a veil, a plaster across, at any height."""
    high = measures.points[SELLION, 1] - rng.uniform(-0.01, 0.05)
    height = rng.uniform(0.015, 0.09)
    wide = rng.uniform(1.0, 1.3)
    angle = np.linspace(wide, -wide, COLUMNS)
    slant = rng.normal(0, 0.012) * angle
    sag = rng.uniform(-0.01, 0.02) * np.cos(angle)
    radius, points = _grid(measures, high + slant - sag, high - height + slant - 1.5 * sag, wide)
    smooth = gaussian_filter(grey_closing(radius, (9, 9), mode="nearest"), 1.5, mode="nearest")
    way = points - (measures.centre * (1, 0, 0) + (0, 0, measures.points[CHIN, 2] - 0.075))
    way[..., 1] = 0
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    fold = 0.0015 * np.sin(angle * rng.uniform(3, 9) + np.linspace(0, 12, ROWS)[:, None])
    offset = np.maximum(smooth, radius) - radius + 0.004 + fold
    shape = sheet(points + offset[..., None] * way).facing_from(measures.centre)
    cloth = fabric.cloth(rng, "wrap")
    return [_prop("strip of cloth", shape.textured(shape.uv * (0.45, 0.3)), cloth)]
