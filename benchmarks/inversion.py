"""Inversion of the generator in W, and how close maps come to others."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fitme.models.stylegan2 import ReflectanceGenerator, ReflectanceMaps
from fitme.models.stylegan2.filters import shrink
from fitme.models.stylegan2.maps import F0_MAX
from fitme.models.train.losses_gan import l1

RATE = 0.1  # Adam's, in standard deviations of W
PRIOR = 1e-3  # weight of `ReflectanceGenerator.regularizer` against the L1 of signals
FLOOR = 0.01  # of the mean variance of W, added to each: as in the regularizer


def w_axes(generator: ReflectanceGenerator) -> Tensor:
    """A [w_dim,w_dim] so that w = w_mean + u A has the spread of W for u ~ N(0, I)."""
    variance, axes = torch.linalg.eigh(generator.w_covariance.double())
    spread = (variance.clamp_min(0) + FLOOR * variance.clamp_min(0).mean()).sqrt()
    return (axes * spread).T.to(generator.w_covariance.dtype)


def invert_in_w(
    generator: ReflectanceGenerator, target: Tensor, steps: int, rate: float = RATE
) -> Tensor:
    """w [B,w_dim] whose signals come close to `target` [B,6,R,R]: Adam from the mean of W.

    W is whitened, noise stays the constant one, the rate falls as a cosine; the first half of the
    steps sees a quarter of the resolution, for a tenth of the time.
    """
    axes, size = w_axes(generator), target.shape[-1]
    u = torch.zeros(len(target), len(axes), device=target.device, requires_grad=True)
    optimizer = torch.optim.Adam([u], lr=rate, betas=(0.9, 0.99))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        seen = shrink(target, max(size // 4, 4) if step < steps // 2 else size)
        w = generator.w_mean + u @ axes
        signal = generator.signals(w, seen.shape[-1])[seen.shape[-1]]
        loss = l1(signal, seen) + PRIOR * generator.regularizer(w)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return (generator.w_mean + u @ axes).detach()


def psnr(maps: Tensor, target: Tensor) -> Tensor:
    """[B,...] of values up to 1 -> decibels [B]."""
    error = (maps - target).square().flatten(1).mean(1)
    return -10 * torch.log10(error.clamp_min(1e-10))


def map_errors(signal: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Signals [B,6,R,R] -> [B] each, over all texels of the atlas.

    Diffuse albedo: PSNR of sRGB-encoded and of linear values, 1 is the peak. Specular albedo:
    PSNR of F0 with a peak of 0.16, and the mean of |difference| / F0 in percent, which says
    more as skin's F0 is 0.016 to 0.055. Normals: mean angle in degrees.
    """
    mine, theirs = ReflectanceMaps.from_signal(signal), ReflectanceMaps.from_signal(target)
    f0 = theirs.specular_albedo
    off = (mine.specular_albedo - f0).abs() / f0.clamp_min(1e-4)
    # asin of half the chord: the arc cosine of a dot product is blind below 0.03 degrees.
    chord = (mine.normal - theirs.normal).norm(dim=-1)
    angle = torch.rad2deg(2 * torch.asin((chord / 2).clamp(max=1)))
    return {
        "diffuse_srgb_db": psnr(signal[:, :3] / 2, target[:, :3] / 2),
        "diffuse_linear_db": psnr(mine.diffuse_albedo, theirs.diffuse_albedo),
        "specular_db": psnr(mine.specular_albedo / F0_MAX, f0 / F0_MAX),
        "specular_percent": 100 * off.flatten(1).mean(1),
        "normal_degrees": angle.flatten(1).mean(1),
    }
