"""Terms and regularizers: zero where they should be, robust, blind to what they must not see."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fitme.fit.observation import display
from fitme.fit.state import USUAL_STRENGTH, Frames
from fitme.fit.terms.landmarks import openings
from fitme.fit.terms.photometric import _doubled, chromaticity, photometric, structure
from fitme.fit.terms.pivot import mirror_difference
from fitme.render.light import Y0


def picture(seed: int = 0, size: int = 32) -> torch.Tensor:
    return torch.rand(1, size, size, 3, generator=torch.Generator().manual_seed(seed))


class TestPhotometric:
    def test_zero_for_the_same_and_small_errors_do_not_depend_on_scale(self) -> None:
        seen, weight = picture(), torch.ones(1, 32, 32)
        assert photometric(seen, seen, weight, 0.1) == 0
        near = [photometric(seen, seen + 1e-3, weight, s) for s in (0.1, 0.5)]
        torch.testing.assert_close(near[0], near[1], rtol=1e-2, atol=0)

    def test_outliers_bend(self) -> None:
        seen, weight = picture(), torch.ones(1, 32, 32)
        small, large = (photometric(seen, seen + d, weight, 0.1) for d in (0.1, 1.0))
        assert large < 10 * small  # a square would make it a hundred times

    def test_weight_hides(self) -> None:
        seen, weight = picture(), torch.zeros(1, 32, 32)
        weight[:, :16] = 1
        wanted = seen.clone()
        wanted[:, 16:] += 0.5
        assert photometric(seen, wanted, weight, 0.1) == 0


class TestStructure:
    def test_blind_to_a_constant_and_sees_a_shift(self) -> None:
        seen, weight = picture(), torch.ones(1, 32, 32)
        assert structure(seen, seen + 0.2, weight) < 1e-6
        assert structure(seen, seen.roll(1, 2), weight) > 0.1


class TestChromaticity:
    def test_blind_to_brightness_and_sees_a_tint(self) -> None:
        seen, weight = picture() + 0.1, torch.ones(1, 32, 32)
        assert chromaticity(seen, 3 * seen, weight) < 1e-9
        assert chromaticity(seen, seen * torch.tensor([1.3, 1, 1]), weight) > 1e-3


class TestOpenings:
    def test_blind_to_a_shift_and_sees_a_gap(self) -> None:
        points, scale = torch.rand(2, 4, 2), torch.tensor([2.0, 3.0])
        pairs = ((0, 1), (2, 3))
        assert openings(points + 0.3, points, scale, pairs, 0.01) < 1e-6
        wider = points.clone()
        wider[:, 1] += (points[:, 1] - points[:, 0]) * 0.2
        assert openings(wider, points, scale, pairs, 0.01) > 0.5


def frames(count: int = 1) -> Frames:
    """White light of the usual strength from everywhere."""
    gray = torch.zeros(count, 9)
    gray[:, 0] = USUAL_STRENGTH / Y0
    shapes = {
        "expression": (5,), "gaze": (2, 2), "rotation": (3,), "translation": (3,), "tint": (3,),
        "white": (3,), "color": (9, 3), "lamp": (3,), "trusted": (4, 4),
    }  # fmt: skip
    return Frames(gray=gray, **{k: torch.zeros(count, *shape) for k, shape in shapes.items()})


class TestRegularizers:
    def test_nothing_unusual_costs_nothing(self) -> None:
        assert all(float(value) < 1e-9 for value in frames().regularizer().values())

    def test_tint_sees_colour_only(self) -> None:
        made = frames(2)
        made.tint[:] = 0.4
        assert made.regularizer()["tint"] < 1e-12
        made.tint[:] = torch.tensor([0.2, 0.0, -0.2])
        assert made.regularizer()["tint"] > 1

    def test_strength_is_least_where_it_is_usual(self) -> None:
        values = []
        for strength in (0.5 * USUAL_STRENGTH, USUAL_STRENGTH, 2 * USUAL_STRENGTH):
            made = frames()
            made.gray *= strength / USUAL_STRENGTH
            values.append(float(made.regularizer()["strength"]))
        assert values[1] < 1e-9 and values[0] > 1 and abs(values[0] - values[2]) < 1e-5

    def test_light_is_nowhere_less_than_nothing(self) -> None:
        made = frames(2)
        made.gray[1, 2] = 3 * made.gray[1, 0]  # all of it from the front, and some more
        assert float(made.surround()[0].amin()) > 0.5 and float(made.surround()[1].amin()) < 0
        assert made[0].regularizer()["faint"] == 0 and made[1].regularizer()["faint"] > 1e-2


class TestDoubled:
    def test_what_a_gpu_takes_is_torch_s_own(self) -> None:
        images = torch.rand(2, 3, 5, 8, generator=torch.Generator().manual_seed(6)).double()
        wanted = F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
        torch.testing.assert_close(_doubled(_doubled(images).mT).mT, wanted)


class TestFrames:
    def test_a_frame_is_that_of_one_photo(self) -> None:
        made = frames(3)
        made.tint += torch.arange(3.0)[:, None]
        assert len(made[1]) == 1 and float(made[1].tint[0, 0]) == 1
        assert float(made[-1].tint[0, 0]) == 2 and len(made[1:]) == 2
        assert [float(frame.tint[0, 0]) for frame in made] == [0, 1, 2]
        with pytest.raises(IndexError, match="frame 3 of 3"):
            made[3]


class TestMirror:
    def test_symmetric_signal_costs_nothing(self) -> None:
        half = torch.rand(1, 6, 8, 4, generator=torch.Generator().manual_seed(1))
        sign = torch.tensor([1.0, 1, 1, 1, -1, 1])
        whole = torch.cat([half, half.flip(-1) * sign[:, None, None]], -1)
        weight = torch.ones(8, 8)
        assert mirror_difference(whole, weight) == 0
        whole[:, 4] += 0.1
        assert mirror_difference(whole, weight) > 0.01


class TestDisplay:
    def test_gray_photos_are_compared_by_luminance(self) -> None:
        linear = picture()
        shown = display(linear, torch.tensor([True]))
        assert (shown - shown.mean(-1, keepdim=True)).abs().max() < 1e-6
        assert display(linear, torch.tensor([False])).std(-1).max() > 0.1
