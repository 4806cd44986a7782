"""The five operations of the CPU backend: numba kernels wrapped as torch functions. Same inputs,
same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fitme.render.backends.base import Backend
from fitme.render.backends.cpu import kernels_raster as raster
from fitme.render.backends.cpu.antialias import antialias
from fitme.render.backends.cpu.parallel import ACCUMULATORS, ROW_CHUNKS, array, run_chunks
from fitme.render.backends.cpu.texture import level_of_detail, texture_at
from fitme.render.checks import check_batch, check_clip, check_color, check_triangles


class CpuOperations(Backend):
    """Stateless; float32 or float64 tensors on the CPU. With the generic stages on top of its
    operations it is the plain form of `CpuBackend`, to compare that with."""

    name = "cpu operations"

    def rasterize(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        check_clip(clip, tri, size)
        return _Rasterize.apply(clip, tri.int(), size)

    def depth(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> Tensor:
        check_clip(clip, tri, size)
        return torch.from_numpy(_z_buffer(clip, tri.int(), size)[0]).reshape(-1, *size)

    def interpolate(
        self, attr: Tensor, rast: Tensor, tri: Tensor, rast_db: Tensor | None = None, diff: int = 0
    ) -> tuple[Tensor, Tensor]:
        check_batch("attr", attr, 3, rast)
        check_triangles("tri", tri, attr.shape[1])
        if diff and rast_db is None:
            raise ValueError("interpolate: diff needs rast_db")
        return _Interpolate.apply(attr, rast, tri.int(), rast_db, diff)

    def texture(self, tex: Tensor, uv: Tensor, uv_da: Tensor | None = None) -> Tensor:
        check_batch("tex", tex, 4, uv)
        lods = uv.new_zeros(uv.shape[:3])
        if uv_da is not None:
            lods = level_of_detail(uv_da, tex.shape[1], tex.shape[2])
        if tex.shape[0] == 1:
            return texture_at(tex, uv, lods)
        parts = [
            texture_at(one, at, lod)
            for one, at, lod in zip(tex.split(1), uv.split(1), lods.split(1), strict=True)
        ]
        return torch.cat(parts)

    def antialias(self, color: Tensor, rast: Tensor, clip: Tensor, tri: Tensor) -> Tensor:
        check_clip(clip, tri, (rast.shape[1], rast.shape[2]))
        check_color(color, rast)
        return antialias(color, rast, clip, tri.int())


def _z_buffer(clip: Tensor, tri: Tensor, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Per pixel of B*H*W: z/w of the nearest surface (inf: none), its place in B*T (-1: none)."""
    (batch, vertices, _), (height, width) = clip.shape, size
    triangles, pixels = tri.shape[0], batch * height * width
    screen = np.empty((batch * triangles, 9), np.float64)
    rows = np.empty((batch * triangles, 2), np.int32)
    run_chunks(
        raster.screen_rows,
        batch * triangles,
        array(clip, -1, 4),
        array(tri),
        vertices,
        height,
        width,
        screen,
        rows,
    )
    depth = np.full(pixels, np.inf, np.float32 if clip.dtype == torch.float32 else np.float64)
    ids = np.full(pixels, -1, np.int32)
    run_chunks(
        raster.raster_rows,
        batch * height,
        screen,
        rows,
        triangles,
        height,
        width,
        depth,
        ids,
        # each looks through all triangles; the nearest wins, however rows are split
        chunks=min(ROW_CHUNKS, 4 * torch.get_num_threads()),
    )
    return depth, ids


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, clip: Tensor, tri: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        (batch, vertices, _), (height, width) = clip.shape, size
        _, ids = _z_buffer(clip, tri, size)
        rast = clip.new_empty(batch, height, width, 4)
        rast_db = torch.empty_like(rast)
        run_chunks(
            raster.barycentrics,
            batch * height,
            ids,
            array(clip, -1, 4),
            array(tri),
            vertices,
            height,
            width,
            array(rast, -1, 4),
            array(rast_db, -1, 4),
            chunks=ROW_CHUNKS,
        )
        ctx.save_for_backward(clip, tri, rast)
        ctx.mark_non_differentiable(rast_db)
        return rast, rast_db

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        clip, tri, rast = ctx.saved_tensors
        batch, height, width, _ = rast.shape
        total = clip.new_zeros(ACCUMULATORS, batch * clip.shape[1], 4)
        run_chunks(
            raster.barycentrics_backward,
            batch * height,
            array(grads[0], -1, 4),
            array(rast, -1, 4),
            array(clip, -1, 4),
            array(tri),
            clip.shape[1],
            height,
            width,
            array(total),
            chunks=ACCUMULATORS,
        )
        return total.sum(0).reshape(clip.shape), None, None


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, attr: Tensor, rast: Tensor, tri: Tensor, rast_db: Tensor | None, diff: int
    ) -> tuple[Tensor, Tensor]:
        batch, height, width, _ = rast.shape
        out = attr.new_empty(batch, height, width, attr.shape[2])
        out_da = attr.new_empty(batch, height, width, 2 * diff)
        db = rast if rast_db is None else rast_db
        run_chunks(
            raster.interpolate,
            batch * height * width,
            array(attr, -1, attr.shape[2]),
            attr.shape[1] if attr.shape[0] > 1 else 0,
            height * width,
            array(rast, -1, 4),
            array(tri),
            array(db, -1, 4),
            diff,
            array(out, -1, attr.shape[2]),
            array(out_da, -1, 2 * diff) if diff else array(out_da, batch * height * width, 0),
        )
        ctx.save_for_backward(attr, rast, tri)
        ctx.mark_non_differentiable(out_da)
        return out, out_da

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        attr, rast, tri = ctx.saved_tensors
        batch, height, width, _ = rast.shape
        channels = attr.shape[2]
        with_attr = bool(ctx.needs_input_grad[0])
        shape = (ACCUMULATORS, attr.shape[0] * attr.shape[1], channels) if with_attr else (1, 1, 1)
        total = attr.new_zeros(*shape)
        grad_rast = torch.empty_like(rast)
        run_chunks(
            raster.interpolate_backward,
            batch * height * width,
            array(grads[0], -1, channels),
            array(attr, -1, channels),
            attr.shape[1] if attr.shape[0] > 1 else 0,
            height * width,
            array(rast, -1, 4),
            array(tri),
            with_attr,
            array(total),
            array(grad_rast, -1, 4),
            chunks=ACCUMULATORS,
        )
        grad_attr = total.sum(0).reshape(attr.shape) if with_attr else None
        return grad_attr, grad_rast, None, None, None
