"""What sits at a garment's neckline: bands, shirt collars, ties, lapels, scarves, hoods."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from fitme.models.train.photos.prop import Array
from fitme.models.train.photos.shapes import Shape, ellipsoid, joined, sheet, spline, tube, unit
from fitme.models.train.photos.torso import COLUMNS, Torso, around

Rng = np.random.Generator
FRONT = COLUMNS / 2


def _angle() -> Array:
    """Radians from the front of the COLUMNS + 1 columns, -pi at the back to pi."""
    return np.linspace(-np.pi, np.pi, COLUMNS + 1)


def vee(shoulder: float, depth: float, width: float) -> Array:
    """A V-shaped neckline [COLUMNS+1]: at `shoulder` (in `down`) at the back and the sides, to
    `depth` in front; `width` radians from the front the V begins."""
    inside = np.clip(1 - np.abs(_angle()) / width, 0, 1)
    return shoulder + (depth - shoulder) * inside**0.9


def ring_path(torso: Torso, down: Array, offset: Array | float) -> Array:
    """A closed path [COLUMNS,3] around the neck."""
    return torso.at(np.asarray(down)[None], offset)[0, :-1]


def band(torso: Torso, neckline: Array, width: float, thick: float) -> Shape:
    """A ribbed band `width` metres wide along a neckline [COLUMNS+1], rounded at its edges."""
    start = torso.at(neckline[None])[0]
    nearby = torso.at(neckline[None] + 0.05)[0]
    per_metre = 0.05 / np.maximum(np.linalg.norm(nearby - start, axis=-1), 1e-4)
    share = np.array([-0.25, -0.3, 0.0, 0.4, 0.8, 1.0])[:, None]
    rise = np.array([-0.3, 0.6, 1.1, 1.2, 1.1, 0.2])[:, None]
    return around(torso.at(neckline + share * width * per_metre, thick * rise))


def strip(torso: Torso, start: float, end: float, half: float, offset: float) -> Shape:
    """A strip down the front, `half` metres to each side of the middle."""
    down = np.linspace(start, end, 20)[:, None] * np.ones(5)
    middle = torso.at(down[:, :1], 0.0, np.full((20, 1), FRONT))
    side = torso.at(down[:, :1], 0.0, np.full((20, 1), FRONT + 1))
    per_metre = 1 / np.maximum(np.linalg.norm(side - middle, axis=-1), 1e-4)
    across = np.array([-1.0, -0.9, 0.0, 0.9, 1.0]) * half * per_metre
    rise = np.array([0.3, 1.0, 1.0, 1.0, 0.3])
    return around(torso.at(down, offset * rise, FRONT + across))


def shirt_collar(rng: Rng, torso: Torso, depth: float, thick: float) -> list[Shape]:
    """Stand and leaf of a shirt's collar, in two halves that part in front by `depth`."""
    high = rng.uniform(0.22, 0.42)  # up the neck
    long = rng.uniform(0.055, 0.08)  # metres from the fold to the collar's point
    spread = rng.uniform(0.15, 0.5)
    part = 0.05 + 0.55 * min(depth, 0.6)  # radians
    shapes = []
    for side in (1, -1):
        angle = np.linspace(np.pi, part, 40)
        columns = FRONT + side * angle * (COLUMNS / (2 * np.pi))
        near = np.clip(1 - (angle - part) / 0.9, 0, 1)  # 1 at the front edge
        top = -high * (1 - 0.5 * near) + depth * 0.2 * near
        stand = np.stack([0.15 + 0 * top, 0.5 * (0.15 + top), top])
        inner = torso.at(stand, np.array([[0.003], [0.002], [0.002]]), columns)
        fold = torso.at(top[None], 0.006, columns)[0]
        reach = 0.034 + (long - 0.034) * near**1.5
        leaf = columns + side * near**1.2 * spread * 4
        base = torso.at(np.full((1, len(angle)), 0.16) + 0.5 * near, 0.008 + thick, leaf)[0]
        way = unit(base - fold)
        share = np.array([0.12, 0.3, 0.55, 0.8, 1.0])[:, None]
        lower = fold + way * reach[:, None] * share[..., None]
        # The leaf bends over the shoulder instead of standing off it.
        lower[..., 1] -= (share**2 * (1 - near) * 0.010)[..., :]
        lower = _off_body(torso, lower, 0.007 + thick)
        grid = np.concatenate([inner, fold[None], lower])
        shapes.append(sheet(grid if side > 0 else grid[:, ::-1]))
    return shapes


