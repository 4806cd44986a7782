"""Terms that compare the picture's colours with the photos'. Colours are linear unless said."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.settings import TermSettings
from fitme.fit.terms.base import Step, Term


def photometric(rendered: Tensor, target: Tensor, weight: Tensor, scale: float) -> Tensor:
    """Weighted mean Cauchy loss of display colours [P,n,n,3]; weight [P,n,n].

    `scale` is the difference at which the loss bends: hair, glasses and shadows are outliers.
    In squared display units, so that small errors weigh the same at any scale.
    """
    square = (rendered - target).square().sum(-1) / scale**2
    return scale**2 * _mean(torch.log1p(square), weight)


def structure(rendered: Tensor, target: Tensor, weight: Tensor, levels: int = 3) -> Tensor:
    """Weighted mean L1 of Laplacian bands (Burt and Adelson 1983) of display colours [P,n,n,3].

    What lies at the wrong place shows here and not in the mean colour.
    """
    difference = (rendered - target).movedim(-1, 1)
    mask = weight[:, None]
    total = difference.new_zeros(())
    for _ in range(levels):
        low = F.avg_pool2d(difference, 2)
        band = difference - doubled(low)
        total = total + _mean(band.abs().sum(1), mask[:, 0])
        difference, mask = low, F.avg_pool2d(mask, 2)
    return total / levels


def doubled(images: Tensor) -> Tensor:
    """Images [P,C,n,n] at twice the size, bilinear.

    On a GPU torch's own gradient of it adds up in any order; this one has none to choose."""
    if images.device.type == "cpu":
        return F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
    return _doubled(_doubled(images).mT).mT


def _doubled(images: Tensor) -> Tensor:
    """Images [...,n] twice as wide."""
    before = torch.cat([images[..., :1], images[..., :-1]], -1)
    after = torch.cat([images[..., 1:], images[..., -1:]], -1)
    pair = torch.stack([0.75 * images + 0.25 * before, 0.75 * images + 0.25 * after], -1)
    return pair.flatten(-2)


def chromaticity(rendered: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean squared difference of log chromaticity, smoothed, of linear [P,n,n,3]."""
    small = [F.avg_pool2d(x.movedim(-1, 1), 8).clamp_min(1e-3).log() for x in (rendered, target)]
    chroma = [x - x.mean(1, keepdim=True) for x in small]
    mask = F.avg_pool2d(weight[:, None], 8)[:, 0]
    return _mean((chroma[0] - chroma[1]).square().sum(1), mask)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-3)


@dataclass(frozen=True)
class Photometric:
    """See `photometric`."""

    weight: float
    scale: float
    name: str = "photometric"

    def __call__(self, step: Step) -> Tensor:
        return photometric(step.rendered, step.target, step.weight, self.scale)


@dataclass(frozen=True)
class Structure:
    """See `structure`."""

    weight: float
    name: str = "structure"

    def __call__(self, step: Step) -> Tensor:
        return structure(step.rendered, step.target, step.weight)


@dataclass(frozen=True)
class Chromaticity:
    """See `chromaticity`; photos without colour say nothing."""

    weight: float
    name: str = "chromaticity"

    def __call__(self, step: Step) -> Tensor:
        colorful = (~step.crops.gray).to(step.weight)[:, None, None]
        return chromaticity(step.out.color, step.crops.pixels, step.weight * colorful)


def appearance(settings: TermSettings, scale: float | None = None) -> list[Term]:
    """Colour and structure; `scale` at which the colour's loss bends, if not the settings'."""
    return [
        Photometric(settings.photometric, scale or settings.photometric_scale),
        Structure(settings.structure),
    ]
