"""What photos show over what renders show, pixel by pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.observation import Crops
from fitme.render import RenderOutput


def shading(out: RenderOutput) -> Tensor:
    """[P,n,n,3]: what a white Lambertian would reflect."""
    return out.diffuse / out.albedo.clamp_min(1e-3)


def albedo_ratio(out: RenderOutput, crops: Crops) -> Tensor:
    """[P,n,n,3]: log of the diffuse albedo that the crops show over that of their render; gray of
    photos without colour."""
    shown = (crops.pixels - out.specular) / shading(out).clamp_min(0.02)
    ratio = shown.clamp_min(0.004).log() - out.albedo.clamp_min(0.004).log()
    ratio = ratio.clamp(-1.5, 1.0)
    gray = ratio.mean(-1, keepdim=True).expand_as(ratio)
    return torch.where(crops.gray[:, None, None, None], gray, ratio)


def mean_within(values: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Smooth mean of values [P,n,n,C] with weights [P,n,n] over about `sigma` pixels: what lies
    outside does not count."""
    both = torch.cat([values * weight[..., None], weight[..., None]], -1).movedim(-1, 1)
    size = both.shape[-1]
    few = max(4, round(size / sigma))
    small = F.interpolate(both, (few, few), mode="bilinear", antialias=True, align_corners=False)
    small = F.avg_pool2d(small, 3, 1, 1, count_include_pad=False)
    smooth = F.interpolate(small, (size, size), mode="bicubic", align_corners=False)
    smooth = smooth.movedim(1, -1)
    return smooth[..., :-1] / smooth[..., -1:].clamp_min(1e-2)
