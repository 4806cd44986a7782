"""Normals and tangents on a GPU: the twins of `fitme.render.geometry`, whose sums over triangles
would there come out in any order."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from fitme.render.backends.triton.fixed_point import (
    add_fixed,
    fixed_scale,
    limit_of,
    sum_bits,
    to_float,
)
from fitme.render.backends.triton.launch import BLOCK, blocks, launch
from fitme.render.geometry import TINY, tangent_weights


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """See `fitme.render.geometry.vertex_normals`."""
    a, b, c = _corners(vertices, triangles)
    faces = torch.linalg.cross(b - a, c - a)
    return _normalised_sums(faces, triangles, vertices.shape[1])


def uv_tangents(vertices: Tensor, triangles: Tensor, uv: Tensor, uv_triangles: Tensor) -> Tensor:
    """See `fitme.render.geometry.uv_tangents`."""
    weights = tangent_weights(uv.to(vertices), uv_triangles)
    a, b, c = _corners(vertices, triangles)
    faces = weights[:, :1] * (b - a) - weights[:, 1:] * (c - a)
    return _normalised_sums(faces, uv_triangles, uv.shape[0])


def _corners(values: Tensor, triangles: Tensor) -> tuple[Tensor, ...]:
    gathered: Tensor = _Gather.apply(values, triangles.reshape(-1).long())
    return gathered.reshape(values.shape[0], -1, 3, 3).unbind(2)


def _normalised_sums(per_triangle: Tensor, triangles: Tensor, count: int) -> Tensor:
    """Sum [B,T,3] of every triangle into its three of `count` vertices -> unit [B,count,3]."""
    thrice = per_triangle[:, :, None].expand(-1, -1, 3, -1).reshape(len(per_triangle), -1, 3)
    total: Tensor = _Scatter.apply(thrice, triangles.reshape(-1).long(), count)
    return torch.nn.functional.normalize(total, dim=-1, eps=TINY)


class _Gather(torch.autograd.Function):
    """values [B,V,C], index [K] -> [B,K,C]."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.count = values.shape[1]
        return values.index_select(1, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return scatter_sum(grads[0], ctx.saved_tensors[0], ctx.count), None


class _Scatter(torch.autograd.Function):
    """values [B,K,C], index [K] -> sums [B,count,C]."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(index)
        return scatter_sum(values, index, count)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0].index_select(1, ctx.saved_tensors[0]), None, None


def scatter_sum(values: Tensor, index: Tensor, count: int) -> Tensor:
    """values [B,K,C], index [K] int64 in 0..count-1 -> sums [B,count,C], the same bits for the
    same values. No gradient: `fixed_point` says how."""
    values, (batch, items, channels) = values.contiguous(), values.shape
    total = torch.zeros(batch, count, channels, dtype=torch.int64, device=values.device)
    limit, bits = limit_of(values), sum_bits(items)
    launch(
        _scatter,
        (blocks(values.numel(), BLOCK),),
        values,
        values,
        index.contiguous(),
        total,
        limit,
        values.numel(),
        items,
        count,
        bits,
        CHANNELS=channels,
        BLOCK=BLOCK,
    )
    return to_float(total, limit, bits, values)


@triton.jit(do_not_specialize=["size", "items", "count", "bits"])
def _scatter(
    values, index, total, limit, size, items, count, bits,
    CHANNELS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = place < size
    row, channel = place // CHANNELS, place % CHANNELS
    target = tl.load(index + row % items, mask=mask, other=0) + (row // items) * count
    value = tl.load(values + place, mask=mask, other=0.0)
    scale = fixed_scale(tl.load(limit), bits)
    add_fixed(total, target * CHANNELS + channel, value, scale, mask)
