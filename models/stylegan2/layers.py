"""Equalised linear and convolution layers, and the modulated convolution of StyleGAN2.

Equalised learning rate (Karras et al., arXiv 1710.10196, section 4.1): parameters are stored
with unit variance and scaled by 1/sqrt(fan in) at run time, so that Adam moves every layer at
the same relative speed.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fitme.models.stylegan2.convolution import convolve
from fitme.models.stylegan2.filters import binomial, upfirdn

SLOPE = 0.2  # of the leaky ReLU
GAIN = math.sqrt(2.0)  # restores unit variance after the leaky ReLU (He et al. 2015)
HALF_CLAMP = 256.0  # StyleGAN2-ADA: keeps half-precision activations far from overflow

Path = Literal["auto", "weights", "features"]


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU, in place (`x` must be fresh), clamped in float16.

    The gain sqrt(2) is not here: leaky ReLU is positively homogeneous, so callers fold it
    into what they multiply anyway and save a pass over memory.
    """
    x = F.leaky_relu_(x, SLOPE)
    return x.clamp(-HALF_CLAMP, HALF_CLAMP) if x.dtype == torch.float16 else x


class EqualLinear(nn.Module):
    """y = x W^T + b with equalised learning rate, and a leaky ReLU if `activate`."""

    def __init__(
        self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0,
        activate: bool = False,
    ) -> None:  # fmt: skip
        """`rate` multiplies the learning rate (0.01 in the mapping network)."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.rate, self.activate = rate, activate
        self.scale = rate / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        """[...,inputs] -> [...,outputs]."""
        gain = GAIN if self.activate else 1.0
        # Scaling x instead of the weight touches far fewer numbers, in backward too.
        y = F.linear(x * (self.scale * gain), self.weight, self.bias * (self.rate * gain))
        return leaky(y) if self.activate else y


class EqualConv(nn.Module):
    """k x k convolution, optionally halving the resolution behind a binomial filter."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, *, down: bool = False,
        bias: bool = True, activate: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.kernel, self.down, self.activate = kernel, down, activate

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """[B,inputs,H,W] -> [B,outputs,H,W], or half of H and W where `down`."""
        gain *= GAIN if self.activate else 1.0
        weight = (self.weight * (self.scale * gain)).to(x.dtype)
        bias = None if self.bias is None else (self.bias * gain).to(x.dtype)
        if not self.down:
            y = convolve(x, weight, bias, padding=self.kernel // 2)
        elif self.kernel == 1:  # filter straight to the lower resolution, then mix channels
            y = convolve(upfirdn(x, binomial(1.0, x), down=2, pad=1), weight, bias)
        else:  # the filter at full resolution; the strided convolution does the rest
            y = convolve(upfirdn(x, binomial(1.0, x), pad=2), weight, bias, stride=2)
        return leaky(y) if self.activate else y


def modulated_conv(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    bias: Tensor | None = None,
    *,
    up: bool = False,
    demodulate: bool = True,
    gain: float = 1.0,
    path: Path = "auto",
) -> Tensor:
    """Convolve with weights scaled per sample and input channel (arXiv 1912.04958, eq. 1-3).

    x [B,I,H,W], weight [O,I,k,k], style [B,I], bias [O] -> [B,O,H,W], or [B,O,2H,2W] where
    `up`: w' = style w, and if `demodulate` w' / sqrt(sum over I,k,k of w'^2), times `gain`;
    the bias is added last.

    The same result by two paths. "weights" forms w' per sample and runs one grouped
    convolution; "features" scales the input by the style and the output by the demodulation.
    At batch 1 the first is cheaper wherever features outnumber weights (all high resolutions).
    For larger batches the second keeps the convolution dense; with a gradient to the style alone
    it spares an inversion, whose weights are frozen, the costly one of the weights, which tuning
    needs anyway. In half precision weight and style are first divided by their largest entries,
    as StyleGAN2-ADA does; demodulation makes the result independent of both.
    """
    batch, inputs, height, width = x.shape
    outputs, _, kernel, _ = weight.shape
    if demodulate and x.dtype != torch.float32:
        peak = weight.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-8)
        weight = weight / (peak * math.sqrt(inputs * kernel**2))
        style = style / style.abs().amax(1, keepdim=True).clamp_min(1e-8)
    if path == "auto":
        few = weight.numel() <= (inputs + outputs) * height * width
        frozen = style.requires_grad and not weight.requires_grad and torch.is_grad_enabled()
        path = "weights" if batch == 1 and few and not frozen else "features"

    demodulation: Tensor | None = None
    if demodulate:
        power = weight.square().sum((2, 3))  # [O,I]: no [B,O,I,k,k] is needed for the norm
        demodulation = torch.rsqrt(F.linear(style.square(), power) + 1e-8) * gain  # [B,O]
    elif gain != 1.0:
        style = style * gain
    bias = None if bias is None else bias.to(x.dtype)

    if path == "features":
        x = x * style.to(x.dtype)[:, :, None, None]
        if demodulation is None:
            return _convolve(x, weight.to(x.dtype), bias, up)
        y = _convolve(x, weight.to(x.dtype), None, up)
        scale = demodulation.to(x.dtype)[:, :, None, None]
        return y * scale if bias is None else torch.addcmul(bias[:, None, None], y, scale)

    scaled = weight * style.reshape(batch, 1, inputs, 1, 1)
    if demodulation is not None:
        scaled = scaled * demodulation.reshape(batch, outputs, 1, 1, 1)
    scaled = scaled.to(x.dtype)
    if batch == 1:
        return _convolve(x, scaled[0], bias, up)
    x = x.reshape(1, batch * inputs, height, width)
    bias = None if bias is None else bias.repeat(batch)
    y = _convolve(x, scaled.flatten(0, 1), bias, up, batch)
    return y.reshape(batch, outputs, *y.shape[2:])


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, up: bool, groups: int = 1
) -> Tensor:  # fmt: skip
    """x [B,G I,H,W], weight [G O,I,k,k], bias [G O]; doubles the resolution if `up`."""
    if not up:
        return convolve(x, weight, bias, padding=weight.shape[-1] // 2, groups=groups)
    if groups == 1:
        turned = weight.transpose(0, 1)
    else:
        turned = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    y = convolve(x, turned, stride=2, transposed=True, groups=groups)  # [.., 2H+1, 2W+1] for k = 3
    return upfirdn(y, binomial(4.0, y), bias, pad=1)
