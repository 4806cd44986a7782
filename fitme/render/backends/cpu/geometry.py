"""Normals and tangents on the CPU: the twins of `fitme.render.geometry`, with their gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fitme.render.backends.cpu import kernels_geometry as kernels
from fitme.render.backends.cpu.parallel import array
from fitme.render.geometry import tangent_weights


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """See `fitme.render.geometry.vertex_normals`."""
    return _Normals.apply(vertices, triangles.int())


def uv_tangents(vertices: Tensor, triangles: Tensor, uv: Tensor, uv_triangles: Tensor) -> Tensor:
    """See `fitme.render.geometry.uv_tangents`."""
    weights = tangent_weights(uv.to(vertices), uv_triangles)
    return _Tangents.apply(vertices, triangles.int(), uv_triangles.int(), weights, len(uv))


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
