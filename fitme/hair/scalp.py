"""Where hair grows: the mean head as hair needs it, and roots drawn inside a hairline."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fitme.hair.collision import Collision, build_collision
from fitme.hair.hairline import hairline, inside_hairline
from fitme.head.model import HeadModel
from fitme.render.geometry import vertex_normals

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]

AXIS_Z = 0.005  # metres, where the vertical axis of the chart stands
FAR_OUTSIDE = 1.0  # metres
MARGIN = 0.035  # metres outside of the usual hairline within which another one may run
EAR = -0.003  # metres from the usual hairline
KEPT = 8  # hairlines whose distances are kept
CROWN = np.array([0.0, 0.135, -0.040], np.float32)  # metres, the whorl


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
    on_ear: NDArray[np.bool_]  # [V] the ears themselves, without the skin that hair grows on
    _edges: dict[bytes, Floats] = field(default_factory=dict)  # those asked for last

    def inside(self, line: Floats, right: Floats | None = None) -> Floats:
        """Signed distance [V] metres from a hairline [L,2], see `inside_hairline`; FAR_OUTSIDE
        where no hair can grow. `right` is the line of the person's right, where it is another."""
        key = line.tobytes() + (b"" if right is None else right.tobytes())
        edge = self._edges.get(key)
        if edge is None:
            edge = np.full(len(self.vertices), -FAR_OUTSIDE, np.float32)
            near = self.near_hair
            edge[near] = inside_hairline(self.vertices[near], self.azimuth[near], line)
            if right is not None:
                near = near[self.vertices[near, 0] < 0]
                edge[near] = inside_hairline(self.vertices[near], self.azimuth[near], right)
            while len(self._edges) >= KEPT:
                self._edges.pop(next(iter(self._edges)), None)
            self._edges[key] = edge
        return edge

    @cached_property
    def areas(self) -> Floats:
        """Twice the area of the triangles, [T] square metres."""
        corners = self.vertices[self.triangles]
        edges = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return np.linalg.norm(edges, axis=1)


_LOCK = threading.Lock()
_CACHE: dict[int, tuple[HeadModel, Scalp]] = {}  # the head is kept so that its id stays its own


def scalp_of(head: HeadModel) -> Scalp:
    """The scalp of a head's mean shape; kept for the two heads used last."""
    with _LOCK:
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
        build_collision(head, normals), skull, near, (regions["ears"] > 0.5) & (edge < EAR),
    )  # fmt: skip


@dataclass(frozen=True)
class Roots:
    """Where N hairs leave the skin."""

    triangle: Ints  # [N] of `Scalp.triangles`
    barycentric: Floats  # [N,3]
    position: Floats  # [N,3]
    normal: Floats  # [N,3] unit
    azimuth: Floats  # [N] degrees

    def take(self, chosen: NDArray[np.bool_]) -> Roots:
        return Roots(*(getattr(self, name.name)[chosen] for name in fields(self)))

    def of(self, scalp: Scalp, per_vertex: Floats) -> Floats:
        """Values [V] of the head's vertices at the roots [N]."""
        return (per_vertex[scalp.triangles[self.triangle]] * self.barycentric).sum(-1)


def draw_roots(scalp: Scalp, density: Floats, count: int, random: np.random.Generator) -> Roots:
    """`count` roots, evenly by area where the density [V] 0..1 is one.

    Raises ValueError where it is zero everywhere.
    """
    corners = scalp.vertices[scalp.triangles]
    share = scalp.areas * density[scalp.triangles].mean(1)
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
