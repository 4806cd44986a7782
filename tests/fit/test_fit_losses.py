"""Losses of the fit: zero where they should be, robust, and blind to what they must not see."""

from __future__ import annotations

import torch

from fitme.fit import losses


def picture(seed: int = 0, size: int = 32) -> torch.Tensor:
    return torch.rand(1, size, size, 3, generator=torch.Generator().manual_seed(seed))


class TestPhotometric:
    def test_zero_for_the_same_and_small_errors_do_not_depend_on_scale(self) -> None:
        seen, weight = picture(), torch.ones(1, 32, 32)
        assert losses.photometric(seen, seen, weight, 0.1) == 0
        near = [losses.photometric(seen, seen + 1e-3, weight, s) for s in (0.1, 0.5)]
        torch.testing.assert_close(near[0], near[1], rtol=1e-2, atol=0)

    def test_outliers_bend(self) -> None:
        seen, weight = picture(), torch.ones(1, 32, 32)
        small, large = (losses.photometric(seen, seen + d, weight, 0.1) for d in (0.1, 1.0))
        assert large < 10 * small  # a square would make it a hundred times

    def test_weight_hides(self) -> None:
        seen, weight = picture(), torch.zeros(1, 32, 32)
        weight[:, :16] = 1
        wanted = seen.clone()
        wanted[:, 16:] += 0.5
        assert losses.photometric(seen, wanted, weight, 0.1) == 0


class TestStructure:
    def test_blind_to_a_constant_and_sees_a_shift(self) -> None:
        seen, weight = picture(), torch.ones(1, 32, 32)
        assert losses.structure(seen, seen + 0.2, weight) < 1e-6
        assert losses.structure(seen, seen.roll(1, 2), weight) > 0.1


class TestChromaticity:
    def test_blind_to_brightness_and_sees_a_tint(self) -> None:
        seen, weight = picture() + 0.1, torch.ones(1, 32, 32)
        assert losses.chromaticity(seen, 3 * seen, weight) < 1e-9
        assert losses.chromaticity(seen, seen * torch.tensor([1.3, 1, 1]), weight) > 1e-3


class TestOpenings:
    def test_blind_to_a_shift_and_sees_a_gap(self) -> None:
        points, scale = torch.rand(2, 4, 2), torch.tensor([2.0, 3.0])
        pairs = ((0, 1), (2, 3))
        assert losses.openings(points + 0.3, points, scale, pairs, 0.01) < 1e-6
        wider = points.clone()
        wider[:, 1] += (points[:, 1] - points[:, 0]) * 0.2
        assert losses.openings(wider, points, scale, pairs, 0.01) > 0.5


class TestPriors:
    def test_tint_sees_colour_only(self) -> None:
        assert losses.tint_prior(torch.full((2, 3), 0.4)) < 1e-12
        assert losses.tint_prior(torch.tensor([[0.2, 0.0, -0.2]])) > 1

    def test_strength_is_least_at_one(self) -> None:
        values = [float(losses.strength_prior(torch.tensor([s]))) for s in (0.5, 1.0, 2.0)]
        assert values[1] == 0 and values[0] > 1 and abs(values[0] - values[2]) < 1e-5


class TestMirror:
    def test_symmetric_signal_costs_nothing(self) -> None:
        half = torch.rand(1, 6, 8, 4, generator=torch.Generator().manual_seed(1))
        sign = torch.tensor([1.0, 1, 1, 1, -1, 1])
        whole = torch.cat([half, half.flip(-1) * sign[:, None, None]], -1)
        weight = torch.ones(8, 8)
        assert losses.mirror_difference(whole, weight) == 0
        whole[:, 4] += 0.1
        assert losses.mirror_difference(whole, weight) > 0.01


class TestDisplay:
    def test_gray_photos_are_compared_by_luminance(self) -> None:
        linear = picture()
        shown = losses.display(linear, torch.tensor([True]))
        assert (shown - shown.mean(-1, keepdim=True)).abs().max() < 1e-6
        assert losses.display(linear, torch.tensor([False])).std(-1).max() > 0.1
