"""Meshes from curves: sheets, tubes, ellipsoids, boxes. All are made of grids of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

TINY = 1e-12


@dataclass(frozen=True)
class Shape:
    """A mesh with texture coordinates, counter-clockwise from outside."""

    vertices: Array  # [V,3] metres
    triangles: Array  # [T,3]
    uv: Array  # [V,2]

    @property
    def normals(self) -> Array:
        """Unit vertex normals [V,3], weighted by area."""
        corners = self.vertices[self.triangles]
        faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        sums = np.zeros_like(self.vertices)
        for corner in range(3):
            for axis in range(3):
                sums[:, axis] += np.bincount(
                    self.triangles[:, corner], faces[:, axis], len(self.vertices)
                )
        return unit(sums)

    def flipped(self) -> Shape:
        return Shape(self.vertices, self.triangles[:, ::-1], self.uv)

    def facing_from(self, inside: Array) -> Shape:
        """The same, turned so that it faces away from `inside` [3] (or [V,3], per vertex)."""
        corners = self.vertices[self.triangles]
        faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        origin = inside if inside.ndim == 1 else inside[self.triangles].mean(1)
        out = (faces * (corners.mean(1) - origin)).sum()
        return self if out >= 0 else self.flipped()

    def turned(self, rotation: Array, offset: Array) -> Shape:
        """vertices @ rotation^T + offset, for a rotation or a reflection [3,3]."""
        moved = self.vertices @ rotation.T + offset
        triangles = self.triangles if np.linalg.det(rotation) > 0 else self.triangles[:, ::-1]
        return Shape(moved, triangles, self.uv)

    def textured(self, uv: Array) -> Shape:
        return Shape(self.vertices, self.triangles, uv)


def unit(vectors: Array) -> Array:
    """Vectors [...,3] of length 1; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), TINY)


def joined(shapes: Sequence[Shape]) -> Shape:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(shape.vertices) for shape in shapes)])
    return Shape(
        np.concatenate([shape.vertices for shape in shapes]),
        np.concatenate(
            [shape.triangles + at for shape, at in zip(shapes, starts[:-1], strict=True)]
        ),
        np.concatenate([shape.uv for shape in shapes]),
    )


