"""Resampling with the binomial filter [1, 3, 3, 1], as depthwise convolutions.

StyleGAN2 (Karras et al., arXiv 1912.04958, section 2) filters every change of resolution so
that no checkerboard and no aliasing enters. On a CPU a depthwise 4x4 convolution of a
channels_last tensor is several times faster than separable passes or sums of slices.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.runtime.constants import constant_of

TAPS = (1.0, 3.0, 3.0, 1.0)


def binomial(gain: float = 1.0, like: Tensor | None = None) -> Tensor:
    """The 2-D kernel [4,4] whose entries sum to `gain`; as `like` is, kept for all of its kind."""
    if like is not None:
        return constant_of(binomial, gain, like=like)
    taps = torch.tensor(TAPS)
    kernel = torch.outer(taps, taps)
    return kernel * (gain / kernel.sum())


def upfirdn(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None = None,
    *,
    up: int = 1,
    down: int = 1,
    pad: int = 0,
) -> Tensor:
    """x [B,C,H,W], kernel [k,k], bias [C] -> [B,C,H',W'], H' = (H up + 2 pad - k) // down + 1.

    Insert up-1 zeros after each sample, pad with `pad` zeros on every side, correlate with the
    kernel, keep every `down`-th. Not both up and down; the filters used here are symmetric,
    for which correlation and convolution are one.
    """
    channels = x.shape[1]
    size = kernel.shape[-1]
    weight = kernel.to(device=x.device, dtype=x.dtype).expand(channels, 1, size, size)
    if up == 1:
        return F.conv2d(x, weight, bias, stride=down, padding=pad, groups=channels)
    if down != 1:
        raise ValueError("upfirdn does up or down, not both at once")
    # The transposed convolution scatters, which is a correlation with the flipped kernel on
    # the zero-stuffed signal padded by k-1; zeros stuffed after the last sample are added.
    crop = size - 1 - pad
    return F.conv_transpose2d(
        x, weight.flip(2, 3), bias, stride=up, padding=crop, output_padding=up - 1, groups=channels
    )


def upsample(x: Tensor) -> Tensor:
    """[B,C,H,W] -> [B,C,2H,2W]; the mean is kept (away from the border, which sees zeros)."""
    # Written out because upfirdn's output_padding adds a last row that would be cut again.
    channels = x.shape[1]
    weight = binomial(4.0, x).expand(channels, 1, 4, 4)
    return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=channels)


def downsample(x: Tensor) -> Tensor:
    """[B,C,H,W] -> [B,C,H/2,W/2]."""
    return upfirdn(x, binomial(1.0, x), down=2, pad=1)


def shrink(x: Tensor, resolution: int) -> Tensor:
    """[B,C,H,H] -> [B,C,resolution,resolution] by repeated halving with a 2x2 box.

    The box keeps means exactly and has no border effect: right for targets and for exits,
    which must agree with what a texture unit's mip levels show.
    """
    while x.shape[-1] > resolution:
        x = F.avg_pool2d(x, 2)
    if x.shape[-1] != resolution:
        raise ValueError(f"{resolution} is not {x.shape[-1]} times a power of two")
    return x
