"""Gradient descent on named unknowns with named losses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor

from fitme.fit.adam import Adam
from fitme.fit.gpu_descent import GpuSteps, Losses
from fitme.fit.settings import Descent
from fitme.runtime.progress import Progress, Stage

# Steps between those whose loss progress shows on a GPU: to read one makes the host wait for all
# that is queued. On the CPU every step's is shown.
SHOWN_EVERY = 10

History = dict[str, list[float]]


def descend(
    name: str,
    unknowns: Mapping[str, Tensor | list[torch.nn.Parameter]],
    rates: Mapping[str, float],
    steps: int,
    evaluate: Callable[[int], Losses],
    progress: Progress,
    settings: Descent | None = None,
    changes: Collection[int] | None = (),
    besides: Collection[int] = (),
) -> History:
    """Adam (Kingma and Ba 2015) with cosine decay of the rates; changes the unknowns in place.

    `evaluate` gets the step and returns losses that are already weighted. Unknowns without a
    rate stay as they are. Returns each loss at each step.

    On a GPU nothing waits for the losses, and steps that do the same may be recorded and replayed:
    `GpuSteps` says what `changes` and `besides` are.
    """
    settings = settings or Descent()
    moving: dict[str, list[Tensor]] = {}
    for key in rates:
        value = unknowns[key]
        moving[key] = [value] if isinstance(value, Tensor) else list(value)
    for tensors in moving.values():
        for tensor in tensors:
            tensor.requires_grad_(True)
    try:
        with progress.stage(name, steps) as stage:
            at_step = [settings.rate_share(step, steps) for step in range(steps)]
            if any(t.device.type == "cuda" for tensors in moving.values() for t in tensors):
                table = [[rate * share for rate in rates.values()] for share in at_step]
                return _on_gpu(moving, table, evaluate, stage, settings, changes, besides)
            return _on_cpu(moving, rates, at_step, evaluate, stage, settings)
    finally:
        for tensors in moving.values():
            for tensor in tensors:
                tensor.requires_grad_(False)


def _on_cpu(
    moving: Mapping[str, list[Tensor]], rates: Mapping[str, float], at_step: Sequence[float],
    evaluate: Callable[[int], Losses], stage: Stage, settings: Descent,
) -> History:  # fmt: skip
    adam = Adam([moving[key] for key in rates], (settings.momentum, settings.curvature))
    history: History = {}
    for step, share in enumerate(at_step):
        losses = evaluate(step)
        total = torch.stack(list(losses.values())).sum()
        adam.clear()
        total.backward()
        adam.step([rate * share for rate in rates.values()])
        for key, value in losses.items():
            history.setdefault(key, []).append(float(value.detach()))
        stage.step(loss=float(total.detach()))
    adam.clear()  # as large as what is tuned
    return history


def _on_gpu(
    moving: Mapping[str, list[Tensor]], table: list[list[float]],
    evaluate: Callable[[int], Losses], stage: Stage, settings: Descent,
    changes: Collection[int] | None, besides: Collection[int],
) -> History:  # fmt: skip
    if not table:
        return {}
    steps = GpuSteps(
        list(moving.values()), table, (settings.momentum, settings.curvature), evaluate,
        changes if settings.graphs else None, besides,
    )  # fmt: skip
    with steps.stream():
        for step in range(len(table)):
            steps.run(step)
            if (step + 1) % SHOWN_EVERY == 0:
                stage.step(loss=steps.loss(step))
            else:
                stage.step()
        return steps.history()
