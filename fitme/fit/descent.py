"""Gradient descent on named unknowns with named losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from fitme.fit.settings import Descent
from fitme.runtime.progress import Progress

Losses = dict[str, Tensor]
History = dict[str, list[float]]


def descend(
    name: str,
    unknowns: Mapping[str, Tensor | list[torch.nn.Parameter]],
    rates: Mapping[str, float],
    steps: int,
    evaluate: Callable[[int], Losses],
    progress: Progress,
    settings: Descent | None = None,
) -> History:
    """Adam (Kingma and Ba 2015) with cosine decay of the rates; changes the unknowns in place.

    `evaluate` gets the step and returns losses that are already weighted. Unknowns without a
    rate stay as they are. Returns each loss at each step.
    """
    settings = settings or Descent()
    moving: dict[str, list[Tensor]] = {}
    for key in rates:
        value = unknowns[key]
        moving[key] = [value] if isinstance(value, Tensor) else list(value)
    for tensors in moving.values():
        for tensor in tensors:
            tensor.requires_grad_(True)
    optimizer = torch.optim.Adam(
        [{"params": moving[key], "lr": rate} for key, rate in rates.items()],
        betas=(settings.momentum, settings.curvature),
    )
    final_rate = settings.final_rate
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: (
            final_rate + (1 - final_rate) * 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))
        ),
    )
    history: History = {}
    try:
        with progress.stage(name, steps) as stage:
            for step in range(steps):
                losses = evaluate(step)
                total = torch.stack(list(losses.values())).sum()
                optimizer.zero_grad(set_to_none=True)
                total.backward()
                optimizer.step()
                schedule.step()
                for key, value in losses.items():
                    history.setdefault(key, []).append(float(value.detach()))
                stage.step(loss=float(total.detach()))
    finally:
        for tensors in moving.values():
            for tensor in tensors:
                tensor.requires_grad_(False)
    return history