def _off_body(torso: Torso, points: Array, margin: float) -> Array:
    """Points [N,M,3] pushed smoothly along the body's normals to lie `margin` outside of it."""
    skin, normals = torso.points.reshape(-1, 3), torso.normals.reshape(-1, 3)
    _, index = cKDTree(skin, balanced_tree=False, compact_nodes=False).query(points, k=3)
    height = ((points[..., None, :] - skin[index]) * normals[index]).sum(-1).mean(-1)
    push = gaussian_filter1d(np.maximum(margin - height, 0), 1.5, axis=1, mode="nearest")
    return points + push[..., None] * unit(normals[index].mean(-2))


def tie(rng: Rng, torso: Torso) -> Shape:
    """Knot and blade of a tie under a closed collar."""
    wide = rng.uniform(0.016, 0.024)
    down = np.array([-0.12, -0.02, 0.1, 0.24, 0.3, 0.5, 0.8, 1.2, 1.6, 1.95])
    half = wide * np.array([0.75, 1.0, 0.85, 0.55, 0.6, 0.75, 1.0, 1.3, 1.6, 1.8])
    rise = 0.006 + np.array([0.004, 0.012, 0.014, 0.007, 0.006, 0.006, 0.006, 0.006, 0.006, 0.006])
    middle = torso.at(down[:, None], rise[:, None], np.full((len(down), 1), FRONT))
    normal = torso.at(down[:, None], rise[:, None] + 1, np.full((len(down), 1), FRONT)) - middle
    right = unit(np.cross(np.array([0.0, 1.0, 0.0]), normal))
    across = np.array([-1.0, -0.85, -0.4, 0.0, 0.4, 0.85, 1.0])
    bend = np.array([-0.7, -0.2, 0.0, 0.05, 0.0, -0.2, -0.7]) * 0.007
    points = middle + half[:, None, None] * across[:, None] * right
    points = points + bend[None, :, None] * normal
    return sheet(points).facing_from(points.mean((0, 1)) - 0.2 * normal.mean((0, 1)))


def bow_tie(rng: Rng, torso: Torso) -> Shape:
    """Two wings and a knot."""
    middle = torso.at(np.array([[0.08]]), 0.014, np.array([[FRONT]]))[0, 0]
    wing = rng.uniform(0.022, 0.03)
    parts = [ellipsoid(middle, (0.009, 0.010, 0.008))]
    for side in (1, -1):
        at = middle + np.array([side * (wing + 0.006), 0.0, -0.004])
        path = at + np.linspace(-wing, wing, 7)[:, None] * np.array([side, 0, -0.15])
        parts.append(tube(path, np.linspace(0.007, 0.017, 7), depth=0.3))
    return joined(parts)


def lapels(rng: Rng, torso: Torso, neckline: Array, thick: float) -> list[Shape]:
    """Collar and lapels of a jacket along its V neckline, with a notch."""
    wide = rng.uniform(0.03, 0.05)
    share = np.array([-0.08, 0.0, 0.3, 0.7, 1.0])
    shapes = []
    half = COLUMNS // 2
    for side in (1, -1):
        index = half + side * np.arange(half, -1, -1)  # from the back to the front
        columns = np.linspace(0, COLUMNS, COLUMNS + 1)[index]
        edge = neckline[index]
        low = torso.at(edge[None] + 0.05, 0.0, columns)[0] - torso.at(edge[None], 0.0, columns)[0]
        along = np.gradient(torso.at(edge[None], 0.0, columns)[0], axis=0)
        start = torso.at(edge[None], thick, columns)[0]
        normal = unit(torso.at(edge[None], 1.0, columns)[0] - torso.at(edge[None], 0.0, columns)[0])
        out = unit(low - (low * unit(along)).sum(-1, keepdims=True) * unit(along))
        depth = (edge - edge.min()) / max(float(np.ptp(edge)), 1e-6)
        width = wide * np.interp(depth, [0, 0.02, 0.3, 0.34, 0.37, 0.42, 1.0],
                                 [0.8, 0.95, 1.1, 0.55, 0.6, 1.6, 0.15])  # fmt: skip
        grid = start[None] + share[:, None, None] * width[None, :, None] * out[None]
        lift = np.array([-0.006, 0.0015, 0.003, 0.002, 0.0005])
        grid = _off_body(torso, grid, thick - 0.004) + lift[:, None, None] * normal[None]
        shapes.append(sheet(grid if side > 0 else grid[:, ::-1]))
    return shapes


