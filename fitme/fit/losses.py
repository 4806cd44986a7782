"""Losses of the fit: pure functions that return a scalar. Colours are linear unless said."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.image.color import linear_to_srgb, luminance
from fitme.models.stylegan2 import mirror_signal


def display(linear: Tensor, gray: Tensor | None = None) -> Tensor:
    """Display-encoded colour [P,n,n,3]; of photos with `gray` [P] only the luminance."""
    linear = linear.clamp_min(0)
    if gray is not None and bool(gray.any()):
        grey = luminance(linear)[..., None].expand_as(linear)
        linear = torch.where(gray[:, None, None, None], grey, linear)
    return linear_to_srgb(linear.clamp_max(1.5))


def photometric(seen: Tensor, wanted: Tensor, weight: Tensor, scale: float) -> Tensor:
    """Weighted mean Cauchy loss of display colours [P,n,n,3]; weight [P,n,n].

    `scale` is the difference at which the loss bends: hair, glasses and shadows are outliers.
    In squared display units, so that small errors weigh the same at any scale.
    """
    square = (seen - wanted).square().sum(-1) / scale**2
    return scale**2 * _mean(torch.log1p(square), weight)


def structure(seen: Tensor, wanted: Tensor, weight: Tensor, levels: int = 3) -> Tensor:
    """Weighted mean L1 of Laplacian bands (Burt and Adelson 1983) of display colours [P,n,n,3].

    What lies at the wrong place shows here and not in the mean colour.
    """
    difference = (seen - wanted).movedim(-1, 1)
    mask = weight[:, None]
    total = difference.new_zeros(())
    for _ in range(levels):
        low = F.avg_pool2d(difference, 2)
        band = difference - F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
        total = total + _mean(band.abs().sum(1), mask[:, 0])
        difference, mask = low, F.avg_pool2d(mask, 2)
    return total / levels


def chromaticity(seen: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean squared difference of log chromaticity, smoothed, of linear [P,n,n,3]."""
    small = [F.avg_pool2d(x.movedim(-1, 1), 8).clamp_min(1e-3).log() for x in (seen, wanted)]
    chroma = [x - x.mean(1, keepdim=True) for x in small]
    mask = F.avg_pool2d(weight[:, None], 8)[:, 0]
    return _mean((chroma[0] - chroma[1]).square().sum(1), mask)


def landmarks(
    projected: Tensor, observed: Tensor, scale: Tensor, weight: Tensor, sigma: float
) -> Tensor:
    """Robust mean squared deviation of landmarks [P,N,2] in units of `sigma` interocular
    distances; scale [P] in pixels, weight [N]."""
    miss = (projected - observed) / scale[:, None, None]
    square = miss.square().sum(-1) / sigma**2
    return (weight * torch.log1p(square / 9) * 9).mean()


def openings(
    projected: Tensor, observed: Tensor, scale: Tensor, pairs: Sequence[tuple[int, int]],
    sigma: float,
) -> Tensor:  # fmt: skip
    """Mean square of how much wider or narrower lips and lids stand than landmarks [P,N,2] show, in
    units of `sigma` interocular distances; scale [P] in pixels. The distance between two near
    points is seen better than where they are (DECA, arXiv 2012.04012, section 4.2)."""
    first, second = torch.tensor(pairs, device=projected.device).T
    gaps = [points[:, first] - points[:, second] for points in (projected, observed)]
    miss = (gaps[0] - gaps[1]) / scale[:, None, None] / sigma
    return torch.log1p(miss.square().sum(-1) / 9).mean() * 9


def expression_prior(expression: Tensor) -> Tensor:
    """Mean square of ARKit weights [P,E] over their spread."""
    return (expression / 0.4).square().mean()


def tint_prior(tint: Tensor, spread: float = 0.12) -> Tensor:
    """Of the light's log colour [P,3]: lamps and white balance make near-white light."""
    chroma = tint - tint.mean(-1, keepdim=True)
    return (chroma / spread).square().sum(-1).mean()


def strength_prior(strength: Tensor, spread: float = 0.35) -> Tensor:
    """Of the mean radiance [P]: exposure puts white near 1."""
    return (strength.clamp_min(0.01).log() / spread).square().mean()


def smooth_prior(bands: Tensor, strength: Tensor) -> Tensor:
    """Higher harmonics [P,8,...] against the mean light [P]."""
    return (bands / strength.clamp_min(0.05).reshape(-1, *[1] * (bands.ndim - 1))).square().mean()


def mirror_difference(signal: Tensor, weight: Tensor) -> Tensor:
    """Mean L1 between signals [B,6,R,R] and their detached mirror images where `weight` [R,R]."""
    mirrored = mirror_signal(signal.detach())
    return ((signal - mirrored).abs().mean(1) * weight).sum() / weight.sum().clamp_min(1)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-3)
