"""Lids that meet: per person, without a step, in front of the eyeball, linear in the weight."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fitme.head.columns import Arc
from fitme.head.geometry import Geometry
from fitme.head.lids import BLINKS, lid_seams
from fitme.head.model import HeadModel, load_head
from tests.head.test_head import eye_window, front_view
from tests.tiny_head import tiny_head


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def person(head: HeadModel, seed: int) -> Geometry:
    draw = torch.Generator().manual_seed(seed)
    identity = 0.7 * torch.randn(1, len(head.identity), generator=draw)
    return Geometry(head, identity if seed else torch.zeros_like(identity))


def blinking(shape: Geometry, weight: float) -> Tensor:
    """Vertices [1,V,3]."""
    expression = torch.zeros(1, len(shape.head.expression_names))
    expression[:, [shape.head.expression_index(name) for name in BLINKS]] = weight
    return shape.vertices(expression)


class TestBlink:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_shuts_every_eye(self, head: HeadModel, seed: int) -> None:
        shape = person(head, seed)
        shut, open_ = blinking(shape, 1.0), shape.vertices()
        for eye, name in enumerate(("eye_L", "eye_R")):
            window = eye_window(head, open_, eye)
            rest = front_view(head, open_, *window)[name]
            assert front_view(head, shut, *window)[name] < 0.01 * rest, name

    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_ends_at_the_lower_lid(self, head: HeadModel, seed: int) -> None:
        """The head model's own goes 3 to 4 mm beyond it on the mean head."""
        shape = person(head, seed)
        vertices = blinking(shape, 1.0)[0]
        for seam in lid_seams(head):
            (upper, weights), (lower, tops) = seam.margin, seam.ridge
            beyond = (tops @ vertices[lower] - weights @ vertices[upper])[:, 1]
            middle = beyond[len(beyond) // 3 : -(len(beyond) // 3)]
            assert middle.min() > -0.0003 and middle.max() < 0.0019

    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_ends_in_one_arc(self, head: HeadModel, seed: int) -> None:
        """What hangs lowest of the skin that comes down lies on a smooth line, without teeth."""
        shape = person(head, seed)
        rest, shut = shape.vertices()[0], blinking(shape, 1.0)[0]
        for seam in lid_seams(head):
            (_, tops), lower = seam.ridge, seam.ridge[0]
            line = Arc.through(tops @ shut[lower], 4)
            moved = seam.vertices[(shut - rest)[seam.vertices, 1] < -0.0015]
            points = shut[moved][line.outside(shut[moved, 0]) < -0.001]
            below = line.height(points[:, 0]) - points[:, 1]
            assert 0.0002 < below.max() < 0.0012

    def test_goes_before_the_eyeball_when_half_shut(self, head: HeadModel) -> None:
        for seed in (0, 1, 2, 3):
            shape = person(head, seed)
            rest, half = shape.vertices()[0], blinking(shape, 0.5)[0]
            for seam in lid_seams(head):
                upper, weights = seam.margin
                edge = (weights @ half[upper])[8:-8]
                assert (edge[:, 2] > seam.eyeball(rest, edge) - 0.001).all(), seed

    def test_is_linear_and_of_one_side(self, head: HeadModel) -> None:
        shape = person(head, 1)
        rest, offsets = shape.vertices()[0], shape.expression_offsets()
        index = [head.expression_index(name) for name in BLINKS]
        half = rest + 0.5 * offsets[index].sum(0)
        torch.testing.assert_close(blinking(shape, 0.5)[0], half, atol=1e-6, rtol=0)
        right = rest[:, 0] < 0
        own = head.expression[index[0], right]  # up to 0.08 mm at the midline
        assert (offsets[index[0], right] - own).abs().max() < 1e-4

    def test_a_head_without_eyes_has_no_seams(self) -> None:
        tiny = tiny_head()
        assert lid_seams(tiny) == ()
        assert torch.equal(Geometry(tiny, torch.zeros(1, 2)).expression_offsets(), tiny.expression)
