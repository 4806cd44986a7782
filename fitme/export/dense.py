"""A mesh cut finer, with static displacement in its vertices.

New vertices lie on a curved surface through the old ones (Phong tessellation, Boubekeur and Alexa
2008), those of a border on its edges, so that nothing gapes beside parts that are not cut. Seams of
the texture stay closed: a vertex moves by the mean of what its texture coordinates say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from fitme.export.frames import vertex_normals
from fitme.export.mesh import ExportMesh

ROUND = 0.5  # how far midpoints go towards the tangent planes: a circle's go onto the circle
#: Metres by which a hundredth of the skin has to be displaced to have each triangle cut into 16
#: instead of 4, which makes edges of 0.5 mm out of 1: a step that small is lost between those.
DEEP_M = 5e-5

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class _Cut:
    """Triangles [T,3] cut into four [4T,3]; midpoint k is of the pair edges[k] and has the index
    V + k; `border` [M] are those of one triangle alone."""

    triangles: Integers
    edges: Integers
    border: NDArray[np.bool_]


def dense_mesh(mesh: ExportMesh, height: NDArray[Any], rounds: int | None = None) -> ExportMesh:
    """The mesh with each triangle cut into four, once or twice, moved along its normals.

    height [R,R] metres over the texture. Normals are those before the displacement, as the normal
    map is theirs: it would count twice otherwise. `rounds` are 1 or 2, by default as the height
    asks for. Raises ValueError for a mesh without texture coordinates.
    """
    if mesh.uv is None or mesh.uv_triangles is None:
        raise ValueError(f"mesh {mesh.name!r} has no texture coordinates to look heights up with")
    rounds = rounds_for(height) if rounds is None else rounds
    fine = mesh
    for _ in range(rounds):
        fine = _subdivided(fine)
    assert fine.uv is not None and fine.uv_triangles is not None
    normals = vertex_normals(fine.vertices, fine.triangles)
    lift = _at_vertices(fine, _sampled(height, fine.uv))
    cut = _cut(fine.triangles, len(fine.vertices))
    lift[np.unique(cut.edges[cut.border])] = 0
    return replace(fine, vertices=fine.vertices + lift[:, None] * normals, normals=normals)


def rounds_for(height: NDArray[Any]) -> int:
    """How often to cut for heights in metres."""
    return 2 if float(np.quantile(np.abs(height), 0.99)) > DEEP_M else 1


def _subdivided(mesh: ExportMesh) -> ExportMesh:
    assert mesh.uv is not None and mesh.uv_triangles is not None
    cut = _cut(mesh.triangles, len(mesh.vertices))
    normals = vertex_normals(mesh.vertices, mesh.triangles)
    middle = _middles(mesh.vertices, cut.edges)
    ends, up = mesh.vertices[cut.edges], normals[cut.edges]  # [M,2,3]
    off = ((middle[:, None] - ends) * up).sum(-1, keepdims=True) * up
    curved = middle - ROUND * off.mean(1)
    middle = np.where(cut.border[:, None], middle, curved)
    texture = _cut(mesh.uv_triangles, len(mesh.uv))
    grown = {
        name: np.concatenate([offsets, _middles(offsets, cut.edges)])
        for name, offsets in mesh.morph_targets.items()
    }
    uv_1, bones = mesh.uv_1, mesh.joint_weights
    return replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, middle]),
        triangles=cut.triangles,
        uv=np.concatenate([mesh.uv, _middles(mesh.uv, texture.edges)]),
        uv_triangles=texture.triangles,
        normals=None,
        morph_targets=grown,
        uv_1=None if uv_1 is None else np.concatenate([uv_1, _middles(uv_1, cut.edges)]),
        joint_weights=None
        if bones is None
        else np.concatenate([bones, _middles(bones, cut.edges)]),
    )


def _cut(triangles: Integers, count: int) -> _Cut:
    pairs = np.stack([triangles, np.roll(triangles, -1, axis=1)], -1)  # [T,3,2]: 01, 12, 20
    low, high = pairs.min(-1).ravel(), pairs.max(-1).ravel()
    keys, which, uses = np.unique(low * count + high, return_inverse=True, return_counts=True)
    middle = count + which.reshape(-1, 3)
    a, b, c = triangles.T
    ab, bc, ca = middle.T
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    finer = np.stack([np.stack(corners, -1) for corners in parts], 1).reshape(-1, 3)
    return _Cut(finer, np.stack([keys // count, keys % count], -1), uses == 1)


def _middles(values: Floats, edges: Integers) -> Floats:
    middle: Floats = values[edges].mean(1)
    return middle


def _sampled(height: NDArray[Any], uv: Floats) -> Floats:
    """Heights [U] at texture coordinates [U,2], between texels' centres."""
    image = torch.from_numpy(np.ascontiguousarray(height, np.float32))[None, None]
    at = torch.from_numpy(uv.astype(np.float32))[None, None] * 2 - 1
    found = F.grid_sample(image, at, "bilinear", "border", align_corners=False)
    return found[0, 0, 0].numpy().astype(np.float64)


def _at_vertices(mesh: ExportMesh, values: Floats) -> Floats:
    """Values [U] of texture coordinates as means at the vertices [V] that have them."""
    assert mesh.uv_triangles is not None
    corners = np.stack([mesh.triangles.ravel(), mesh.uv_triangles.ravel()], -1)
    vertex, texture = np.unique(corners, axis=0).T
    count = len(mesh.vertices)
    total = np.bincount(vertex, values[texture], count)
    mean: Floats = total / np.bincount(vertex, minlength=count).clip(1)
    return mean
