"""A torso that goes on from the rim of one head's neck: the body under all clothes.

Its surface is a loft around the neck: `angle` index 0 is at the back and grows over the person's
left (+X); `down` runs from -1 (a hand's breadth up the neck) over 0 (the template's rim) and 1
(the shoulder's edge, the breast) to 2 (the end, some 40 cm below the chin).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d, map_coordinates
from scipy.spatial import cKDTree

from fitme.models.train.photos.measures import NECK_ANGLES, Measures
from fitme.models.train.photos.prop import Array
from fitme.models.train.photos.shapes import Shape, sheet, unit

COLUMNS = NECK_ANGLES
ROWS_NECK, ROWS_BODY = 8, 41
UP_THE_NECK = 0.06  # metres that down = -1 lies above the rim
UNDER_SKIN = 0.0012  # metres that the body's start lies below the neck's skin, against a gap

# Profiles from the neck's rim outwards: share of the way to the outer ring, metres of descent,
# drawn by hand after photos of shoulders; (down, share, descent).
_SIDE = np.array([(0, 0, 0), (0.12, 0.06, 0.022), (0.3, 0.24, 0.047), (0.6, 0.62, 0.08),
                  (0.85, 0.88, 0.108), (1.0, 0.97, 0.137), (1.2, 1.0, 0.19), (2.0, 1.04, 0.42),
])  # fmt: skip
_FRONT = np.array([(0, 0, 0), (0.15, 0.05, 0.014), (0.4, 0.34, 0.045), (0.7, 0.66, 0.09),
                   (1.0, 0.9, 0.15), (1.3, 1.0, 0.21), (2.0, 1.0, 0.38)])  # fmt: skip
_BACK = np.array([(0, 0, 0), (0.15, 0.1, 0.02), (0.4, 0.4, 0.06), (0.7, 0.72, 0.11),
                  (1.0, 0.93, 0.17), (1.3, 1.0, 0.24), (2.0, 1.0, 0.42)])  # fmt: skip


@dataclass(frozen=True)
class Torso:
    """The surface [ROWS, COLUMNS, 3] with its normals, and what turns with the body."""

    points: Array
    normals: Array
    wide: bool  # broad shoulders

    def at(self, down: Array, offset: Array | float = 0.0, columns: Array | None = None) -> Array:
        """Points [N,M,3] at `down` [N,M], `offset` metres outside; the M columns go once around
        from the back unless `columns` [N,M] or [M] (0 to COLUMNS) says otherwise."""
        if columns is None:
            columns = np.linspace(0, COLUMNS, down.shape[1])
        row = np.where(down < 0, (down + 1) * ROWS_NECK, ROWS_NECK + down * (ROWS_BODY - 1) / 2)
        at = np.stack(np.broadcast_arrays(row, columns % COLUMNS)).astype(float)
        values = np.concatenate([self.points, self.normals], 2)
        values = np.concatenate([values, values[:, :1]], 1)
        found = np.stack(
            [map_coordinates(values[..., k], at, order=1, mode="nearest") for k in range(6)], -1
        )
        reach = np.broadcast_to(np.asarray(offset, float), found.shape[:2])
        return found[..., :3] + reach[..., None] * unit(found[..., 3:])


def draw_torso(
    rng: np.random.Generator, measures: Measures, *, turn: float = 0.0, wide: bool | None = None
) -> Torso:
    """A body for one neck. turn: degrees of yaw of the body against the head, positive towards
    the person's left, sensible within +-25. wide: a man's or a woman's shoulders; None draws."""
    wide = bool(rng.random() < 0.5) if wide is None else wide
    ring = measures.ring
    middle = ring.mean(0)
    angle = np.arange(COLUMNS) * (2 * np.pi / COLUMNS)
    side, front = np.sin(angle), -np.cos(angle)
    size = float(np.ptp(ring[:, 0])) / 0.145  # the template's neck is 145 mm wide at its rim
    half_width = (rng.normal(0.238, 0.013) if wide else rng.normal(0.208, 0.011)) * size**0.5
    chest, back = rng.uniform(0.11, 0.145), rng.uniform(0.075, 0.105)
    outer = np.stack(
        [
            middle[0] + half_width * np.sign(side) * np.abs(side) ** 0.75,
            0 * angle,
            middle[2] + np.where(front > 0, chest, back) * np.sign(front) * np.abs(front) ** 0.85,
        ],
        1,
    )
    down = np.linspace(0, 2, ROWS_BODY)
    slope = rng.uniform(0.8, 1.35)  # of the shoulders
    share, descent = np.zeros((2, ROWS_BODY, COLUMNS))
    weights = (side**2, np.clip(front, 0, None) ** 2, np.clip(-front, 0, None) ** 2)
    for profile, weight in zip((_SIDE, _FRONT, _BACK), weights, strict=True):
        stretch = slope if profile is _SIDE else 1.0
        share += PchipInterpolator(profile[:, 0], profile[:, 1])(down)[:, None] * weight
        descent += PchipInterpolator(profile[:, 0], profile[:, 2])(down)[:, None] * weight * stretch
    body = ring + share[..., None] * (outer - ring)
    body[..., 1] = ring[:, 1] - descent
    # The rim's own slant (high at the back, low in front) fades out towards the chest.
    fade = np.clip(down, 0, 1)[:, None] * 0.5
    body[..., 1] += fade * (middle[1] - ring[:, 1])
    body = body + _collarbones(side, front, down)
    body[..., 2] += _armpits((body[..., 0] - middle[0]) / half_width, front, down)
    neck = _neck(measures, middle)
    points = np.concatenate([neck, body])
    points[ROWS_NECK:] = _turned(points[ROWS_NECK:], middle, turn, down)
    return Torso(points, _normals(points), wide)


