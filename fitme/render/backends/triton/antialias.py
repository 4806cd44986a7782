"""Antialiasing on a GPU: neighbours of triangles, and the torch function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from fitme.render.backends.triton import kernels_antialias as kernels
from fitme.render.backends.triton.fixed_point import sum_bits, to_float
from fitme.render.backends.triton.launch import BLOCK, blocks, channel_block, launch

# of each tensor of triangles: (its version, edge_neighbors of it)
_NEIGHBORS: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def edge_neighbors(tri: Tensor) -> Tensor:
    """tri [T,3] -> [T,3] int32: the triangle across the edge opposite each corner, -1 at a
    border; of more than two triangles on an edge the first two, the next two.. are neighbours.
    Made once for a tensor."""
    if tri.is_inference():  # has no version
        return _edge_neighbors(tri)
    version, found = _NEIGHBORS.get(tri, (-1, tri))
    if version != tri._version:
        found = _edge_neighbors(tri)
        _NEIGHBORS[tri] = (tri._version, found)
    return found


def _edge_neighbors(tri: Tensor) -> Tensor:
    corners = tri.long()
    first, second = corners.roll(-1, 1).reshape(-1), corners.roll(-2, 1).reshape(-1)
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    key, order = torch.sort((low << 32) | high, stable=True)
    place = torch.arange(len(key), device=tri.device)
    fresh = torch.ones_like(key, dtype=torch.bool)
    fresh[1:] = key[1:] != key[:-1]
    start = torch.where(fresh, place, 0).cummax(0).values
    mate = torch.where((place - start) % 2 == 0, place + 1, place - 1).clamp_max(len(key) - 1)
    own, other = order // 3, order[mate] // 3
    other = torch.where((key[mate] == key) & (own != other), other, -1)
    return torch.empty_like(order).scatter_(0, order, other).reshape(-1, 3).int()


def antialias(color: Tensor, rast: Tensor, clip: Tensor, tri: Tensor) -> Tensor:
    """See `Backend.antialias`; tri int32."""
    return _Antialias.apply(color, rast, clip, tri)


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, color: Tensor, rast: Tensor, clip: Tensor, tri: Tensor) -> Tensor:
        neighbors = edge_neighbors(tri)
        color, rast, clip = color.contiguous(), rast.contiguous(), clip.contiguous()
        batch, height, width, _ = rast.shape
        pixels, vertices = batch * height * width, clip.shape[1]
        device = clip.device
        points = torch.empty(batch * vertices, 3, dtype=torch.float64, device=device)
        shift = torch.empty(2, pixels, dtype=torch.float64, device=device)
        edges = torch.empty(2, pixels, 2, dtype=torch.int32, device=device)
        launch(
            kernels.screen_points,
            (blocks(len(points)),),
            clip,
            clip,
            points,
            len(points),
            height,
            width,
            BLOCK=BLOCK,
        )
        launch(
            kernels.find_pairs,
            (blocks(pixels), 2),
            clip,
            rast,
            points,
            tri.contiguous(),
            neighbors,
            shift,
            edges,
            pixels,
            vertices,
            height,
            width,
            MAX_STEPS=kernels.MAX_STEPS,
            BLOCK=BLOCK,
        )
        ctx.save_for_backward(color, clip, points, shift, edges)
        return _blend(color, shift, backward=False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        color, clip, points, shift, edges = ctx.saved_tensors
        grad = grads[0].contiguous()
        grad_color = _blend(grad, shift, backward=True) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[2]:
            return grad_color, None, None, None
        batch, height, width, channels = color.shape
        pixels = batch * height * width
        total = torch.zeros(clip.shape, dtype=torch.int64, device=clip.device)
        limit = torch.zeros(1, dtype=torch.int32, device=clip.device)
        bits = sum_bits(2 * height * width)
        for measure in (True, False):
            launch(
                kernels.move_edges,
                (blocks(pixels), 2),
                clip,
                grad,
                color,
                shift,
                edges,
                points,
                clip,
                total,
                limit,
                pixels,
                height,
                width,
                bits,
                MEASURE=measure,
                CHANNELS=channels,
                BLOCK=BLOCK,
                AT_ONCE=channel_block(channels),
            )
        return grad_color, None, to_float(total, limit, bits, clip), None


def _blend(source: Tensor, shift: Tensor, backward: bool) -> Tensor:
    batch, height, width, channels = source.shape
    out, at_once = torch.empty_like(source), channel_block(channels)
    launch(
        kernels.blend,
        (blocks(batch * height * width), blocks(channels, at_once)),
        source,
        source,
        shift,
        out,
        batch * height * width,
        height,
        width,
        BACKWARD=backward,
        CHANNELS=channels,
        BLOCK=BLOCK,
        AT_ONCE=at_once,
    )
    return out
