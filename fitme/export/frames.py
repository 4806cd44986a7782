"""Per-corner frames of a mesh: split at seams, smooth normals, MikkTSpace tangents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Corners:
    """The unique corners of a mesh, which are what a GPU calls vertices.

    vertex      [C]    index of the vertex of the unsplit mesh
    uv          [C]    index of the texture coordinate (all 0 for a mesh without uv)
    handedness  [C]    +1.0, or -1.0 where the texture is mirrored
    triangles   [T,3]  into the corners; triangles that name a vertex twice are gone

    Corner i is vertex i for the first V corners when every vertex is used (in any case the
    used vertices come first, in their order); the copies made at seams follow.
    """

    vertex: Integers
    uv: Integers
    handedness: Floats
    triangles: Integers


def split_corners(
    triangles: NDArray[Any], uv: NDArray[Any] | None, uv_triangles: NDArray[Any] | None
) -> Corners:
    """Split vertices [V] where their triangles [T,3] disagree about texture coordinates.

    uv [U,2] in glTF's convention (v down), uv_triangles [T,3]. A vertex is also split between
    mirrored and unmirrored texture, as MikkTSpace does, because a tangent has one handedness.
    """
    triangles = np.asarray(triangles, dtype=np.int64)
    real = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
    triangles = triangles[real]
    if uv is None or uv_triangles is None:
        uv_triangles = np.zeros_like(triangles)
        area = np.ones(len(triangles))
    else:
        uv_triangles = np.asarray(uv_triangles, dtype=np.int64)[real]
        area = _uv_area(uv, uv_triangles)
    pair_key = triangles * (uv_triangles.max(initial=0) + 1) + uv_triangles
    _, pair = np.unique(pair_key, return_inverse=True)
    pair = pair.reshape(-1, 3)
    # A triangle without area in the texture takes the side of its neighbours.
    has_side = np.zeros((2, int(pair.max(initial=-1)) + 1), dtype=bool)
    has_side[0, pair[area > 0]] = True
    has_side[1, pair[area < 0]] = True
    flat_mirrored = has_side[1, pair] & ~has_side[0, pair]
    mirrored = np.where(area[:, None] == 0, flat_mirrored, area[:, None] < 0)

    _, first, corner = np.unique(pair_key * 2 + mirrored, return_index=True, return_inverse=True)
    vertex = triangles.ravel()[first]  # sorted by vertex, then uv, then side
    is_copy = np.zeros(len(vertex), dtype=bool)
    is_copy[1:] = vertex[1:] == vertex[:-1]
    order = np.concatenate([np.flatnonzero(~is_copy), np.flatnonzero(is_copy)])
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return Corners(
        vertex=vertex[order],
        uv=uv_triangles.ravel()[first][order],
        handedness=np.where(mirrored.ravel()[first][order], -1.0, 1.0),
        triangles=rank[corner.reshape(-1, 3)],
    )


def vertex_normals(vertices: NDArray[Any], triangles: NDArray[Any]) -> Floats:
    """Smooth unit normals [V,3] of vertices [V,3], triangles [T,3], weighted by area.

    A vertex without area around it gets +Z.
    """
    a, b, c = (np.asarray(vertices, dtype=np.float64)[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    total = _scatter_add(triangles.ravel(), np.repeat(face, 3, axis=0), len(vertices))
    return _unit(total, np.array([0.0, 0.0, 1.0]))


def corner_tangents(
    corners: Corners, vertices: NDArray[Any], normals: NDArray[Any], uv: NDArray[Any]
) -> Floats:
    """Tangents [C,4] (xyz unit and at right angles to the normal, w = +1 or -1) as glTF wants.

    The rule is MikkTSpace's: a triangle's direction of increasing u, laid into the plane of
    the corner's normal, averaged with the corner's angle as weight; w is the sign for which
    bitangent = w * cross(normal, tangent) points up in the image (OpenGL Y+).

    vertices [V,3], normals [V,3] unit, uv [U,2] in glTF's convention (v down).
    """
    position = np.asarray(vertices, dtype=np.float64)[corners.vertex]
    normal = np.asarray(normals, dtype=np.float64)[corners.vertex]
    texture = np.asarray(uv, dtype=np.float64)[corners.uv]
    triangles = corners.triangles
    p, t = position[triangles], texture[triangles]  # [T,3,3], [T,3,2]
    edge_1, edge_2 = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    along_1, along_2 = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    direction: Floats = along_2[:, 1:] * edge_1 - along_1[:, 1:] * edge_2
    area = along_1[:, 0] * along_2[:, 1] - along_1[:, 1] * along_2[:, 0]
    direction *= np.sign(area)[:, None]  # so v may point either way; no area, no direction

    zero = np.zeros(3)
    total = np.zeros_like(position)
    for k in range(3):
        corner = triangles[:, k]
        n = normal[corner]
        out = _unit(_flatten(p[:, (k + 1) % 3] - p[:, k], n), zero)
        back = _unit(_flatten(p[:, (k + 2) % 3] - p[:, k], n), zero)
        angle = np.arccos(np.clip((out * back).sum(-1), -1.0, 1.0))
        tangent = _unit(_flatten(direction, n), zero)
        total += _scatter_add(corner, tangent * angle[:, None], len(position))
    # Where the texture says nothing any direction in the plane will do; it must only be valid.
    least = np.eye(3)[np.abs(normal).argmin(axis=1)]
    tangent = _unit(total, _unit(np.cross(normal, least), np.array([1.0, 0.0, 0.0])))
    return np.concatenate([tangent, corners.handedness[:, None]], axis=1)


def _uv_area(uv: NDArray[Any], uv_triangles: Integers) -> Floats:
    """Twice the signed area [T] in the texture with v up: positive where it is not mirrored."""
    a, b, c = (np.asarray(uv, dtype=np.float64)[uv_triangles[:, k]] for k in range(3))
    return -((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])


def _flatten(vectors: Floats, normal: Floats) -> Floats:
    return vectors - normal * (vectors * normal).sum(-1, keepdims=True)


def _unit(vectors: Floats, fallback: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    tiny = length < 1e-30
    return np.where(tiny, fallback, vectors / np.where(tiny, 1.0, length))


def _scatter_add(index: Integers, values: Floats, size: int) -> Floats:
    columns = [np.bincount(index, values[:, k], minlength=size) for k in range(values.shape[1])]
    return np.stack(columns, axis=1)