def straps(torso: Torso, half: float, down: float) -> list[Shape]:
    """Two straps over the shoulders, from breast to back."""
    shapes = []
    for side in (1, -1):
        out = np.array([0.5, 0.62, 0.8, 1.1, 1.5, 1.9, 2.2, 2.45, 2.6])
        rows = np.array([down + 0.05, 1.05, 0.82, 0.6, 0.46, 0.5, 0.7, 0.95, down + 0.1])
        knots = spline(np.stack([out, rows], 1), 30)
        columns = FRONT + side * knots[:, 0] * (COLUMNS / (2 * np.pi))
        path = torso.at(knots[None, :, 1], 0.001, columns)[0]
        normal = torso.at(knots[None, :, 1], 1.001, columns)[0] - path
        across = unit(np.cross(np.gradient(path, axis=0), normal))
        grid = path + np.array([-1.0, -0.8, 0.8, 1.0])[:, None, None] * half * across
        grid = grid + np.array([0.0, 0.002, 0.002, 0.0])[:, None, None] * normal
        shapes.append(sheet(grid).facing_from(path.mean(0) - (0, 0.3, 0)))
    return shapes


def turtleneck(rng: Rng, torso: Torso) -> Array:
    """Points of a folded collar of wool up the neck."""
    high = rng.uniform(0.5, 0.85)
    down = np.array([-high + 0.05, -high, -high, -high * 0.6, -0.15, 0.06, 0.14])[:, None]
    rise = np.array([0.002, 0.005, 0.010, 0.0135, 0.0145, 0.014, 0.007])[:, None]
    wave = 0.0012 * np.cos(_angle() * int(rng.integers(3, 8)) + rng.uniform(0, 6))
    return torso.at(down + 0 * _angle(), rise + wave)


def scarf(rng: Rng, torso: Torso) -> list[Shape]:
    """One or two loose rolls around the neck, with hanging ends or without."""
    angle = _angle()[:-1]
    shapes = []
    for turn in range(int(rng.integers(1, 4))):
        tilt = rng.uniform(0.0, 0.25) * np.cos(angle + rng.uniform(-0.7, 0.7))
        down = -0.15 + 0.13 * turn + tilt + 0.05 * np.cos(2 * angle + rng.uniform(0, 6))
        size = rng.uniform(0.016, 0.026) * (1 + 0.15 * np.cos(3 * angle + rng.uniform(0, 6)))
        path = ring_path(torso, np.append(down, down[:1]), 0.85 * np.append(size, size[:1]))
        shapes.append(_crumpled(rng, tube(path, size, up=(0.0, 1.0, 0.2), loop=True, sides=16)))
    if rng.random() < 0.6:
        for side in (1, -1):
            column = FRONT + side * rng.uniform(1.5, 7) + np.linspace(0, rng.uniform(-2, 2), 16)
            path = torso.at(np.linspace(0.1, 1.95, 16)[None], 0.022, column[None])[0]
            end = tube(path, rng.uniform(0.03, 0.05), up=(0, 0, 1.0), depth=0.3, sides=14, square=3)
            shapes.append(_crumpled(rng, end))
    return shapes


def _crumpled(rng: Rng, shape: Shape) -> Shape:
    """Folds along a tube: ridges that run along it and slowly around."""
    u, v = shape.uv[:, 0] * 2 * np.pi, shape.uv[:, 1]
    wave = np.zeros(len(u))
    for number in (3, 4, 6):
        turn = 2 * np.pi * rng.integers(-2, 3)
        wave += np.sin(number * u + turn * v + rng.uniform(0, 6)) / number
    moved = shape.vertices + 0.006 * wave[:, None] * shape.normals
    uv = np.stack([shape.uv[:, 0] * 0.2, shape.uv[:, 1]], 1)
    return Shape(moved, shape.triangles, uv)


def hood_down(rng: Rng, torso: Torso) -> Shape:
    """A hood that lies in the neck: a roll, thick at the back, thin in front."""
    angle = _angle()
    back = (1 - np.cos(angle)) / 2
    size = 0.010 + rng.uniform(0.018, 0.03) * back**1.5
    down = 0.12 - rng.uniform(0.25, 0.5) * back + 0.15 * (1 - back)
    path = ring_path(torso, down, 0.6 * size)
    roll = tube(path, size[:-1], up=(0.0, 1.0, 0.3), loop=True, sides=14, depth=1.25)
    return _crumpled(rng, roll)


def cords(rng: Rng, torso: Torso) -> list[Shape]:
    """Two cords of a hood, of unequal length."""
    shapes = []
    for side in (1, -1):
        sway = np.sin(np.linspace(0, rng.uniform(2, 5), 14)) * rng.uniform(0.2, 0.8)
        column = FRONT + side * rng.uniform(2.0, 3.5) + sway
        down = np.linspace(0.3, rng.uniform(0.8, 1.5), 14)
        path = torso.at(down[None], 0.022, column[None])[0]
        shapes.append(tube(path, 0.0028, up=(1.0, 0.0, 0.2), sides=6))
    return shapes
