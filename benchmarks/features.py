"""A fixed convolutional network of random weights: features in which maps are compared.

No network is trained for reflectance maps, and those trained on photographs carry licences.
Random convolutions with a nonlinearity and pooling tell textures apart well (Ustyuzhaninov et
al. 2016, arXiv 1606.00021), and what they see does not depend on anybody's data. Numbers compare
only among themselves: see them beside those of two sets of true draws.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.models.stylegan2.filters import shrink

CHANNELS = (16, 24, 32, 40)
GRID = 2  # each layer is pooled to GRID x GRID: where, roughly, as well as what
SIZES = (64, 128)  # maps are looked at in both
SEED = 20230519

# Of the six signal channels over synthetic draws, rounded: all modalities count alike.
_MEAN = (0.15, -0.12, -0.29, -0.20, 0.0, 0.0)
_SPREAD = (0.28, 0.25, 0.23, 0.07, 0.017, 0.017)


class RandomFeatures:
    """Four strided 4x4 convolutions with leaky ReLU; weights depend on SEED alone."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(SEED)
        inputs = (len(_MEAN), *CHANNELS[:-1])
        self.weights = [
            torch.randn(o, i, 4, 4, generator=draw) * math.sqrt(2 / (16 * i))
            for i, o in zip(inputs, CHANNELS, strict=True)
        ]
        self.biases = [0.2 * torch.randn(o, generator=draw) for o in CHANNELS]

    @torch.no_grad()
    def __call__(self, signal: Tensor) -> Tensor:
        """signal [B,6,R,R] -> [B,448]: the pooled outputs of all layers."""
        x = signal - signal.new_tensor(_MEAN)[:, None, None]
        x = x / signal.new_tensor(_SPREAD)[:, None, None]
        pooled = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = F.leaky_relu(F.conv2d(x, weight, bias, stride=2, padding=1), 0.2)
            pooled.append(F.adaptive_avg_pool2d(x, GRID).flatten(1))
        return torch.cat(pooled, 1)

    def of_all(self, signals: Iterable[Tensor]) -> dict[int, Tensor]:
        """Signals [B,6,R,R] in chunks, R at least the largest of SIZES -> {size: [N,D]}."""
        found: dict[int, list[Tensor]] = {size: [] for size in SIZES}
        for chunk in signals:
            for size in SIZES:
                found[size].append(self(shrink(chunk, size)))
        return {size: torch.cat(values) for size, values in found.items()}


def standardised(features: Tensor, like: Tensor) -> Tensor:
    """Features [N,D] in units of the spread of `like` [M,D] about its mean, per dimension."""
    return (features - like.mean(0)) / like.std(0).clamp_min(1e-6)
