"""Synthesis network: a shared trunk whose last convolution at each resolution is branched.

At every resolution a first modulated convolution doubles the resolution and is shared; the
second is branched per modality: each branch owns a third of its output channels (their
kernels, biases and noise strengths) and an output layer with a style of its own that reads
that third only. The three branches, concatenated, feed the next resolution, and each
modality's outputs are summed over resolutions (skip architecture of StyleGAN2). This is
FitMe's layout (arXiv 2305.09641: the final block at each upsampled resolution is branched)
at the cost of a plain StyleGAN2 of the same widths.

Maps are registered: a lip is always at the same texels. StyleGAN2 has one learned constant, at
4x4, and has to spell out every place by convolutions. Here each resolution may have one
(`GeneratorConfig.position`): features [P,R,R] that are added in the branched convolution, each
channel scaled by w. It is a linear basis of the atlas that the next convolutions bend, costs an
addition, and learns where things are within a few thousand images.

For the same reason the sum of outputs may start from a linear model of whole atlases
(`GeneratorConfig.base`): principal components of training maps, whose coefficients are a linear
function of w. Tone, beard, brows and folds are then there from the first step, W is well
conditioned for inversion, and the StyleGAN2 layers spend themselves on what is not linear:
edges, hairs, pores. (The texture part of a 3D morphable model, Blanz and Vetter 1999, under a
StyleGAN2 that corrects it.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fitme.models.stylegan2.config import BRANCHES, MODALITIES, SIGNAL_CHANNELS, GeneratorConfig
from fitme.models.stylegan2.filters import shrink, upsample
from fitme.models.stylegan2.layers import GAIN, EqualLinear, leaky, modulated_conv

Noise = Literal["const", "random", "none"] | Sequence[Tensor]

HALF_FROM = 64  # half precision only from here on: lower resolutions cost nothing
POSITION_RATE = 5.0  # learning-rate multiplier of position features: each texel sees few images
_MARGIN = 4  # texels: what one level's filters reach, see `Window`


@dataclass(frozen=True)
class Window:
    """A square crop of the output; levels above `full` are computed for the crop only.

    A level's filters carry the error of a missing neighbourhood 4 texels inwards at most, the
    doubling makes 8 of a margin of 4, so a margin of 4 renews itself and the crop is exact.
    """

    top: int  # texels of the output resolution
    left: int
    size: int
    full: int = 64  # highest resolution that is computed whole

    def slices(self, level: int, output: int, margin: int) -> tuple[int, int, int, int]:
        """(top, bottom, left, right) at resolution `level` of the crop and its margin."""
        scale = output // level

        def reach(start: int) -> tuple[int, int]:
            end = -(-(start + self.size) // scale)
            return max(start // scale - margin, 0), min(end + margin, level)

        return *reach(self.top), *reach(self.left)


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU."""

    noise: Tensor

    def __init__(
        self, inputs: int, outputs: int, w_dim: int, resolution: int, *, up: bool,
        position: int = 0,
    ) -> None:  # fmt: skip
        """`position` of the channels, equally many of each branch, have position features."""
        super().__init__()
        self.affine = EqualLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        # Per channel, as in StyleGAN: the detail phase shapes noise into hairs and pores. Not
        # zero, where two samples of noise are one and the energy score has no slope.
        self.noise_strength = nn.Parameter(0.05 * torch.randn(outputs))
        # Not stored: drawn again from the layer's seed on loading.
        shape = (1, 1, resolution, resolution)
        self.register_buffer("noise", torch.zeros(shape), persistent=False)
        self.resolution, self.up = resolution, up
        self.position: nn.Parameter | None = None
        self.place: EqualLinear | None = None
        if position:
            self.position = nn.Parameter(torch.zeros(position, resolution, resolution))
            self.place = EqualLinear(w_dim, position, bias=1.0)

    def forward(
        self, x: Tensor, w: Tensor, noise: Tensor | None, origin: tuple[int, int] = (0, 0)
    ) -> Tensor:
        """x [B,I,H,W], w [B,w_dim], noise [1 or B,1,H',W'] or None -> [B,O,H',W'].

        `origin` is the place of the first output texel in the whole map.
        """
        y = modulated_conv(x, self.weight, self.affine(w), self.bias * GAIN, up=self.up, gain=GAIN)
        if noise is not None:
            strength = (self.noise_strength * GAIN).to(y.dtype)
            y = y.addcmul_(noise.to(y.dtype), strength[:, None, None])  # fresh, and nobody else's
        if self.position is not None and self.place is not None:
            here = _part(self.position, origin, y.shape[2:]).to(y.dtype)
            scale = (self.place(w) * (GAIN * POSITION_RATE)).to(y.dtype)[:, :, None, None]
            if len(here) == y.shape[1]:
                y = y.addcmul_(here, scale)
            else:
                groups, each = y.chunk(BRANCHES, 1), len(here) // BRANCHES
                parts = zip(groups, here.chunk(BRANCHES), scale.chunk(BRANCHES, 1), strict=True)
                y = torch.cat(
                    [p for g, h, s in parts
                     for p in (torch.addcmul(g[:, :each], h, s), g[:, each:])], 1,
                )  # fmt: skip
        return leaky(y)


