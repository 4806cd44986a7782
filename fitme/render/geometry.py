"""Smooth normals and tangents of a mesh, differentiable in the vertices, for any device.

`fitme.render.backends.cpu.geometry` has faster twins: ask a backend for them."""

from __future__ import annotations

import torch
from torch import Tensor

TINY = 1e-30


def triangle_corners(values: Tensor, triangles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """values [B,V,C], triangles [T,3] -> three [B,T,C]."""
    index = triangles.long()
    return values[:, index[:, 0]], values[:, index[:, 1]], values[:, index[:, 2]]


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """[B,V,3], [T,3] (counter-clockwise seen from outside) -> unit normals [B,V,3], weighted
    by triangle area."""
    a, b, c = triangle_corners(vertices, triangles)
    faces = torch.linalg.cross(b - a, c - a)
    return _normalised_sums(faces, triangles, vertices.shape[1])


def uv_tangents(vertices: Tensor, triangles: Tensor, uv: Tensor, uv_triangles: Tensor) -> Tensor:
    """Unit tangents [B,U,3] per UV vertex, along which u grows, averaged over its triangles by
    UV area, so that a seam never mixes the two sides. (MikkTSpace weights by angle instead.)
    Not yet orthogonal to the normal. uv [U,2] gets no gradient."""
    weights = tangent_weights(uv.to(vertices), uv_triangles)
    a, b, c = triangle_corners(vertices, triangles)
    faces = weights[:, :1] * (b - a) - weights[:, 1:] * (c - a)
    return _normalised_sums(faces, uv_triangles, uv.shape[0])


def tangent_weights(uv: Tensor, uv_triangles: Tensor) -> Tensor:
    """[T,2]: a triangle's tangent, times its UV area, is w0 (b-a) - w1 (c-a). No gradient."""
    d1, d2 = _uv_edges(uv.detach(), uv_triangles)
    return torch.stack([d2[:, 1], d1[:, 1]], -1) * torch.sign(_cross(d1, d2))[:, None]


def bitangent_signs(uv: Tensor, uv_triangles: Tensor) -> Tensor:
    """[T]: +1 or -1 so that sign * cross(normal, tangent) points up in the image of the map,
    towards smaller v (glTF: v grows downwards; a normal map's Y is OpenGL's, upwards). Where
    the map is not mirrored, the UV area in these axes is negative and the sign is +1."""
    area = _cross(*_uv_edges(uv.detach(), uv_triangles))
    return torch.where(area > 0, -torch.ones_like(area), torch.ones_like(area))


def _uv_edges(uv: Tensor, uv_triangles: Tensor) -> tuple[Tensor, Tensor]:
    """Edges from the first to the second and third corner, [T,2] each."""
    corners = uv.index_select(0, uv_triangles.reshape(-1).long()).reshape(-1, 3, 2)
    return corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _normalised_sums(per_triangle: Tensor, triangles: Tensor, count: int) -> Tensor:
    """Sum [B,T,3] of every triangle into its three of `count` vertices -> unit [B,count,3]."""
    total = per_triangle.new_zeros(per_triangle.shape[0], count, 3)
    for corner in range(3):
        total = total.index_add(1, triangles[:, corner].long(), per_triangle)
    return torch.nn.functional.normalize(total, dim=-1, eps=TINY)
