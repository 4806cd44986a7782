"""Steps of a GPU take the same way as those of the CPU (on the CPU here: nothing is recorded)."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.fit.descent import Losses, descend
from fitme.fit.gpu_descent import GpuSteps
from fitme.fit.settings import Descent
from fitme.runtime.progress import SilentProgress

RATES = {"near": 0.05, "far": 0.2}
STEPS = 25


def unknowns() -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(2)
    return {name: torch.randn(5, generator=draw) for name in RATES}


def losses(values: dict[str, Tensor], step: int) -> Losses:
    """Two bowls, one of which moves at half of the steps."""
    goal = 1.0 if step < STEPS // 2 else -1.0
    return {
        "near": (values["near"] - 0.3).square().sum(),
        "far": (values["far"] - goal).abs().sum() * values["near"].square().mean(),
    }


class TestGpuSteps:
    def test_same_unknowns_and_history_as_on_the_cpu(self) -> None:
        mine, settings = unknowns(), Descent()
        history = descend(
            "test", mine, RATES, STEPS, lambda step: losses(mine, step), SilentProgress(), settings
        )
        other = unknowns()
        for value in other.values():
            value.requires_grad_()
        table = [
            [rate * settings.rate_share(step, STEPS) for rate in RATES.values()]
            for step in range(STEPS)
        ]
        steps = GpuSteps(
            [[value] for value in other.values()], table, (settings.momentum, settings.curvature),
            lambda step: losses(other, step), (STEPS // 2,),
        )  # fmt: skip
        with steps.stream():
            for step in range(STEPS):
                steps.run(step)
        for name, value in mine.items():
            torch.testing.assert_close(other[name].detach(), value, rtol=1e-5, atol=1e-5)
        found = steps.history()
        assert list(found) == list(history)
        for name, values in history.items():
            torch.testing.assert_close(
                torch.tensor(found[name]), torch.tensor(values), rtol=1e-4, atol=1e-5
            )

    def test_what_is_left_before_a_change(self) -> None:
        steps = GpuSteps([[torch.zeros(1)]], [[0.1]] * 10, (0.9, 0.95), lambda step: {}, (4, 9))
        steps.changes = {4, 9}
        assert [steps._left(step) for step in (0, 3, 5, 8)] == [4, 1, 4, 1]

    def test_no_steps(self) -> None:
        assert descend("test", unknowns(), RATES, 0, lambda step: {}, SilentProgress()) == {}