class ToSignal(nn.Module):
    """Per branch a 1x1 modulated convolution from its third of the features to its modality.

    Weights start at zero: a resolution that is new in training adds nothing until it has
    learned something, which replaces the fading-in of progressive growing.
    """

    def __init__(self, inputs: int, w_dim: int) -> None:
        super().__init__()
        self.affine = EqualLinear(w_dim, inputs, bias=1.0)  # one style per branch, concatenated
        each = inputs // BRANCHES
        self.weight = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(channels, each)) for name, channels in MODALITIES}
        )
        self.bias = nn.Parameter(torch.zeros(SIGNAL_CHANNELS))
        self.scale = 1 / math.sqrt(each)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[B,C,H,W] -> float32 [B,6,H,W]."""
        # One dense 1x1 convolution with zeros costs less than three on strided slices.
        weight = torch.block_diag(*(self.weight[name] for name, _ in MODALITIES))[:, :, None, None]
        style = self.affine(w)
        y = modulated_conv(x, weight, style, self.bias, demodulate=False, gain=self.scale)
        return y.float()


class SynthesisBlock(nn.Module):
    """One resolution."""

    def __init__(
        self, inputs: int, outputs: int, w_dim: int, resolution: int, position: int = 0
    ) -> None:
        super().__init__()
        self.trunk = (
            StyledConv(inputs, outputs, w_dim, resolution, up=True) if resolution > 4 else None
        )
        self.branches = StyledConv(outputs, outputs, w_dim, resolution, up=False, position=position)
        self.to_signal = ToSignal(outputs, w_dim)

    def convolutions(self) -> list[StyledConv]:
        """The shared one, which 4x4 lacks, and the branched one."""
        return [self.branches] if self.trunk is None else [self.trunk, self.branches]


class LinearBase(nn.Module):
    """Mean and principal components of raw maps at one resolution; coefficients from w.

    Mean and components are measured (`fitme.models.train.reflectance_base`) and not trained.
    """

    mean: Tensor  # [6,R,R]
    components: Tensor  # [K,6,R,R], each times its standard deviation

    def __init__(self, resolution: int, components: int, w_dim: int) -> None:
        super().__init__()
        self.resolution = resolution
        shape = (SIGNAL_CHANNELS, resolution, resolution)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("components", torch.zeros(components, *shape))
        self.coefficients = EqualLinear(w_dim, components)

    def forward(self, w: Tensor) -> Tensor:
        """[B,w_dim] -> raw maps [B,6,R,R]."""
        flat = self.coefficients(w) @ self.components.flatten(1)
        return self.mean + flat.unflatten(1, self.mean.shape)


class _Blocks(nn.ModuleList):
    """A ModuleList that tells the type checker what it holds."""

    def __iter__(self) -> Iterator[SynthesisBlock]:  # type: ignore[override]
        return super().__iter__()  # type: ignore[return-value]


class Synthesis(nn.Module):
    """W+ -> raw signals at every resolution."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.start = nn.Parameter(torch.randn(1, config.channels[0], 4, 4))
        previous = (config.channels[0], *config.channels)
        positions = config.position + (0,) * (len(config.channels) - len(config.position))
        self.blocks = _Blocks(
            SynthesisBlock(inputs, outputs, config.w_dim, resolution, position)
            for inputs, outputs, resolution, position in zip(
                previous, config.channels, config.resolutions, positions, strict=False
            )
        )
        low, components = config.base
        self.base = LinearBase(low, components, config.w_dim) if components else None
        self.reset_noise()

    def convolutions(self) -> list[StyledConv]:
        """All modulated convolutions, coarse to fine: layer i reads w[:, i]."""
        return [layer for block in self.blocks for layer in block.convolutions()]

    def reset_noise(self) -> None:
        """Draw the constant noise of every layer from fixed seeds."""
        for index, layer in enumerate(self.convolutions()):
            generator = torch.Generator().manual_seed(index + 1)
            layer.noise.copy_(torch.randn(layer.noise.shape, generator=generator))

    def forward(
        self,
        w: Tensor,
        resolution: int | None = None,
        *,
        noise: Noise = "const",
        window: Window | None = None,
        dtype: torch.dtype = torch.float32,
        generator: torch.Generator | None = None,
    ) -> dict[int, Tensor]:
        """w [B,w_count,w_dim] -> raw outputs {4: [B,6,4,4], 8: ..., resolution: ...}.

        `noise` is "const" (the buffers), "random" (from `generator`), "none", or one tensor
        [1 or B,1,R,R] per convolution. With `window` the last entry is the crop and levels
        between `window.full` and it are left out. `dtype` is that of features from 64 up.
        """
        output = resolution or self.config.resolution
        if output not in self.config.resolutions:
            raise ValueError(f"resolution must be one of {self.config.resolutions}, got {output}")
        if w.ndim != 3 or w.shape[1:] != (self.config.w_count, self.config.w_dim):
            wanted = f"(B, {self.config.w_count}, {self.config.w_dim})"
            raise ValueError(f"w must be {wanted}, got {tuple(w.shape)}")

        x = self.start.expand(w.shape[0], -1, -1, -1)
        outputs: dict[int, Tensor] = {}
        signal: Tensor | None = None
        base = None if self.base is None else self.base(w[:, 0])
        layer, origin = 0, (0, 0)  # origin: where x begins at its own resolution
        for block, level in zip(self.blocks, self.config.resolutions, strict=True):
            if level > output:
                break
            x = x.to(dtype if level >= HALF_FROM else torch.float32)
            if level > 4:
                origin = (2 * origin[0], 2 * origin[1])
            for conv in block.convolutions():
                side = (2 * x.shape[2], 2 * x.shape[3]) if conv.up else (x.shape[2], x.shape[3])
                values = _noise(conv, layer, noise, x, side, origin, generator)
                x = conv(x, w[:, layer], values, origin)
                layer += 1
            # As in StyleGAN2 the output layer shares its w with the next convolution.
            fresh = block.to_signal(x, w[:, layer])
            signal = fresh if signal is None else upsample(signal) + fresh
            if base is not None and level == base.shape[-1]:
                signal = signal + _part(base, origin, signal.shape[2:])
            if window is None or level <= window.full:
                outputs[level] = signal
            if window is not None and level >= window.full:
                margin = _MARGIN if level < output else 0
                top, bottom, left, right = window.slices(level, output, margin)
                y, x0 = slice(top - origin[0], bottom - origin[0]), left - origin[1]
                x = x[:, :, y, x0 : right - origin[1]]
                signal = signal[:, :, y, x0 : right - origin[1]]
                origin = (top, left)
        assert signal is not None
        if window is not None:
            outputs[output] = signal
        if base is not None:  # exits before the base joins the sum get it shrunk
            for level in [level for level in outputs if level < base.shape[-1]]:
                corner = origin if level == output else (0, 0)
                part = _part(shrink(base, level), corner, outputs[level].shape[2:])
                outputs[level] = outputs[level] + part
        return outputs


def _noise(
    conv: StyledConv,
    index: int,
    noise: Noise,
    x: Tensor,
    side: tuple[int, int],
    origin: tuple[int, int],
    generator: torch.Generator | None,
) -> Tensor | None:
    """The noise of one layer [1 or B,1,h,w], cut to the part that is computed."""
    if isinstance(noise, str):
        if noise == "none":
            return None
        if noise == "random":
            shape = (x.shape[0], 1, *side)
            return torch.randn(shape, generator=generator, device=x.device, dtype=x.dtype)
        if noise != "const":
            raise ValueError(f"noise must be const, random, none or tensors, got {noise!r}")
        values = conv.noise
    else:
        values = noise[index]
    return _part(values, origin, side)


def _part(whole: Tensor, origin: tuple[int, int], side: Sequence[int]) -> Tensor:
    """The part [...,h,w] of a map [...,R,R] that begins at `origin` and has size `side`."""
    rows, columns = slice(origin[0], origin[0] + side[0]), slice(origin[1], origin[1] + side[1])
    return whole[..., rows, columns]
