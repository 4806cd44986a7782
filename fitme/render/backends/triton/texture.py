"""The texture unit on a GPU as a torch function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fitme.render.backends.triton import kernels_texture as kernels
from fitme.render.backends.triton.fixed_point import limit_of, sum_bits
from fitme.render.backends.triton.launch import BLOCK, blocks, channel_block, launch
from fitme.render.maps import mip_levels

TEXELS = 4 * BLOCK  # values of a level that one program makes


def sample(
    tex: Tensor, uv: Tensor, uv_da: Tensor | None, images: Tensor | None, plane: int
) -> Tensor:
    """tex [1 or B,h,w,C] at points uv [N,2] with footprints uv_da [N,4] (None: level 0) -> [N,C].
    A point's image is images [N] int64 (-1: leave it out, it gets 0), or (None) its place divided
    by `plane`."""
    return _Texture.apply(tex, uv, uv_da, images, plane)


def sample_maps(
    textures: Mapping[str, Tensor], uv: Tensor, footprint: Tensor, images: Tensor
) -> dict[str, Tensor]:
    """Each texture [1 or B,h,w,C] at points uv [N,2] with footprint [N,4], images [N] -> [N,C].
    Maps of one size are looked up together. Of one colour, also points that are left out get it."""
    found: dict[str, Tensor] = {}
    sizes: dict[tuple[int, ...], list[str]] = {}
    for name, texture in textures.items():
        if texture.shape[:3] == (1, 1, 1):
            found[name] = texture.to(uv).reshape(1, -1).expand(uv.shape[0], -1)
        else:
            sizes.setdefault(tuple(texture.shape[:3]), []).append(name)
    for names in sizes.values():
        maps = [textures[name].to(uv) for name in names]
        stacked = maps[0] if len(maps) == 1 else torch.cat(maps, dim=3)
        values = sample(stacked, uv, footprint, images, 1)
        channels = [one.shape[3] for one in maps]
        found |= dict(zip(names, values.split(channels, dim=1), strict=True))
    return found


def build_mips(tex: Tensor, levels: int) -> Tensor:
    """[B,M,C]: levels 1.. of tex [B,h,w,C] contiguous, one after another."""
    batch, height, width, channels = tex.shape
    total = (height * width - ((height * width) >> (2 * levels))) // 3
    mips = tex.new_empty(batch, total, channels)
    source, source_step, start = tex.view(-1), height * width, 0
    flat = mips.view(-1)
    for _ in range(levels):
        height, width = height // 2, width // 2
        target, count = flat[start * channels :], batch * height * width * channels
        sizes = (count, source_step, total, height, width)
        launch(
            kernels.halve,
            (blocks(count, TEXELS),),
            tex,
            source,
            target,
            *sizes,
            CHANNELS=channels,
            BLOCK=TEXELS,
        )
        source, source_step, start = target, total, start + height * width
    return mips


class _Texture(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        tex: Tensor,
        uv: Tensor,
        uv_da: Tensor | None,
        images: Tensor | None,
        plane: int,
    ) -> Tensor:
        tex, uv = tex.contiguous(), uv.contiguous()
        uv_da = None if uv_da is None else uv_da.detach().contiguous()
        images = None if images is None else images.contiguous()
        batch, height, width, channels = tex.shape
        levels = 0 if uv_da is None else mip_levels(height, width)
        mips = build_mips(tex, levels)
        points, at_once = uv.shape[0], channel_block(channels)
        out = tex.new_empty(points, channels)
        sizes = (points, plane, height, width, levels, mips.shape[1], int(batch > 1))
        launch(
            kernels.sample,
            (blocks(points), blocks(channels, at_once)),
            tex,
            tex,
            mips if mips.numel() else tex,
            uv,
            uv if uv_da is None else uv_da,
            uv if images is None else images,
            out,
            *sizes,
            CHANNELS=channels,
            HAS_DA=uv_da is not None,
            HAS_IMAGES=images is not None,
            BLOCK=BLOCK,
            AT_ONCE=at_once,
        )
        ctx.save_for_backward(tex, mips, uv, uv_da, images)
        ctx.sizes = sizes
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        tex, mips, uv, uv_da, images = ctx.saved_tensors
        grad, channels = grads[0].contiguous(), tex.shape[3]
        with_tex, with_uv = bool(ctx.needs_input_grad[0]), bool(ctx.needs_input_grad[1])
        count = tex.numel() + mips.numel() if with_tex else 1
        total = torch.zeros(count, dtype=torch.int64, device=tex.device)
        total_mips = total[tex.numel() :] if with_tex and mips.numel() else total
        limit = limit_of(grad) if with_tex else total
        bits = sum_bits(uv.shape[0])
        grad_uv = torch.empty_like(uv) if with_uv else uv
        launch(
            kernels.sample_backward,
            (blocks(uv.shape[0]),),
            tex,
            grad,
            tex,
            mips if mips.numel() else tex,
            uv,
            uv if uv_da is None else uv_da,
            uv if images is None else images,
            total,
            total_mips,
            limit,
            grad_uv,
            *ctx.sizes,
            bits,
            CHANNELS=channels,
            HAS_DA=uv_da is not None,
            HAS_IMAGES=images is not None,
            WITH_TEX=with_tex,
            WITH_UV=with_uv,
            BLOCK=BLOCK,
            AT_ONCE=channel_block(channels),
        )
        grad_tex = None
        if with_tex:
            grad_tex = torch.empty_like(tex)
            _, _, height, width, levels, mip_texels, _ = ctx.sizes
            launch(
                kernels.gather_levels,
                (blocks(tex.numel(), TEXELS),),
                tex,
                total,
                total_mips,
                limit,
                grad_tex,
                tex.numel(),
                bits,
                height,
                width,
                levels,
                mip_texels,
                CHANNELS=channels,
                BLOCK=TEXELS,
            )
        return grad_tex, grad_uv if with_uv else None, None, None, None
