"""An open jaw that leaves the upper lip where it is."""

from __future__ import annotations

import torch

from fitme.head.geometry import Geometry
from fitme.head.jaw import jaw_opening
from fitme.head.model import load_head
from tests.tiny_head import tiny_head

UPPER, LOWER, LEFT, RIGHT = 13, 14, 308, 78  # landmarks: edges and corners of the lips


def lips(**weights: float) -> torch.Tensor:
    """Landmarks [478,3] of the mean head."""
    head = load_head()
    expression = torch.zeros(1, len(head.expression_names))
    for name, weight in weights.items():
        expression[0, head.expression_index(name)] = weight
    shape = Geometry(head, torch.zeros(1, 1))
    return head.landmarks(shape.vertices(expression))[0]


class TestJawOpening:
    def test_the_upper_lip_stays_and_the_mouth_keeps_its_width(self) -> None:
        shut, wide = lips(), lips(jawOpen=1.0)
        assert 0 < wide[UPPER, 1] - shut[UPPER, 1] < 0.0015
        assert wide[LOWER, 1] - shut[LOWER, 1] < -0.03
        before, after = ((at[LEFT] - at[RIGHT]).norm() for at in (shut, wide))
        assert 0.95 < after / before < 1

    def test_upper_teeth_are_seen(self) -> None:
        head = load_head()
        tip = head.mean[head.part_vertices("teeth")[0]]
        assert lips(jawOpen=1.0)[UPPER, 1] > tip[1] + 0.0015

    def test_a_mouth_that_is_shut_all_the_same_is(self) -> None:
        head = load_head()
        expression = torch.zeros(1, len(head.expression_names))
        expression[0, head.expression_index("jawOpen")] = 0.5
        expression[0, head.expression_index("mouthClose")] = 0.5
        (found,) = jaw_opening(head)
        shape = Geometry(head, torch.zeros(1, 1))
        moved = shape.vertices(expression) - shape.vertices()
        wanted = torch.einsum("be,evc->bvc", expression, head.expression)
        assert torch.allclose(moved[:, found.vertices], wanted[:, found.vertices], atol=1e-6)

    def test_none_without_a_jaw(self) -> None:
        assert jaw_opening(tiny_head()) == []
