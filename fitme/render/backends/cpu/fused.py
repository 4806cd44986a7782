"""What `render` does on the CPU instead of the generic chain of operations: the same numbers
with fewer passes over memory. `fitme.render.stages` holds the generic chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fitme.render.backends.cpu import kernels_points as kernels
from fitme.render.backends.cpu.antialias import find_pairs
from fitme.render.backends.cpu.parallel import ACCUMULATORS, array, run_chunks
from fitme.render.stages import Points


def covered_pixels(rast: Tensor) -> Tensor:
    """rast [B,H,W,4] -> ascending indices [N] of the pixels that show something."""
    rows = array(rast, -1, *rast.shape[2:])
    counts = np.empty(len(rows), np.int64)
    run_chunks(kernels.covered, len(rows), rows, counts)
    offsets = np.cumsum(counts) - counts
    pixels = np.empty(int(counts.sum()), np.int64)
    run_chunks(kernels.list_covered, len(rows), rows, offsets, pixels)
    return torch.from_numpy(pixels)


def gather_points(
    rast: Tensor,
    rast_db: Tensor,
    pixels: Tensor,
    position: Tensor,
    normal: Tensor,
    tangent: Tensor | None,
    occlusion: Tensor | None,
    uv: Tensor,
    tri: Tensor,
    uv_tri: Tensor,
) -> Points:
    """See `stages.gather_points`."""
    at, normals, tangents, visible, where, footprint, face = _Gather.apply(
        rast, rast_db, pixels, position, normal, tangent, occlusion, uv, tri, uv_tri
    )
    return Points(
        at,
        normals,
        None if tangent is None else tangents,
        None if occlusion is None else visible,
        where,
        footprint,
        face,
    )


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Any:
        rast, rast_db, pixels, position, normal, tangent, occlusion, uv, tri, uv_tri = inputs
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(True)
        count = len(pixels)
        new = position.new_empty
        outputs = (
            new(count, 3),
            new(count, 3),
            new(count if tangent is not None else 0, 3),
            new(count if occlusion is not None else 0, 1),
            new(count, 2),
            new(count, 4),
            torch.empty(count, dtype=torch.int64),
        )
        run_chunks(
            kernels.gather,
            count,
            array(pixels),
            rast.shape[1] * rast.shape[2],
            array(rast, -1, 4),
            array(rast_db, -1, 4),
            array(tri),
            array(uv_tri),
            position.shape[1],
            uv.shape[0],
            *_attributes(position, normal, tangent, occlusion, uv),
            *(array(value) for value in outputs),
        )
        ctx.mark_non_differentiable(outputs[5], outputs[6])
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        rast, _, pixels, position, normal, tangent, occlusion, uv, tri, uv_tri = ctx.saved_tensors
        attributes = _attributes(position, normal, tangent, occlusion, uv)
        totals = [position.new_zeros(ACCUMULATORS, *value.shape) for value in attributes[:4]]
        grad_rast = torch.zeros_like(rast)
        run_chunks(
            kernels.gather_backward,
            len(pixels),
            array(pixels),
            rast.shape[1] * rast.shape[2],
            array(rast, -1, 4),
            array(tri),
            array(uv_tri),
            position.shape[1],
            uv.shape[0],
            *attributes,
            *(array(grad) for grad in grads[:5]),
            *(array(total) for total in totals),
            array(grad_rast, -1, 4),
            chunks=ACCUMULATORS,
        )
        wanted = (position, normal, tangent, occlusion)
        summed = [
            None if value is None else total.sum(0).reshape(value.shape)
            for value, total in zip(wanted, totals, strict=True)
        ]
        return grad_rast, None, None, *summed, None, None, None


def _attributes(
    position: Tensor, normal: Tensor, tangent: Tensor | None, occlusion: Tensor | None, uv: Tensor
) -> tuple[np.ndarray, ...]:
    none = position.new_zeros(0, 3)
    return (
        array(position, -1, 3),
        array(normal, -1, 3),
        array(none if tangent is None else tangent, -1, 3),
        array(none[:, :1] if occlusion is None else occlusion, -1, 1),
        array(uv),
    )


def composite(
    diffuse: Tensor,
    specular: Tensor,
    pixels: Tensor,
    background: Tensor | None,
    rast: Tensor,
    clip: Tensor,
    tri: Tensor,
    antialias: bool,
) -> tuple[Tensor, Tensor]:
    """See `stages.composite`."""
    return _Composite.apply(diffuse, specular, pixels, background, rast, clip, tri, antialias)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        diffuse: Tensor,
        specular: Tensor,
        pixels: Tensor,
        background: Tensor | None,
        rast: Tensor,
        clip: Tensor,
        tri: Tensor,
        antialias: bool,
    ) -> tuple[Tensor, Tensor]:
        shape = rast.shape[:3]
        color = diffuse.new_zeros(*shape, 3)
        if background is not None:
            color.copy_(background.expand(*shape, 3))
        alpha = diffuse.new_zeros(*shape, 1)
        run_chunks(
            kernels.place,
            len(pixels),
            array(pixels),
            array(diffuse),
            array(specular),
            array(color, -1, 3),
            array(alpha, -1, 1),
        )
        ctx.save_for_backward(pixels, clip)
        ctx.pairs, ctx.background = None, None if background is None else background.shape
        if antialias:
            ctx.pairs = find_pairs(rast, clip, tri)
            images = (array(color, -1, 3), array(alpha, -1, 1))
            ctx.differences = [ctx.pairs.apply(image) for image in images]
        return color, alpha

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        pixels, clip = ctx.saved_tensors
        before, grad_clip = array(grads[0], -1, 3), None
        if ctx.pairs is not None:
            slope = np.zeros(len(ctx.pairs.distance))
            before = ctx.pairs.backward(before, ctx.differences[0], slope)
            if ctx.needs_input_grad[5]:  # the clip coordinates: shape or camera move
                ctx.pairs.backward(array(grads[1], -1, 1), ctx.differences[1], slope)
                grad_clip = ctx.pairs.clip_gradient(clip, slope)
        lit = grads[0].new_empty(len(pixels), 3)
        run_chunks(kernels.pick, len(pixels), array(pixels), before, array(lit))
        behind = None
        if ctx.background is not None and ctx.needs_input_grad[3]:
            empty = torch.from_numpy(before.copy()).index_fill_(0, pixels, 0.0)
            behind = empty.reshape(grads[0].shape).sum_to_size(ctx.background)
        return lit, lit, None, behind, None, grad_clip, None, None
