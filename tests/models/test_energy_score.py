"""The energy score rewards noise of the true strength; the norm it is made of."""

import pytest
import torch
from torch import Tensor

from fitme.models.train import losses_gan as losses

SHAPE = (64, 3, 32, 32)


def grain(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


class TestNorm:
    def test_equal_inputs_are_zero_but_for_the_floor(self) -> None:
        x = grain(0)
        # The root of zero has no gradient: it is taken of 1e-6 more.
        assert float(losses.laplacian_norm(x, x)) == pytest.approx(0, abs=1.1e-3)
        assert losses.laplacian_norm(x, x) < 0.01 * losses.laplacian_norm(x, grain(1))

    def test_gradient_is_finite_where_inputs_are_equal(self) -> None:
        x = grain(0)[:2].requires_grad_()
        losses.laplacian_norm(x, x.detach()).backward()
        assert x.grad is not None and x.grad.isfinite().all()

    def test_symmetric_and_homogeneous(self) -> None:
        a, b = grain(0), grain(1)
        norm = losses.laplacian_norm(a, b)
        torch.testing.assert_close(losses.laplacian_norm(b, a), norm)
        torch.testing.assert_close(losses.laplacian_norm(3 * a, 3 * b), 3 * norm)

    def test_joint_in_the_channels(self) -> None:
        one = grain(0)[:, :1]
        three = one.expand(-1, 3, -1, -1)
        zero = torch.zeros(())
        torch.testing.assert_close(
            losses.laplacian_norm(three, zero), 3**0.5 * losses.laplacian_norm(one, zero)
        )

    def test_the_mean_does_not_count(self) -> None:
        a = torch.zeros(1, 1, 64, 64)
        assert losses.laplacian_norm(a + 0.5, a) < 0.05  # the border only, at all levels


class TestScore:
    def test_least_at_the_true_strength_of_the_noise(self) -> None:
        first, second, truth = grain(0), grain(1), 0.5 * grain(2)
        levels = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
        scores = [float(losses.energy_score(s * first, s * second, truth)) for s in levels]
        assert scores.index(min(scores)) == levels.index(0.5)
        assert scores == sorted(scores[:4], reverse=True) + sorted(scores[4:])

    def test_least_at_the_true_mean(self) -> None:
        first, second = 0.3 * grain(0), 0.3 * grain(1)
        pattern = torch.sin(torch.arange(32) * 0.9) * torch.ones(32, 1)
        truth = 0.3 * grain(2) + pattern
        scores = [
            float(losses.energy_score(m * pattern + first, m * pattern + second, truth))
            for m in (0.0, 0.5, 1.0, 1.5, 2.0)
        ]
        assert scores.index(min(scores)) == 2

    def test_two_copies_of_one_sample_are_a_regression(self) -> None:
        sample, truth = grain(0), grain(1)
        score = losses.energy_score(sample, sample, truth)
        torch.testing.assert_close(
            score, losses.laplacian_norm(sample, truth), rtol=0, atol=1e-3
        )  # fmt: skip

    def test_gradient_raises_a_noise_that_is_too_weak(self) -> None:
        first, second, truth = grain(0), grain(1), 0.5 * grain(2)
        for level, sign in ((0.1, -1), (0.9, 1)):
            strength = torch.tensor(level, requires_grad=True)
            losses.energy_score(strength * first, strength * second, truth).backward()
            assert strength.grad is not None and float(strength.grad.sign()) == sign

    def test_gradient_is_finite_where_all_are_equal(self) -> None:
        x = torch.zeros(1, 3, 16, 16, requires_grad=True)
        losses.energy_score(x, x * 1, torch.zeros(1, 3, 16, 16)).backward()
        assert x.grad is not None and x.grad.isfinite().all()
