"""Mapping network z -> w.

StyleGAN normalises z to unit length first. Here z carries Gaussianised parameters of the
training draw (`fitme.models.train.reflectance_prior`), whose magnitudes mean something, so it
is left as it is; z ~ N(0, I) has unit second moment anyway.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from fitme.models.stylegan2.layers import EqualLinear


class Mapping(nn.Module):
    """Fully connected layers with leaky ReLU and a lowered learning rate."""

    def __init__(self, z_dim: int, w_dim: int, layers: int, rate: float) -> None:
        super().__init__()
        sizes = [z_dim, *[w_dim] * layers]
        self.layers = nn.Sequential(
            *(
                EqualLinear(inputs, outputs, rate=rate, activate=True)
                for inputs, outputs in itertools.pairwise(sizes)
            )
        )

    def forward(self, z: Tensor) -> Tensor:
        """[B,z_dim] -> [B,w_dim]."""
        return self.layers(z)
