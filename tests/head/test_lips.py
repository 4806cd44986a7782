"""Lips that meet: per person, in every expression alike, and a jaw that still opens them."""

from __future__ import annotations

import pytest
import torch

from fitme.head.geometry import Geometry
from fitme.head.lips import MOST_M, OVERLAP_M, lip_seam
from fitme.head.model import HeadModel, load_head
from fitme.head.parts import Role
from tests.tiny_head import tiny_head

INNER = slice(3, -3)  # columns away from the corners of the mouth


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def person(head: HeadModel, seed: int) -> Geometry:
    draw = torch.Generator().manual_seed(seed)
    return Geometry(head, 0.7 * torch.randn(1, len(head.identity), generator=draw))


class TestLips:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_overlap_at_rest(self, head: HeadModel, seed: int) -> None:
        shape, seam = person(head, seed), lip_seam(head)
        assert seam is not None
        before = seam.gap(head.shape(shape.identity)[0])[INNER]
        after = seam.gap(shape.vertices()[0])[INNER]
        assert float(before.max()) > -0.5 * OVERLAP_M  # the head model's own hardly meet
        assert float(after.max()) < -0.8 * OVERLAP_M
        assert float((before - after).max()) < MOST_M

    def test_only_the_mouth_moves_and_the_same_with_any_expression(self, head: HeadModel) -> None:
        shape, seam = person(head, 1), lip_seam(head)
        assert seam is not None
        moved = shape.vertices()[0] - head.pose(head.shape(shape.identity))[0]
        away = torch.ones(len(moved), dtype=torch.bool)
        away[seam.vertices] = False
        away[head.vertices_with((Role.TEETH,))] = False  # see test_teeth
        assert float(moved[away].abs().max()) == 0
        assert float(moved[seam.vertices].abs().max()) < 0.6 * MOST_M
        aside, wide = torch.zeros(2, 1, len(head.expression_names))
        aside[:, head.expression_index("jawLeft")] = 1.0
        turned = shape.vertices(aside)[0] - head.pose(head.shape(shape.identity, aside))[0]
        torch.testing.assert_close(turned, moved, atol=1e-6, rtol=0)
        wide[:, head.expression_index("jawOpen")] = 1.0
        assert float(seam.gap(shape.vertices(wide)[0])[INNER].min()) > 0.01

    def test_identities_learn_nothing_from_it(self, head: HeadModel) -> None:
        identity = torch.zeros(1, len(head.identity), requires_grad=True)
        own = Geometry(head, identity).vertices()[0, :, 1].sum()
        plain = head.pose(head.shape(identity))[0, :, 1].sum()
        (found,), (wanted,) = (torch.autograd.grad(value, identity) for value in (own, plain))
        torch.testing.assert_close(found, wanted)

    def test_a_head_without_lips_has_no_seam(self) -> None:
        assert lip_seam(tiny_head()) is None
