"""Crops in other colours: exposure, contrast, white balance, noise."""

from __future__ import annotations

import torch
from torch import Tensor

GRAY = 0.06  # share of crops without colour


def recolored(crops: Tensor, draws: torch.Generator) -> Tensor:
    """Crops [B,3,S,S] in 0..1, changed each by its own draw; `draws` is a generator of the CPU."""
    count = len(crops)

    def draw(spread: float, channels: int = 1) -> Tensor:
        values = spread * torch.randn(count, channels, 1, 1, generator=draws)
        return values.to(crops.device, non_blocking=True)

    x = crops.clamp_min(1e-3) ** draw(0.18).exp() * draw(0.08).exp() * draw(0.05, 3).exp()
    gray = x.mean(1, keepdim=True)
    strength = 0.6 + 0.7 * torch.rand(count, 1, 1, 1, generator=draws)
    strength[torch.rand(count, generator=draws) < GRAY] = 0.0
    x = gray + (x - gray) * strength.to(x.device, non_blocking=True)
    x = (x - 0.5) * draw(0.12).exp() + 0.5 + draw(0.03)
    grain = 0.02 * torch.empty(count, 1, 1, 1).exponential_(generator=draws)
    seed = int(torch.randint(2**62, (), generator=draws))
    noise = torch.Generator(x.device).manual_seed(seed)
    x = x + grain.to(x.device) * torch.randn(x.shape, generator=noise, device=x.device)
    return x.clamp(0, 1).contiguous(memory_format=torch.channels_last)
