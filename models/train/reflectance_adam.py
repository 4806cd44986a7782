"""Adam with a rate per group, its schedule, and the correction for lazy regularisers."""

from __future__ import annotations

import math

import torch


def make_adam(
    groups: list[tuple[list[torch.nn.Parameter], float]],
    rate: float,
    betas: tuple[float, float],
    every: int | None,
) -> torch.optim.Adam:
    """Adam with a rate factor per group; `every` is the interval of a lazy regulariser."""
    # arXiv 1912.04958, appendix B: a regulariser every k steps acts as one more step of the
    # loss, so that rate and memory are those of k of k + 1 steps.
    ratio = 1.0 if every is None else every / (every + 1)
    return torch.optim.Adam(
        [{"params": p, "lr": rate * factor * ratio, "base": rate * factor * ratio}
         for p, factor in groups],
        betas=(betas[0] ** ratio, betas[1] ** ratio), eps=1e-8,
    )  # fmt: skip


def schedule(step: int, steps: int, warm_up: int) -> float:
    """Factor of the rate: linear rise, then a cosine down to a tenth at the stage's end."""
    rise = min(1.0, (step + 1) / max(warm_up, 1))
    return rise * (0.55 + 0.45 * math.cos(math.pi * step / steps))


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * factor