def sheet(points: Array) -> Shape:
    """A grid of points [N,M,3] as a surface; u runs along M, v along N. It faces the side from
    which N runs down and M runs to the right."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    triangles = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], 2).reshape(-1, 3)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return Shape(points.reshape(-1, 3), triangles, np.stack([u, v], -1).reshape(-1, 2))


def closed_rows(points: Array) -> Array:
    """Grid [N,M,3] -> [N,M+1,3], each row a closed loop."""
    return np.concatenate([points, points[:, :1]], 1)


def tube(
    path: Array,
    radius: Array | float,
    *,
    up: Array | tuple[float, float, float] = (0.0, 0.0, 1.0),
    depth: float = 1.0,
    sides: int = 8,
    loop: bool = False,
    square: float = 2.0,
) -> Shape:
    """A tube along a path [N,3] with closed ends.

    radius: metres across `up`, a number or one per point; along `up` it is times `depth`.
    up: a direction the path never runs along. loop: the last point joins the first.
    square: exponent of the superellipse that is the cross-section; 2 is round, more is boxy.
    """
    path = np.asarray(path, np.float64)
    count = len(path)
    along = np.roll(path, -1, 0) - np.roll(path, 1, 0) if loop else np.gradient(path, axis=0)
    along = unit(along)
    across = unit(np.cross(along, np.broadcast_to(np.asarray(up, float), path.shape)))
    upward = np.cross(across, along)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    power = 2.0 / square
    x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    size = np.broadcast_to(np.asarray(radius, float), (count,))[:, None, None]
    rings = (
        path[:, None]
        + size * x[None, :, None] * across[:, None]
        + size * depth * y[None, :, None] * upward[:, None]
    )
    if loop:
        rings = np.concatenate([rings, rings[:1]])
    else:
        ends = [np.broadcast_to(path[at], (1, sides + 1, 3)) for at in (0, -1)]
        rings = np.concatenate([ends[0], rings, ends[1]])
    return outward(sheet(rings))


def outward(shape: Shape) -> Shape:
    """A closed mesh, turned so that its volume is positive."""
    middle = shape.vertices.mean(0)
    a, b, c = (shape.vertices[shape.triangles[:, k]] - middle for k in range(3))
    return shape if (a * np.cross(b, c)).sum() >= 0 else shape.flipped()


def ellipsoid(
    centre: Array, radii: tuple[float, float, float], axes: Array | None = None, sides: int = 14
) -> Shape:
    """An ellipsoid; `axes` [3,3] are its axes in columns, by default x, y, z."""
    polar = np.linspace(0, np.pi, max(sides // 2 + 1, 4))[:, None]
    angle = np.linspace(0, 2 * np.pi, sides + 1)[None]
    ball = np.stack(
        [np.sin(polar) * np.cos(angle), np.cos(polar) + 0 * angle, np.sin(polar) * np.sin(angle)],
        -1,
    )
    points = ball * np.asarray(radii)
    if axes is not None:
        points = points @ axes.T
    return outward(sheet(points + centre))


def rounded_box(
    centre: Array, half: tuple[float, float, float], axes: Array, square: float = 6.0
) -> Shape:
    """A box with rounded edges: a superellipsoid of exponent `square`; `axes` in columns."""
    ball = ellipsoid(np.zeros(3), (1.0, 1.0, 1.0), sides=28)
    length = (np.abs(ball.vertices) ** square).sum(1, keepdims=True) ** (1 / square)
    points = ball.vertices / length * np.asarray(half)
    uv = points[:, :2] / (2 * np.asarray(half)[:2]) * (1, -1) + 0.5
    return outward(Shape(points @ axes.T + centre, ball.triangles, uv))


def turned_profile(
    radius: Array, height: Array, origin: Array, axis: Array, sides: int = 24
) -> Shape:
    """A surface of revolution: radii [N] at heights [N] above `origin` along `axis`. Heights that
    grow give a surface that faces outwards."""
    axes = frame(axis)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.cos(angle)[:, None] * axes[:, 0] + np.sin(angle)[:, None] * axes[:, 2]
    points = origin + radius[:, None, None] * ring[None] + height[:, None, None] * axes[:, 1]
    shape = sheet(points)
    out = shape.vertices - (origin + np.repeat(height, sides + 1)[:, None] * axes[:, 1])
    first, second, third = (shape.vertices[shape.triangles[:, k]] for k in range(3))
    flat = np.cross(second - first, third - first)
    return shape if (flat * out[shape.triangles].mean(1)).sum() >= 0 else shape.flipped()


def frame(up: Array, hint: Array | tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Array:
    """Right-handed axes [3,3] in columns whose second is `up` and whose third is near `hint`."""
    y = unit(np.asarray(up, float))
    z = np.asarray(hint, float)
    if abs(float(y @ unit(z))) > 0.98:
        z = np.array([1.0, 0.0, 0.0])
    z = unit(z - (z @ y) * y)
    return np.stack([np.cross(y, z), y, z], 1)


def spline(points: Array, count: int, loop: bool = False) -> Array:
    """A smooth curve [count,C] through points [N,C] (cubic, by chord length)."""
    from scipy.interpolate import CubicSpline

    points = np.asarray(points, float)
    if loop:
        points = np.concatenate([points, points[:1]])
    chord = np.linalg.norm(np.diff(points, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(np.maximum(chord, 1e-9))])
    curve = CubicSpline(at, points, bc_type="periodic" if loop else "natural")
    where = np.linspace(0, at[-1], count, endpoint=not loop)
    return np.asarray(curve(where))
