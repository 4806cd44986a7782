"""Edges of lids and lips, measured in columns across an eye or a mouth."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.runtime.constants import constant

REACH_M = 0.0014  # around a column, in which vertices count as its own
SHARP_M = 0.0002  # heights that tell a lid's margin from the skin beside it
SMOOTH = (0.25, 0.5, 0.25)  # over neighbouring columns


def lowest(points: Tensor, columns: Tensor, sign: int) -> Tensor:
    """Weights [C,M] of the highest (sign 1) or lowest (-1) of points [M,3] in each column [C]."""
    aside = (points[:, 0] - columns[:, None]).abs()
    nearest = aside.amin(1, keepdim=True)
    inside = (1 - (aside - nearest) / REACH_M).clamp_min(0)
    height = sign * points[:, 1].expand_as(aside)
    top = torch.where(inside > 0, height, -1.0).amax(1, keepdim=True)
    weight = inside * ((height - top) / SHARP_M).exp()
    return weight / weight.sum(1, keepdim=True)


def smoothed(values: Tensor, weight: Tensor) -> Tensor:
    """Values [C] averaged twice with their neighbours, by weight [C]."""
    kernel = constant(SMOOTH, values)[None, None]
    both = torch.stack([values * weight, weight])[:, None]
    for _ in range(2):
        both = F.conv1d(F.pad(both, (1, 1), mode="replicate"), kernel)
    return both[0, 0] / both[1, 0]
