"""Crops cut out of square pictures, turned, enlarged, moved and mirrored, on any device.

A place is a share of a picture's side from its middle, so that it does not matter how many pixels
a picture has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

ZOOM, TURN, SHIFT = 0.10, 12.0, 0.05  # spreads: log scale, degrees, share of the crop's side
BLACK = 0.4  # share of crops with black beyond the picture's edge; the others reflect it


@dataclass(frozen=True)
class Cuts:
    """B ways to cut a crop out of a picture."""

    matrix: Tensor  # [B,2,3] places of the picture to places of the crop
    mirrored: Tensor  # [B] bool, the picture is mirrored before all else (in `matrix` already)
    black: Tensor  # [B] bool, black beyond the edge

    def to(self, device: torch.device) -> Cuts:
        return Cuts(*(x.to(device, non_blocking=True) for x in vars(self).values()))


def middle_cuts(count: int, kept: float) -> Cuts:
    """The middle of each picture, `kept` of its side."""
    matrix = torch.tensor([[1 / kept, 0, 0], [0, 1 / kept, 0]]).expand(count, 2, 3)
    off = torch.zeros(count, dtype=torch.bool)
    return Cuts(matrix, off, off)


def random_cuts(count: int, kept: float, draws: torch.Generator) -> Cuts:
    """Around the middle, half of them mirrored."""
    scale = (ZOOM * torch.randn(count, generator=draws)).exp() / kept
    turn = math.radians(TURN) * torch.randn(count, generator=draws)
    shift = SHIFT * torch.randn(count, 2, generator=draws)
    cos, sin = scale * turn.cos(), scale * turn.sin()
    mirrored = torch.rand(count, generator=draws) < 0.5
    matrix = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], 1).view(count, 2, 3)
    matrix[:, :, 0] *= torch.where(mirrored, -1.0, 1.0)[:, None]
    return Cuts(matrix, mirrored, torch.rand(count, generator=draws) < BLACK)


def moved(matrix: Tensor, places: Tensor) -> Tensor:
    """Places [B,N,2] through matrices [B,2,3]."""
    return places @ matrix[:, :, :2].mT + matrix[:, None, :, 2]


def inverse(matrix: Tensor) -> Tensor:
    """[B,2,3] the other way round."""
    back = torch.linalg.inv(matrix[:, :, :2])
    return torch.cat([back, -back @ matrix[:, :, 2:]], 2)


def between(first: Tensor, second: Tensor) -> Tensor:
    """[B,2,3] from the crops of `first` [B,2,3] to those of `second`."""
    back = inverse(first)
    joined = second[:, :, :2] @ back
    return torch.cat([joined[:, :, :2], joined[:, :, 2:] + second[:, :, 2:]], 2)


def grid_of(matrix: Tensor, size: int) -> Tensor:
    """[B,size,size,2] as `grid_sample` wants it: where each pixel of a crop lies in the picture."""
    back = inverse(matrix)
    # affine_grid works in -1..1, which is twice a place: the shift doubles with it.
    theta = torch.cat([back[:, :, :2], 2 * back[:, :, 2:]], 2)
    return F.affine_grid(theta, [len(theta), 1, size, size], align_corners=False)


def cut_pixels(pictures: Tensor, cuts: Cuts, size: int) -> Tensor:
    """[B,C,size,size] in 0..1 of pictures [B,C,S,S] uint8."""
    grid = grid_of(cuts.matrix, size)
    pixels = pictures.float() / 255
    crops = F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    crops = crops * _inside(grid, cuts.black)[:, None]
    return crops.contiguous(memory_format=torch.channels_last)


def cut_labels(labels: Tensor, cuts: Cuts, size: int) -> Tensor:
    """[B,size,size] int64 of labels [B,S,S] uint8; label 0 beyond a black edge."""
    grid = grid_of(cuts.matrix, size)
    crops = F.grid_sample(
        labels[:, None].float(), grid, "nearest", padding_mode="reflection", align_corners=False
    )[:, 0]
    return (crops * _inside(grid, cuts.black)).round().long()


def _inside(grid: Tensor, black: Tensor) -> Tensor:
    """[B,h,w]: 0 where a crop that is black beyond the edge shows what lies there, else 1."""
    beyond = (grid.abs() > 1).any(-1)
    return 1 - (beyond & black[:, None, None]).float()
