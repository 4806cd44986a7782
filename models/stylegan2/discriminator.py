"""Branched discriminator: each modality is judged apart, then all of them jointly.

FitMe (arXiv 2305.09641): one branch per modality, joined before the last convolution block and
the dense layers, so that the statistics of albedo and of normals are learned apart and their
agreement is still checked. Blocks are StyleGAN2's residual ones. Two more input channels hold
the texel's place in the atlas: the maps are registered, so a pore or a lip is right or wrong
for its place, and a crop can be judged like a whole map.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from fitme.models.stylegan2.config import BRANCHES, MODALITIES, DiscriminatorConfig
from fitme.models.stylegan2.layers import EqualConv, EqualLinear

PLACE_CHANNELS = 2


def place(batch: int, size: int, extent: Tensor) -> Tensor:
    """Coordinates [B,2,size,size] in (-1, 1), x then y, of crops.

    extent [B,3] holds (left, top, side) of each crop as fractions of the atlas.
    """
    step = (torch.arange(size, device=extent.device) + 0.5) / size
    left, top, side = (value[:, None] * 2 for value in extent.unbind(1))
    x, y = left + side * step - 1, top + side * step - 1
    return torch.stack(
        [x[:, None, :].expand(batch, size, size), y[:, :, None].expand(batch, size, size)], 1
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, the second halving the resolution, beside a 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualConv(inputs, inputs)
        self.second = EqualConv(inputs, outputs, down=True)
        self.shortcut = EqualConv(inputs, outputs, 1, down=True, bias=False, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B,inputs,H,W] -> [B,outputs,H/2,W/2]."""
        half = math.sqrt(0.5)
        return self.shortcut(x, gain=half) + self.second(self.first(x), gain=half)


class Discriminator(nn.Module):
    """Signals and places -> logits."""

    def __init__(self, config: DiscriminatorConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build(config)

    def _build(self, config: DiscriminatorConfig) -> None:
        widths = (*config.branch_channels, config.branch_channels[-1])
        self.branches = nn.ModuleDict()
        for name, channels in MODALITIES:
            # Blocks are named by resolution, see `adopt`.
            branch = nn.Sequential()
            side = config.resolution
            branch.add_module(f"from{side}", EqualConv(channels + PLACE_CHANNELS, widths[0], 1))
            for inputs, outputs in itertools.pairwise(widths):
                branch.add_module(f"at{side}", ResidualBlock(inputs, outputs))
                side //= 2
            self.branches[name] = branch
        self.joint = nn.Sequential()
        inputs, side = BRANCHES * widths[-1], config.join
        while side > 4:
            self.joint.add_module(f"at{side}", ResidualBlock(inputs, config.joint_channels))
            inputs, side = config.joint_channels, side // 2
        self.last = EqualConv(inputs + 1, config.joint_channels)
        self.dense = EqualLinear(config.joint_channels * 16, config.joint_channels, activate=True)
        self.logit = EqualLinear(config.joint_channels, 1)

    def adopt(self, theirs: dict[str, Tensor]) -> None:
        """Take over what the state of a discriminator of any resolution has in common."""
        mine = self.state_dict()
        fitting = {k: v for k, v in theirs.items() if k in mine and v.shape == mine[k].shape}
        self.load_state_dict(mine | fitting)

    def forward(self, signal: Tensor, extent: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """signal [B,6,R,R], extent [B,3] (see `place`) -> logits [B]; `dtype` of the branches."""
        size = self.config.resolution
        if signal.shape[1:] != (6, size, size):
            raise ValueError(f"signal must be (B, 6, {size}, {size}), got {tuple(signal.shape)}")
        where = place(signal.shape[0], size, extent).to(signal.dtype)
        parts = signal.split([channels for _, channels in MODALITIES], 1)
        features = [
            self.branches[name](torch.cat([part, where], 1).to(dtype)).to(signal.dtype)
            for (name, _), part in zip(MODALITIES, parts, strict=True)
        ]
        x = self.joint(torch.cat(features, 1))
        x = self.last(_append_stddev(x, self.config.stddev_group))
        return self.logit(self.dense(x.flatten(1)))[:, 0]


def _append_stddev(x: Tensor, group: int) -> Tensor:
    """Minibatch standard deviation (arXiv 1710.10196, section 3) as one more channel."""
    batch, channels, height, width = x.shape
    size = math.gcd(batch, group)
    y = x.reshape(size, -1, channels, height, width)
    deviation = (y.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))  # [B/size]
    plane = deviation.repeat(size)[:, None, None, None].expand(-1, 1, height, width)
    return torch.cat([x, plane], 1)
