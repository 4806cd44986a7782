"""Levenberg-Marquardt with robust weights for some residuals and bounds for some unknowns."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Problem(Protocol):
    """What is solved for: residuals in standard deviations, and their derivatives."""

    @property
    def bounded(self) -> Tensor:
        """Unknowns that stay within 0..1, [P] bool."""

    @property
    def robust(self) -> float:
        """Points farther off than this many deviations lose weight."""

    def residuals(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of points [N, 2], which are robust, and all others [M], which are not."""

    def jacobian(self, x: Tensor) -> Tensor:
        """Derivative of the stacked residuals [2 N + M, P]."""


def minimise(problem: Problem, x: Tensor, free: Tensor, steps: int) -> Tensor:
    """The unknowns [P] after at most `steps` steps from `x`; only those `free` [P] move."""
    damping = 1e-2
    bounded = problem.bounded

    def cost(points: Tensor, others: Tensor) -> Tensor:
        square = points.square().sum(1) / problem.robust**2
        return problem.robust**2 * torch.log1p(square).sum() + others.square().sum()

    current = cost(*problem.residuals(x))
    for _ in range(steps):
        jacobian = problem.jacobian(x)
        points, others = problem.residuals(x)
        # Cauchy weights: what lies far off (a hidden chin, a hand) counts less.
        robust = 1 / (1 + points.square().sum(1) / problem.robust**2)
        weight = torch.cat([robust.repeat_interleave(2), torch.ones_like(others)])
        residual = torch.cat([points.flatten(), others])
        gradient = jacobian.T @ (weight * residual)
        hessian = jacobian.T @ (weight[:, None] * jacobian)
        stuck = bounded & (((x <= 0) & (gradient > 0)) | ((x >= 1) & (gradient < 0)))
        move = (free & ~stuck).nonzero()[:, 0]
        for _ in range(6):
            system = hessian[move][:, move]
            system = system + damping * torch.diag(system.diagonal() + 1e-9)
            step = torch.linalg.solve(system, -gradient[move])
            trial = x.clone()
            trial[move] += step
            trial = torch.where(bounded, trial.clamp(0, 1), trial)
            new = cost(*problem.residuals(trial))
            if torch.isfinite(new) and new < current:
                break
            damping *= 6
        else:
            break
        gain = (current - new) / current
        x, current, damping = trial, new, max(damping / 6, 1e-6)
        if gain < 1e-5:
            break
    return x
