"""Where hair grows: the hairline as a closed line around the head, and roots drawn inside it.

The line is drawn in a chart of the mean head: azimuth around the vertical axis through the skull
(0 at the face, 180 degrees at the nape) times SKULL_RADIUS, and height y. Its usual course was set
by eye on the template: a third of the face above the brows, the corner at the temple, the
sideburn before the ear, around the ear, and down to the nape.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fitme.hair.collision import Collision, build_collision
from fitme.head.model import HeadModel
from fitme.render.geometry import vertex_normals

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]

SKULL_RADIUS = 0.078  # metres of the chart per radian of azimuth, the skull's at the temples
AXIS_Z = 0.005  # metres, where the vertical axis of the chart stands
FAR_OUTSIDE = 1.0  # metres
MARGIN = 0.035  # metres outside of the usual hairline within which another one may run
CROWN = np.array([0.0, 0.135, -0.040], np.float32)  # metres, the whorl

# azimuth in degrees, height in metres
HAIRLINE = (
    (0, 0.1050), (12, 0.1055), (24, 0.1045), (34, 0.1010), (43, 0.0940), (49, 0.0850),
    (53, 0.0740), (57, 0.0640), (63, 0.0540), (68, 0.0420), (70, 0.0260), (71, 0.0100),
    (79, 0.0080), (80, 0.0300), (84, 0.0520), (100, 0.0600), (116, 0.0480), (124, 0.0220),
    (127, -0.0040), (133, -0.0280), (147, -0.0420), (163, -0.0450), (180, -0.0480),
)  # fmt: skip


@dataclass(frozen=True)
class Scalp:
    """The mean head as hair needs it."""

    vertices: Floats  # [V,3] metres, all parts
    normals: Floats  # [V,3]
    triangles: Ints  # [T,3] of the skin
    azimuth: Floats  # [V] degrees, 0 at the face, without sign
    regions: dict[str, Floats]  # [V] in 0..1
    collision: Collision
    skull: Ints  # [S] vertices of the skin that follow the bone: those below the usual hair
    near_hair: Ints  # [H] vertices that any hairline could hold

    def inside(self, line: Floats) -> Floats:
        """Signed distance [V] metres from a hairline [L,2], see `inside_hairline`; FAR_OUTSIDE
        where no hair can grow."""
        edge = np.full(len(self.vertices), -FAR_OUTSIDE, np.float32)
        near = self.near_hair
        edge[near] = inside_hairline(self.vertices[near], self.azimuth[near], line)
        return edge


_CACHE: dict[int, tuple[HeadModel, Scalp]] = {}  # the head is kept so that its id stays its own


def scalp_of(head: HeadModel) -> Scalp:
    """The scalp of a head's mean shape; kept for the two heads used last."""
    if id(head) not in _CACHE:
        if len(_CACHE) > 1:
            _CACHE.pop(next(iter(_CACHE)))
        _CACHE[id(head)] = (head, _build(head))
    return _CACHE[id(head)][1]


def _build(head: HeadModel) -> Scalp:
    with torch.no_grad():
        skin = head.part_triangles(head.skin.name).cpu()
        mean = head.mean.detach().cpu()
        normals = vertex_normals(mean[None], skin)[0].numpy().astype(np.float32)
    vertices = mean.numpy().astype(np.float32)
    turn = np.arctan2(np.abs(vertices[:, 0]), vertices[:, 2] - AXIS_Z)
    regions = {k: v.cpu().numpy().astype(np.float32) for k, v in head.regions.items()}
    azimuth = np.degrees(turn).astype(np.float32)
    edge = inside_hairline(vertices, azimuth, hairline(0.0, 0.0, 0.0, 0.0))
    skull, near = (
        np.intersect1d(np.flatnonzero(edge > least), skin.numpy()).astype(np.int32)
        for least in (0.0, -MARGIN)
    )
    return Scalp(
        vertices, normals, skin.numpy().astype(np.int32), azimuth, regions,
        build_collision(head, normals), skull, near,
    )  # fmt: skip


