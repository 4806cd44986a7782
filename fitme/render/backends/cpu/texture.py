"""The CPU texture unit as a torch function: mip chain, trilinear lookup, gradients."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fitme.render.backends.cpu import kernels_texture as kernels
from fitme.render.backends.cpu.parallel import CHUNKS, array, run_chunks
from fitme.render.maps import mip_levels


def level_of_detail(uv_da: Tensor, height: int, width: int) -> Tensor:
    """uv_da [...,4] -> mip level [...] in a texture of that size; no gradient."""
    lods = uv_da.new_empty(uv_da.shape[:-1])
    run_chunks(
        kernels.level_of_detail,
        lods.numel(),
        array(uv_da, -1, 4),
        height,
        width,
        mip_levels(height, width),
        array(lods, -1),
    )
    return lods


def texture_at(tex: Tensor, uv: Tensor, lods: Tensor) -> Tensor:
    """tex [1,h,w,C] at uv [B,H,W,2] and mip levels [B,H,W] -> [B,H,W,C]. Maps of one size can
    share their levels."""
    return _Texture.apply(tex, uv, lods)


def sample_stacked(
    textures: Mapping[str, Tensor], uv: Tensor, footprint: Tensor
) -> dict[str, Tensor]:
    """Look up maps of one size together: the texels and weights of a point are found only once.

    Leaves out maps of several images and those of one colour.
    """
    sizes: dict[tuple[int, int], list[str]] = {}
    for name, texture in textures.items():
        batch, height, width, _ = texture.shape
        if batch == 1 and (height, width) != (1, 1):
            sizes.setdefault((height, width), []).append(name)
    found: dict[str, Tensor] = {}
    for size, names in sizes.items():
        maps = [textures[name].to(uv) for name in names]
        stacked = maps[0] if len(maps) == 1 else torch.cat(maps, dim=3)
        lods = level_of_detail(footprint, *size)
        values = texture_at(stacked, uv[None, None], lods[None, None])[0, 0]
        channels = [one.shape[3] for one in maps]
        found |= dict(zip(names, values.split(channels, dim=1), strict=True))
    return found


def mip_table(height: int, width: int) -> np.ndarray:
    """[L,3] int64 (height, width, offset into the buffer of levels 1..) of every level."""
    table = [(height, width, 0)]
    offset = 0
    for _ in range(mip_levels(height, width)):
        height, width = height // 2, width // 2
        table.append((height, width, offset))
        offset += height * width
    return np.array(table, np.int64)


def _mip_size(table: np.ndarray) -> int:
    return int((table[1:, 0] * table[1:, 1]).sum())


def build_mips(tex: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Levels 1.. of tex [H*W,C] as one buffer [M,C]."""
    mips = np.empty((_mip_size(table), tex.shape[1]), tex.dtype)
    source, offset = tex, 0
    for (_, width, _), (rows, _, target) in itertools.pairwise(table):
        run_chunks(
            kernels.halve,
            int(rows),
            _like(tex),
            source,
            offset,
            int(width),
            mips,
            int(target),
            chunks=_row_chunks(int(rows)),
        )
        source, offset = mips, int(target)
    return mips


def spread_mips(grad_mips: np.ndarray, table: np.ndarray, grad_tex: np.ndarray) -> None:
    """Add the gradients of all levels down into level 1, and set grad_tex [H*W,C] from it."""
    for level in range(len(table) - 1, 0, -1):
        rows, offset = int(table[level, 0]), int(table[level, 2])
        finer, target = (grad_tex, 0) if level == 1 else (grad_mips, int(table[level - 1, 2]))
        run_chunks(
            kernels.spread,
            rows,
            _like(grad_tex),
            level == 1,
            grad_mips,
            offset,
            int(table[level - 1, 1]),
            finer,
            target,
            chunks=_row_chunks(rows),
        )


def _like(rows: np.ndarray) -> tuple[int, ...]:
    """Tells a kernel the number of channels at compile time."""
    return (0,) * rows.shape[1]


def _row_chunks(rows: int) -> int:
    return CHUNKS if rows >= 64 else 1


def row_bounds(v: np.ndarray, table: np.ndarray, bands: int) -> np.ndarray:
    """[bands+1,L] rows that split every level into bands with about as many pixels each."""
    cuts = np.sort(v)[len(v) * np.arange(1, bands) // bands] if len(v) else np.ones(bands - 1)
    edges = np.concatenate([[0.0], np.clip(cuts, 0.0, 1.0), [1.0]])
    return np.rint(edges[:, None] * table[None, :, 0]).astype(np.int64)


class _Texture(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tex: Tensor, uv: Tensor, lods: Tensor) -> Tensor:
        _, height, width, channels = tex.shape
        table = mip_table(height, width)
        texels, where = array(tex, -1, channels), array(uv, -1, 2)
        mips = build_mips(texels, table)
        out = tex.new_empty(*uv.shape[:3], channels)
        run_chunks(
            kernels.sample,
            len(where),
            _like(texels),
            texels,
            mips,
            table,
            where,
            array(lods, -1),
            array(out, -1, channels),
        )
        ctx.save_for_backward(tex, uv, lods)
        ctx.levels = (mips, table)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        tex, uv, lods = ctx.saved_tensors
        mips, table = ctx.levels
        channels = tex.shape[3]
        grad, where, levels = array(grads[0], -1, channels), array(uv, -1, 2), array(lods, -1)
        like, texels = _like(grad), array(tex, -1, channels)
        grad_tex, grad_uv = None, None
        if ctx.needs_input_grad[1]:
            grad_uv = torch.empty_like(uv, memory_format=torch.contiguous_format)
            run_chunks(
                kernels.sample_backward_uv,
                len(where),
                like,
                grad,
                texels,
                mips,
                table,
                where,
                levels,
                array(grad_uv, -1, 2),
            )
        if ctx.needs_input_grad[0]:
            new = torch.empty_like if len(mips) else torch.zeros_like
            grad_tex = new(tex, memory_format=torch.contiguous_format)
            target, grad_mips = array(grad_tex, -1, channels), np.zeros_like(mips)
            bands = min(torch.get_num_threads(), CHUNKS)
            bounds = row_bounds(where[:: max(1, len(where) // 4096), 1], table, bands)
            tail = (like, grad, table, bounds, where, levels)
            if len(mips):
                run_chunks(
                    kernels.scatter_bands, bands, *tail, True, target, grad_mips, chunks=bands
                )
                spread_mips(grad_mips, table, target)
            run_chunks(kernels.scatter_bands, bands, *tail, False, target, grad_mips, chunks=bands)
        return grad_tex, grad_uv, None
