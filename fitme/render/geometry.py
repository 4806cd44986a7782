"""Smooth normals and tangents of a mesh, differentiable in the vertices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fitme.render.backends.cpu import kernels_geometry as kernels
from fitme.render.backends.cpu.parallel import array

TINY = 1e-30


def triangle_corners(values: Tensor, triangles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """values [B,V,C], triangles [T,3] -> three [B,T,C]."""
    index = triangles.long()
    return values[:, index[:, 0]], values[:, index[:, 1]], values[:, index[:, 2]]


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """[B,V,3], [T,3] (counter-clockwise seen from outside) -> unit normals [B,V,3], weighted
    by triangle area."""
    if vertices.device.type == "cpu":
        return _Normals.apply(vertices, triangles.int())
    a, b, c = triangle_corners(vertices, triangles)
    faces = torch.linalg.cross(b - a, c - a)
    return _normalised_sums(faces, triangles, vertices.shape[1])


def uv_tangents(vertices: Tensor, triangles: Tensor, uv: Tensor, uv_triangles: Tensor) -> Tensor:
    """Unit tangents [B,U,3] per UV vertex, along which u grows, averaged over its triangles by
    UV area, so that a seam never mixes the two sides. (MikkTSpace weights by angle instead.)
    Not yet orthogonal to the normal. uv [U,2] gets no gradient."""
    d1, d2 = _uv_edges(uv.detach().to(vertices), uv_triangles)
    weights = torch.stack([d2[:, 1], d1[:, 1]], -1) * torch.sign(_cross(d1, d2))[:, None]
    if vertices.device.type == "cpu":
        return _Tangents.apply(vertices, triangles.int(), uv_triangles.int(), weights, len(uv))
    a, b, c = triangle_corners(vertices, triangles)
    faces = weights[:, :1] * (b - a) - weights[:, 1:] * (c - a)
    return _normalised_sums(faces, uv_triangles, uv.shape[0])


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


def _unit(total: Tensor) -> Tensor:
    out = torch.empty_like(total)
    kernels.normalise(array(total, -1, 3), array(out, -1, 3))
    return out


def _unit_backward(total: Tensor, grad: Tensor) -> Tensor:
    out = torch.empty_like(total)
    kernels.normalise_backward(array(total, -1, 3), array(grad, -1, 3), array(out, -1, 3))
    return out


class _Normals(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vertices: Tensor, triangles: Tensor) -> Tensor:
        total = vertices.new_zeros(vertices.shape)
        for points, sums in zip(array(vertices), array(total), strict=True):
            kernels.sum_normals(points, array(triangles), sums)
        ctx.save_for_backward(vertices, triangles, total)
        return _unit(total)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        vertices, triangles, total = ctx.saved_tensors
        grad, out = _unit_backward(total, grads[0]), vertices.new_zeros(vertices.shape)
        for points, into, sums in zip(array(vertices), array(grad), array(out), strict=True):
            kernels.sum_normals_backward(points, array(triangles), into, sums)
        return out, None


class _Tangents(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        vertices: Tensor,
        triangles: Tensor,
        uv_triangles: Tensor,
        weights: Tensor,
        count: int,
    ) -> Tensor:
        total = vertices.new_zeros(vertices.shape[0], count, 3)
        tables = array(triangles), array(uv_triangles), array(weights)
        for points, sums in zip(array(vertices), array(total), strict=True):
            kernels.sum_tangents(points, *tables, sums)
        ctx.save_for_backward(triangles, uv_triangles, weights, total)
        ctx.shape = vertices.shape
        return _unit(total)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        triangles, uv_triangles, weights, total = ctx.saved_tensors
        grad, out = _unit_backward(total, grads[0]), total.new_zeros(ctx.shape)
        tables = array(triangles), array(uv_triangles), array(weights)
        for into, sums in zip(array(grad), array(out), strict=True):
            kernels.sum_tangents_backward(*tables, into, sums)
        return out, None, None, None, None
