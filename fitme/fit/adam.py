"""Adam (Kingma and Ba 2015, algorithm 1) on the CPU.

The same bits as `torch.optim.Adam`, whose first use imports torch's compiler and sympy: two to five
seconds, a tenth of a quick fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

EPSILON = 1e-8  # the paper's


class Adam:
    """Moments of groups of unknowns, which change in place."""

    def __init__(self, groups: Sequence[Sequence[Tensor]], betas: tuple[float, float]) -> None:
        self.groups, self.betas = [list(group) for group in groups], betas
        self._moments: dict[int, tuple[Tensor, Tensor]] = {}
        self._steps: dict[int, int] = {}  # of each unknown: those with a gradient

    @torch.no_grad()
    def step(self, rates: Sequence[float]) -> None:
        """Move each group at its rate; what has no gradient stays, and so do its moments."""
        for group, rate in zip(self.groups, rates, strict=True):
            for value in group:
                if value.grad is not None:
                    self._move(value, value.grad, rate)

    def _move(self, value: Tensor, gradient: Tensor, rate: float) -> None:
        key, (first, second) = id(value), self.betas
        if key not in self._moments:
            like = torch.preserve_format
            self._moments[key] = (
                torch.zeros_like(value, memory_format=like),
                torch.zeros_like(value, memory_format=like),
            )
        mean, square = self._moments[key]
        step = self._steps[key] = self._steps.get(key, 0) + 1
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = rate / (1 - first**step)
        spread = (square.sqrt() / math.sqrt(1 - second**step)).add_(EPSILON)
        value.addcdiv_(mean, spread, value=-size)

    def clear(self) -> None:
        """Forget the gradients."""
        for group in self.groups:
            for value in group:
                value.grad = None
