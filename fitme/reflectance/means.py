"""Means over windows around each texel, as smoothing is made of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.reflectance.kernels_means import window_sums
from fitme.render.backends.cpu.parallel import array, run_chunks


def window_mean(images: Tensor, height: int, width: int) -> Tensor:
    """Means of images [N,C,H,W] over windows of height x width texels, both odd, of what of them
    lies inside.

    Torch's average pooling, whose kernel takes texel by texel on a CPU: where no gradient is asked
    for there, the same bits in a sixth of the time.
    """
    up, aside = height // 2, width // 2
    if images.device.type != "cpu" or images.dtype != torch.float32 or _recorded(images):
        return F.avg_pool2d(images, (height, width), 1, (up, aside), count_include_pad=False)
    last = images.movedim(1, -1)  # channels next to each other, if they are
    if not images.is_contiguous() and last.is_contiguous():
        out = torch.empty_like(last)
        shape, step = (len(last), last.shape[1], -1), last.shape[3]
        _fill(last, out, shape, step, up, aside)
        return out.movedim(-1, 1)
    images = images.contiguous()
    out = torch.empty_like(images)
    _fill(images, out, (-1, *images.shape[2:]), 1, up, aside)
    return out


def box_mean(images: Tensor, reach: int) -> Tensor:
    """Means of images [N,C,H,W] over squares from `reach` texels before to as many behind, of what
    lies inside; along columns, then along rows, which is the same and much faster."""
    side = 2 * reach + 1
    return window_mean(window_mean(images, side, 1), 1, side)


def _recorded(images: Tensor) -> bool:
    return images.requires_grad and torch.is_grad_enabled()


def _fill(
    images: Tensor, out: Tensor, shape: tuple[int, ...], step: int, up: int, aside: int
) -> None:
    flat = array(images, *shape)
    rows = flat.shape[0] * flat.shape[1]
    run_chunks(window_sums, rows, flat, step, up, aside, array(out, *shape))
