"""Rasterize, depth and interpolate on a GPU: the kernels wrapped as torch functions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fitme.render.backends.triton import kernels_barycentrics, kernels_interpolate
from fitme.render.backends.triton import kernels_raster as kernels
from fitme.render.backends.triton.fixed_point import limit_of, sum_bits, to_float
from fitme.render.backends.triton.launch import BLOCK, INTERPRETED, blocks, channel_block, launch

SMALL_TILE, LARGE_TILE = 8, 16  # pixels a side: triangles of a head are 1 to 30 pixels wide
MOST_TILES = 16  # that one program draws of a triangle, one after the other
# Programs that share the large triangles: four per multiprocessor of an H100.
DRAWERS = 4 if INTERPRETED else 528


def rasterize(clip: Tensor, tri: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """See `Backend.rasterize`; tri int32."""
    return _Rasterize.apply(clip, tri, size)


def depth(clip: Tensor, tri: Tensor, size: tuple[int, int]) -> Tensor:
    """See `Backend.depth`; tri int32."""
    keys = _z_buffer(clip.detach().contiguous(), tri.contiguous(), size)
    out = clip.new_empty(clip.shape[0], *size)
    launch(
        kernels.depths,
        (blocks(out.numel()),),
        out,
        keys,
        out,
        out.numel(),
        DEPTH_SCALE=kernels.DEPTH_SCALE,
        ID_BITS=kernels.ID_BITS,
        EMPTY=kernels.EMPTY,
        BLOCK=BLOCK,
    )
    return out


def interpolate(
    attr: Tensor, rast: Tensor, tri: Tensor, rast_db: Tensor | None, diff: int
) -> tuple[Tensor, Tensor]:
    """See `Backend.interpolate`; tri int32."""
    return _Interpolate.apply(attr, rast, tri, rast_db, diff)


def _z_buffer(clip: Tensor, tri: Tensor, size: tuple[int, int]) -> Tensor:
    """[B*H*W] int64: see `kernels_raster`. clip and tri contiguous."""
    (batch, vertices, _), (height, width) = clip.shape, size
    triangles = tri.shape[0]
    if triangles >= 1 << kernels.ID_BITS:
        raise ValueError(f"tri: at most {(1 << kernels.ID_BITS) - 1} triangles, got {triangles}")
    items, device = batch * triangles, clip.device
    keys = torch.full((batch * height * width,), kernels.EMPTY, dtype=torch.int64, device=device)
    screen = torch.empty(9 * items, dtype=torch.float64, device=device)
    boxes = torch.empty(4 * items, dtype=torch.int32, device=device)
    large = torch.zeros(items + 1, dtype=torch.int32, device=device)
    launch(
        kernels.set_up,
        (blocks(items),),
        clip,
        clip,
        tri,
        screen,
        boxes,
        large,
        items,
        triangles,
        vertices,
        height,
        width,
        MIN_W=kernels.MIN_W,
        TILE=SMALL_TILE,
        MOST=MOST_TILES,
        BLOCK=BLOCK,
    )
    fixed = {"DEPTH_SCALE": kernels.DEPTH_SCALE, "ID_BITS": kernels.ID_BITS}
    shape = (triangles, height, width)
    launch(
        kernels.draw_small,
        (items,),
        clip,
        screen,
        boxes,
        keys,
        *shape,
        TILE=SMALL_TILE,
        MOST=MOST_TILES,
        num_warps=1,
        **fixed,
    )
    if items:
        launch(
            kernels.draw_large,
            (DRAWERS,),
            clip,
            screen,
            boxes,
            keys,
            large,
            *shape,
            TILE=LARGE_TILE,
            **fixed,
        )
    return keys


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, clip: Tensor, tri: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        clip, tri = clip.contiguous(), tri.contiguous()
        keys = _z_buffer(clip, tri, size)
        rast = clip.new_empty(clip.shape[0], *size, 4)
        rast_db = torch.empty_like(rast)
        launch(
            kernels_barycentrics.barycentrics,
            (blocks(len(keys)),),
            clip,
            keys,
            clip,
            tri,
            rast,
            rast_db,
            len(keys),
            clip.shape[1],
            *size,
            ID_BITS=kernels.ID_BITS,
            EMPTY=kernels.EMPTY,
            BLOCK=BLOCK,
        )
        ctx.save_for_backward(clip, tri, rast)
        ctx.mark_non_differentiable(rast_db)
        return rast, rast_db

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        clip, tri, rast = ctx.saved_tensors
        batch, height, width, _ = rast.shape
        grad, pixels = grads[0].contiguous(), batch * height * width
        total = torch.zeros(clip.shape, dtype=torch.int64, device=clip.device)
        limit = torch.zeros(1, dtype=torch.int32, device=clip.device)
        bits = sum_bits(height * width)
        for measure in (True, False):
            launch(
                kernels_barycentrics.barycentrics_backward,
                (blocks(pixels),),
                clip,
                grad,
                rast,
                clip,
                tri,
                total,
                limit,
                pixels,
                clip.shape[1],
                height,
                width,
                bits,
                MEASURE=measure,
                BLOCK=BLOCK,
            )
        return to_float(total, limit, bits, clip), None, None


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, attr: Tensor, rast: Tensor, tri: Tensor, rast_db: Tensor | None, diff: int
    ) -> tuple[Tensor, Tensor]:
        attr, rast, tri = attr.contiguous(), rast.contiguous(), tri.contiguous()
        batch, height, width, _ = rast.shape
        channels, pixels = attr.shape[2], batch * height * width
        out = attr.new_empty(batch, height, width, channels)
        out_da = attr.new_empty(batch, height, width, 2 * diff)
        at_once = channel_block(channels)
        launch(
            kernels_interpolate.interpolate,
            (blocks(pixels), blocks(channels, at_once)),
            attr,
            attr,
            rast,
            tri,
            rast if rast_db is None else rast_db.contiguous(),
            out,
            out_da if diff else out,
            pixels,
            attr.shape[1] if attr.shape[0] > 1 else 0,
            height * width,
            CHANNELS=channels,
            DIFF=diff,
            BLOCK=BLOCK,
            AT_ONCE=at_once,
        )
        ctx.save_for_backward(attr, rast, tri)
        ctx.mark_non_differentiable(out_da)
        return out, out_da

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        attr, rast, tri = ctx.saved_tensors
        batch, height, width, _ = rast.shape
        pixels, grad = batch * height * width, grads[0].contiguous()
        with_attr = bool(ctx.needs_input_grad[0])
        total = torch.zeros(attr.shape if with_attr else 1, dtype=torch.int64, device=attr.device)
        limit = limit_of(grad) if with_attr else total
        bits = sum_bits(pixels)
        grad_rast = torch.empty_like(rast)
        launch(
            kernels_interpolate.interpolate_backward,
            (blocks(pixels),),
            attr,
            grad,
            attr,
            rast,
            tri,
            total,
            limit,
            grad_rast,
            pixels,
            attr.shape[1] if attr.shape[0] > 1 else 0,
            height * width,
            bits,
            CHANNELS=attr.shape[2],
            WITH_ATTR=with_attr,
            BLOCK=BLOCK,
            AT_ONCE=channel_block(attr.shape[2]),
        )
        grad_attr = to_float(total, limit, bits, attr) if with_attr else None
        return grad_attr, grad_rast, None, None, None