def hairline(raised: float, recession: float, peak: float, low_nape: float) -> Floats:
    """The line [L,2] in chart metres: raised by `raised` metres at the front, drawn back at the
    temples by `recession` 0..1, with a widow's `peak` 0..1, the nape lower by `low_nape` metres."""
    line = np.array(HAIRLINE, np.float32)
    a, y = line[:, 0].copy(), line[:, 1].copy()
    front = np.clip((60 - a) / 20, 0, 1)
    y += raised * front
    corner = np.exp(-(((a - 40) / 15) ** 2))
    y += 0.026 * recession * corner
    side = np.clip((a - 40) / 8, 0, 1) * np.clip((70 - a) / 8, 0, 1)
    a += 5 * recession * side
    y -= 0.008 * peak * np.exp(-((a / 9) ** 2))
    y -= low_nape * np.clip((a - 128) / 15, 0, 1)
    return np.stack([np.radians(a) * SKULL_RADIUS, y], -1).astype(np.float32)


def inside_hairline(vertices: Floats, azimuth: Floats, line: Floats) -> Floats:
    """Signed distance [V] metres of the mean head's vertices [V,3] with their azimuth [V] from the
    hairline [L,2], positive inside, measured in the chart."""
    chart = np.stack([np.radians(azimuth) * SKULL_RADIUS, vertices[:, 1]], -1)
    first, last = line[0], line[-1]
    beyond = np.array([[last[0] + 0.1, last[1]], [last[0] + 0.1, 0.5], [-0.1, 0.5]], np.float32)
    left = np.array([[-0.1, first[1]]], np.float32)
    ring = np.concatenate([line, beyond, left])
    a, b = ring, np.roll(ring, -1, 0)
    away = np.full(len(chart), 1.0, np.float32)
    crossings = np.zeros(len(chart), np.int32)
    for p, q in zip(a, b, strict=True):
        edge = q - p
        along = ((chart - p) @ edge / (edge @ edge + 1e-12)).clip(0, 1)
        away = np.minimum(away, np.linalg.norm(chart - p - along[:, None] * edge, axis=1))
        spans = (p[1] > chart[:, 1]) != (q[1] > chart[:, 1])
        cut = p[0] + (chart[:, 1] - p[1]) * edge[0] / (edge[1] if edge[1] else 1e-9)
        crossings += spans & (chart[:, 0] < cut)
    return np.where(crossings % 2 == 1, away, -away).astype(np.float32)


@dataclass(frozen=True)
class Roots:
    """Where N hairs leave the skin."""

    triangle: Ints  # [N] of `Scalp.triangles`
    barycentric: Floats  # [N,3]
    position: Floats  # [N,3]
    normal: Floats  # [N,3] unit
    azimuth: Floats  # [N] degrees

    def take(self, chosen: NDArray[np.bool_]) -> Roots:
        return Roots(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def of(self, scalp: Scalp, per_vertex: Floats) -> Floats:
        """Values [V] of the head's vertices at the roots [N]."""
        return (per_vertex[scalp.triangles[self.triangle]] * self.barycentric).sum(-1)


def draw_roots(scalp: Scalp, density: Floats, count: int, random: np.random.Generator) -> Roots:
    """`count` roots, evenly by area where the density [V] 0..1 is one.

    Raises ValueError where it is zero everywhere.
    """
    corners = scalp.vertices[scalp.triangles]
    edges = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    share = np.linalg.norm(edges, axis=1) * density[scalp.triangles].mean(1)
    total = np.cumsum(share, dtype=np.float64)
    if not total[-1] > 0:
        raise ValueError("the density of the roots is zero everywhere")
    marks = (np.arange(count) + random.random(count)) / count * total[-1]
    triangle = np.searchsorted(total, marks, side="right").clip(0, len(total) - 1)
    u, v = random.random((2, count))
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    barycentric = np.stack([1 - u - v, u, v], -1).astype(np.float32)
    position = (corners[triangle] * barycentric[..., None]).sum(1)
    normal = (scalp.normals[scalp.triangles[triangle]] * barycentric[..., None]).sum(1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    turn = np.degrees(np.arctan2(np.abs(position[:, 0]), position[:, 2] - AXIS_Z))
    return Roots(
        triangle.astype(np.int32), barycentric, position.astype(np.float32),
        normal.astype(np.float32), turn.astype(np.float32),
    )  # fmt: skip