def _neck(measures: Measures, middle: Array) -> Array:
    """Rows [ROWS_NECK, COLUMNS, 3] up the neck's skin from the highest down to above the rim."""
    axis = unit(np.array([0.0, 1.0, 0.42]))  # the neck leans forward, upwards
    skin = measures.neck - middle
    height = skin @ axis
    flat = skin - height[:, None] * axis
    angle = np.arctan2(flat[:, 0], -flat[:, 2])
    start = measures.ring - middle
    start_height = start @ axis
    tree = cKDTree(np.stack([np.cos(angle), np.sin(angle), height / 0.035], 1))
    radius = np.linalg.norm(flat, axis=1)
    ring_flat = start - start_height[:, None] * axis
    ring_angle = np.arctan2(ring_flat[:, 0], -ring_flat[:, 2])
    forward = unit(np.cross(np.array([1.0, 0.0, 0.0]), axis))
    outline = (
        np.sin(ring_angle)[:, None] * np.array([1.0, 0, 0]) - np.cos(ring_angle)[:, None] * forward
    )
    steps = np.linspace(UP_THE_NECK, UP_THE_NECK / ROWS_NECK, ROWS_NECK)
    rows = []
    for step in steps:
        high = start_height + step
        at = np.stack([np.cos(ring_angle), np.sin(ring_angle), high / 0.035], 1)
        _, index = tree.query(at, k=4)
        smooth = gaussian_filter1d(radius[index].mean(1), 1.5, mode="wrap")
        rows.append(middle + high[:, None] * axis + smooth[:, None] * outline)
    return np.stack(rows)


def _collarbones(side: Array, front: Array, down: Array) -> Array:
    """Offsets [ROWS_BODY,COLUMNS,3]: two ridges from the throat to the shoulders, hollows above,
    and the notch between them."""
    angle = np.arctan2(np.abs(side), front)  # 0 in front
    along = np.clip(1 - np.abs(angle - 0.75) / 0.7, 0, 1) ** 0.7
    at = 0.17 + 0.10 * angle
    ridge = np.exp(-(((down[:, None] - at) / 0.06) ** 2))
    hollow = np.exp(-(((down[:, None] - at + 0.13) / 0.07) ** 2))
    notch = np.exp(-(((down[:, None] - 0.08) / 0.07) ** 2)) * np.exp(-((angle / 0.2) ** 2))
    rise = 0.0045 * along * ridge - 0.005 * along * hollow - 0.004 * notch
    way = np.stack([0.3 * side, 0.7 + 0 * side, np.clip(front, 0, 1)], 1)
    return rise[..., None] * way


def _armpits(share: Array, front: Array, down: Array) -> Array:
    """What the creases between arms and trunk take from z, metres [ROWS_BODY,COLUMNS]; `share` is
    how far out a point lies, 1 at the arm's outer side."""
    crease = np.exp(-(((np.abs(share) - 0.74) / 0.07) ** 2))
    begins = np.clip((down[:, None] - 0.95) / 0.45, 0, 1)
    return -0.016 * np.sign(front) * crease * begins


def _turned(points: Array, middle: Array, turn: float, down: Array) -> Array:
    """Rows [N,M,3] turned about the vertical through `middle`, the first not at all."""
    share = np.clip(down / 0.7, 0, 1)
    angle = np.radians(turn) * share * share * (3 - 2 * share)
    x, z = points[..., 0] - middle[0], points[..., 2] - middle[2]
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return np.stack(
        [middle[0] + cos * x + sin * z, points[..., 1], middle[2] - sin * x + cos * z], -1
    )


def _normals(points: Array) -> Array:
    """Outward unit normals [N,M,3] of a grid whose rows are closed loops."""
    around = np.roll(points, -1, 1) - np.roll(points, 1, 1)
    along = np.gradient(points, axis=0)
    return unit(np.cross(around, along))


def around(points: Array) -> Shape:
    """A sheet [N,M,3] whose rows go around the body as the torso's columns do, facing outwards."""
    return sheet(points).flipped()


def skin_of(torso: Torso, down: float = 1.3) -> Array:
    """Points [N,M,3] of the bare skin from just under the neck's skin to `down`."""
    rows = np.concatenate([[-0.12, -0.05], np.linspace(0, down, 28)])
    depth = np.concatenate([[-2 * UNDER_SKIN, -UNDER_SKIN], np.zeros(28)])
    grid = np.broadcast_to(rows[:, None], (len(rows), COLUMNS + 1))
    return torso.at(grid, depth[:, None])
