"""Losses of generator training: regression, adversarial, regularisers, the moving average.

All are pure functions of tensors that return a scalar, but for `update_ema`, which writes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fitme.models.stylegan2.filters import downsample, shrink, upsample


def l1(signal: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (signal - target).abs().mean()


def laplacian_l1(signal: Tensor, target: Tensor, levels: int = 4) -> Tensor:
    """Mean absolute difference of the band-passed levels of a Laplacian pyramid.

    signal, target [B,C,R,R]; the pyramid (Burt and Adelson 1983) stops at 8 texels. Each level
    counts the same per coefficient, so fine structure, whose amplitudes are small and whose
    coefficients are many, is not drowned by colour as it is in a plain L1.
    """
    difference = signal - target  # the pyramid is linear
    total, count = difference.new_zeros(()), 0
    while count < levels and difference.shape[-1] > 8:
        low = downsample(difference)
        total = total + (difference - upsample(low)).abs().mean()
        difference, count = low, count + 1
    return total / max(count, 1)


def exits_l1(signals: dict[int, Tensor], target: Tensor, lowest: int = 16) -> Tensor:
    """Mean L1 of the exits below the target's resolution to the target, shrunk to each.

    It makes every low-resolution exit a usable picture, which a fit from coarse to fine needs.
    """
    size = target.shape[-1]
    losses = []
    for level in sorted(signals, reverse=True):
        if lowest <= level < size and signals[level].shape[-1] == level:
            target = shrink(target, level)
            losses.append(l1(signals[level], target))
    return torch.stack(losses).mean() if losses else target.new_zeros(())


def laplacian_norm(signal: Tensor, target: Tensor, levels: int = 4) -> Tensor:
    """Mean over texels and levels of the norm over channels of band-passed differences.

    signal, target [B,C,R,R]. As `laplacian_l1`, but joint in the channels of a texel.
    """
    difference = signal - target
    total, count = difference.new_zeros(()), 0
    while count < levels and difference.shape[-1] > 8:
        low = downsample(difference)
        band = difference - upsample(low)
        total = total + (band.square().sum(1) + 1e-6).sqrt().mean()
        difference, count = low, count + 1
    return total / max(count, 1)


def energy_score(first: Tensor, second: Tensor, target: Tensor) -> Tensor:
    """Energy score of two independent samples against one observation, on Laplacian bands.

    first, second, target [B,C,R,R]: E|f - y| - E|f - f'| / 2 (Gneiting and Raftery 2007,
    eq. 22), a strictly proper scoring rule: it is least where the coefficients of f are
    distributed as those of y, given w. What w says is learned as by regression; what it does
    not say (which hair, which pore) becomes noise of the right strength and shape instead of
    the grey mean that an L1 makes of it.
    """
    far = laplacian_norm(first, target) + laplacian_norm(second, target)
    return 0.5 * (far - laplacian_norm(first, second))


def generator_logistic(fake_logits: Tensor) -> Tensor:
    """Non-saturating generator loss, -log sigmoid(D(G)) (Goodfellow et al. 2014)."""
    return F.softplus(-fake_logits).mean()


def discriminator_logistic(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log sigmoid(D(real)) - log(1 - sigmoid(D(fake)))."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def r1_penalty(real: Tensor, real_logits: Tensor) -> Tensor:
    """Mean squared norm of the gradient of D at real samples (arXiv 1801.04406, eq. 9).

    real [B,...] with requires_grad, real_logits [B] computed from it. Without gamma / 2.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), [real], create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


def path_lengths(signal: Tensor, w: Tensor, direction: Tensor) -> Tensor:
    """Norms [B] of J^T y at each w (arXiv 1912.04958, eq. 4), differentiable.

    signal [B,C,H,W] from w [B,K,w_dim] (W+, requires_grad), direction y ~ N(0, I) like signal.
    As there, y is scaled by 1/sqrt(H W) and the norm is a mean over the K layers.
    """
    scale = 1 / math.sqrt(signal.shape[2] * signal.shape[3])
    (gradient,) = torch.autograd.grad((signal * direction).sum() * scale, [w], create_graph=True)
    # The root of zero, where output layers still are zero, has no finite gradient.
    return (gradient.square().sum(2).mean(1) + 1e-8).sqrt()


def path_penalty(
    lengths: Tensor, mean: Tensor, decay: float = 0.01
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Mean squared deviation of path lengths [B] from their running mean, and the new mean."""
    mean = mean.lerp(lengths.detach().mean(), decay)
    return (lengths - mean).square().mean(), mean


def ema_decay(batch: int, images: int, half_life: float, ramp: float = 0.05) -> float:
    """Decay of one step of `batch` images after `images`: as StyleGAN2-ADA's.

    The half-life (in images) is never longer than `ramp` times what was seen so far, so that
    the average forgets the random start early.
    """
    return 0.5 ** (batch / max(min(half_life, images * ramp), 1e-8))


@torch.no_grad()
def update_ema(average: nn.Module, module: nn.Module, decay: float) -> None:
    """average = decay average + (1 - decay) module, for parameters; buffers stay."""
    for mine, theirs in zip(average.parameters(), module.parameters(), strict=True):
        mine.detach().lerp_(theirs, 1 - decay)
