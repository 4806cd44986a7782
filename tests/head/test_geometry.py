"""A person's shape: the one place where vertices are made; parts by role."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from fitme.head.geometry import Geometry
from fitme.head.lids import lid_seams
from fitme.head.lips import lip_seam
from fitme.head.mends import mends
from fitme.head.model import HeadModel, load_head
from fitme.head.parts import Role, parts_of
from tests.tiny_head import tiny_head


@dataclass(frozen=True)
class Lift:
    """Moves everything up, by how far the jaw is open and a little at rest."""

    by: Tensor

    def offsets(self, head: HeadModel, expression: Tensor) -> Tensor:
        moved = torch.zeros(len(expression), len(head.mean), 3).to(expression)
        moved[..., 1] = self.by * (0.5 + expression[:, :1])
        return moved

    def to(self, device: torch.device | str) -> Lift:
        return Lift(self.by.to(device))


def tiny(*layers: Lift) -> Geometry:
    return Geometry(tiny_head(), torch.tensor([[1.0, -0.5]]), layers)


class TestVertices:
    def test_as_the_head_model_makes_them_bit_for_bit(self) -> None:
        head, draw = load_head(), torch.Generator().manual_seed(0)
        identity = torch.randn(1, len(head.identity), generator=draw)
        expression = torch.rand(3, len(head.expression_names), generator=draw)
        for seam in lid_seams(head):  # see test_lids
            expression[:, [seam.blink, seam.look or seam.blink]] = 0
        for mend in mends(head):  # see test_jaw and tests/benchmarks/test_cuts.py
            expression[:, mend.expressions] = 0
        gaze = 0.2 * torch.randn(3, 2, 2, generator=draw)
        shape = Geometry(head, identity)
        plain = torch.ones(len(head.mean), dtype=torch.bool)
        lips = lip_seam(head)
        assert lips is not None
        plain[lips.vertices] = False  # see test_lips
        plain[head.vertices_with((Role.TEETH,))] = False  # see test_teeth
        assert torch.equal(shape.vertices()[:, plain], head.shape(identity)[:, plain])
        wanted = head.pose(head.shape(identity.expand(3, -1), expression), gaze=gaze)
        assert torch.equal(shape.vertices(expression, gaze)[:, plain], wanted[:, plain])

    def test_layers_are_added_before_the_eyes_turn(self) -> None:
        plain, lifted = tiny(), tiny(Lift(torch.tensor(0.01)))
        weights = torch.tensor([[1.0, 0.0]])
        up = torch.tensor([0.0, 1.0, 0.0])
        torch.testing.assert_close(lifted.vertices(), plain.vertices() + 0.005 * up)
        gaze = torch.full((1, 2, 2), 0.3)
        torch.testing.assert_close(
            lifted.vertices(weights, gaze), plain.vertices(weights, gaze) + 0.015 * up
        )

    def test_poses_share_the_shape(self) -> None:
        assert tiny().vertices(torch.zeros(4, 2)).shape == (4, 22, 3)
        assert tiny().vertices(gaze=torch.zeros(2, 2, 2)).shape == (2, 22, 3)


class TestExpressionOffsets:
    def test_without_layers_those_of_the_model(self) -> None:
        shape = tiny()
        assert shape.expression_offsets() is shape.head.expression

    def test_are_what_an_expression_adds(self) -> None:
        shape = tiny(Lift(torch.tensor(0.01)))
        for index, offsets in enumerate(shape.expression_offsets()):
            weights = torch.eye(2)[index : index + 1]
            torch.testing.assert_close(shape.vertices(weights)[0], shape.vertices()[0] + offsets)


class TestParts:
    def test_roles(self) -> None:
        parts = load_head().parts
        assert [part.role for part in parts] == [
            Role.SKIN, Role.EYE, Role.EYE, Role.MOUTH, Role.TEETH, Role.TONGUE,
        ]  # fmt: skip
        assert [part.index for part in parts] == list(range(6))
        assert load_head().skin == parts[0]
        assert [part.is_inside_mouth for part in parts] == [False] * 3 + [True] * 3

    def test_unknown_parts_lie_in_the_mouth(self) -> None:
        (part,) = parts_of(("braces",))
        assert part.is_inside_mouth
        with pytest.raises(KeyError, match="braces"):
            replace(tiny_head(), part_names=("braces", "eye_L", "eye_R")).skin  # noqa: B018

    def test_eyes_keep_their_sides_in_any_order(self) -> None:
        head = tiny_head()
        swapped = replace(
            head, part_names=("head", "eye_R", "eye_L"),
            part=torch.tensor([0, 2, 1])[head.part],
        )  # fmt: skip
        assert {part.name: part.side for part in swapped.parts_with(Role.EYE)} == {
            "eye_L": 0, "eye_R": 1,
        }  # fmt: skip
        gaze = torch.tensor([[[0.3, 0.1], [0.0, 0.0]]])
        vertices = head.mean[None]
        assert torch.equal(swapped.pose(vertices, gaze), head.pose(vertices, gaze))
        with pytest.raises(KeyError):
            _ = head.skin.side
