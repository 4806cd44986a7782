"""Adam without torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import torch

from fitme.fit.adam import Adam

IMPORTS = """
import sys, torch
from fitme.fit.adam import Adam
value = torch.ones(3, requires_grad=True)
value.square().sum().backward()
Adam([[value]], (0.9, 0.99)).step([0.1])
assert "torch._dynamo" not in sys.modules, "torch's compiler was imported"
"""


class TestAdam:
    def test_the_bits_are_those_of_torch(self) -> None:
        torch.manual_seed(3)
        start = [torch.randn(4, 5), torch.randn(7), torch.randn(2, 3, 2)]
        ours = [value.clone().requires_grad_() for value in start]
        theirs = [value.clone().requires_grad_() for value in start]
        adam = Adam([ours[:1], ours[1:]], (0.9, 0.995))
        other = torch.optim.Adam(
            [{"params": theirs[:1]}, {"params": theirs[1:]}], lr=0.1, betas=(0.9, 0.995)
        )
        for step in range(30):
            rates = [0.1 / (1 + step), 0.03]
            for group, rate in zip(other.param_groups, rates, strict=True):
                group["lr"] = rate
            for values, clear in ((ours, adam.clear), (theirs, other.zero_grad)):
                clear()
                used = values if step > 5 else values[:2]  # one has no gradient at first
                torch.stack([(v - 0.3).abs().pow(1.5).sum() for v in used]).sum().backward()
            adam.step(rates)
            other.step()
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))

    def test_torchs_compiler_is_not_imported(self) -> None:
        done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
