"""The deformation map: what it moves, what it leaves alone, and its file."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from fitme.detail.deformation import Deformation, as_stored
from fitme.detail.fields import DeformationFields
from fitme.detail.samples import Samples
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel, load_head
from fitme.head.parts import Role
from tests.tiny_head import tiny_head


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def fields(head: HeadModel) -> DeformationFields:
    found = DeformationFields.load(head)
    assert found is not None
    return found


def drawn(fields: DeformationFields, seed: int = 0) -> Tensor:
    return torch.randn(fields.zeros().shape, generator=torch.Generator().manual_seed(seed))


def offsets(fields: DeformationFields, head: HeadModel, code: Tensor) -> Tensor:
    return fields.deformation(code).offsets(head, torch.zeros(1, len(head.expression_names)))[0]


class TestOffsets:
    def test_zero_changes_nothing(self, fields: DeformationFields, head: HeadModel) -> None:
        plain = Geometry(head, torch.zeros(1, 3))
        layer = fields.deformation(fields.zeros())
        assert torch.equal(dataclasses.replace(plain, layers=(layer,)).vertices(), plain.vertices())

    def test_linear(self, fields: DeformationFields, head: HeadModel) -> None:
        first, second = drawn(fields, 1), drawn(fields, 2)
        both = offsets(fields, head, 2 * first - second)
        apart = 2 * offsets(fields, head, first) - offsets(fields, head, second)
        assert (both - apart).abs().max() < 1e-7

    def test_the_same_in_every_pose_and_no_expression_of_its_own(
        self, fields: DeformationFields, head: HeadModel
    ) -> None:
        layer = fields.deformation(drawn(fields))
        poses = torch.rand(2, len(head.expression_names))
        moved = layer.offsets(head, poses)
        assert moved.shape == (2, len(head.mean), 3)
        assert torch.equal(moved[0], moved[1])
        geometry = Geometry(head, torch.zeros(1, 3), (layer,))
        plain = Geometry(head, torch.zeros(1, 3))
        assert torch.equal(geometry.expression_offsets(), plain.expression_offsets())

    def test_spread_is_about_a_millimetre_on_the_face(
        self, fields: DeformationFields, head: HeadModel
    ) -> None:
        draws = torch.stack([offsets(fields, head, drawn(fields, k)) for k in range(12)])
        size = draws.square().sum(-1).mean(0).sqrt()
        cheeks = (head.regions["face"] > 0.99) & (head.regions["lids"] < 0.01)
        assert 0.0005 < float(size[cheeks].median()) < 0.002
        behind_the_ears = (head.mean[:, 2] < -0.02) & (head.mean[:, 1] > -0.04)
        assert float(size[behind_the_ears].max()) < 2e-5
        assert 0.002 < float(size[head.regions["neck"] > 0.99].median()) < 0.010

    def test_codes_of_symmetric_fields_are_symmetric(
        self, fields: DeformationFields, head: HeadModel
    ) -> None:
        code = drawn(fields)
        even = torch.isclose(fields.fields, fields.fields.flip(2)).flatten(1).all(1)
        assert 0 < int(even.sum()) < len(even)
        code[0, :, 0] *= even  # normal, sideways, upwards
        code[0, :, 1] *= ~even
        code[0, :, 2] *= even
        moved, skin = offsets(fields, head, code), head.part_vertices(head.skin.name)
        other = moved[head.mirror[skin]] * moved.new_tensor([-1.0, 1.0, 1.0])
        assert (moved[skin] - other).abs().max() < 1e-7
        assert moved[skin].abs().max() > 1e-3


class TestWhatStays:
    def test_eyes(self, fields: DeformationFields, head: HeadModel) -> None:
        moved = offsets(fields, head, drawn(fields))
        for eye in head.parts_with(Role.EYE):
            assert not moved[head.part_vertices(eye.name)].any()

    def test_rims_of_the_lids(self, fields: DeformationFields, head: HeadModel) -> None:
        moved = offsets(fields, head, drawn(fields)).norm(dim=-1)
        skin = head.part_vertices(head.skin.name)
        eyes = torch.cat([head.part_vertices(e.name) for e in head.parts_with(Role.EYE)])
        near = torch.cdist(head.mean[skin], head.mean[eyes]).amin(1) < 0.0005
        assert int(near.sum()) > 100
        assert moved[skin[near]].max() < 0.0003

    def test_closed_lips_stay_closed(self, fields: DeformationFields, head: HeadModel) -> None:
        moved = offsets(fields, head, drawn(fields))
        skin = head.part_vertices(head.skin.name)
        lips = skin[(head.regions["lips"] + head.regions["mouth_inside"])[skin] > 0]
        first, second = (torch.cdist(head.mean[lips], head.mean[lips]) < 1e-4).nonzero().T
        apart = first != second
        assert int(apart.sum()) > 20
        gap = moved[lips[first[apart]]] - moved[lips[second[apart]]]
        assert gap.norm(dim=-1).max() < 2e-4

    def test_teeth_keep_their_shape(self, fields: DeformationFields, head: HeadModel) -> None:
        moved = offsets(fields, head, drawn(fields))
        (teeth,) = head.parts_with(Role.TEETH)
        own = moved[head.part_vertices(teeth.name)]
        assert (own - own[0]).abs().max() < 1e-7


class TestGradient:
    def test_of_the_sparse_map(self) -> None:
        draws = torch.Generator().manual_seed(3)
        row, column = torch.randint(5, (20,), generator=draws), torch.randint(7, (20,))
        samples = Samples.of(row, column, torch.rand(20, dtype=torch.double), 5, 7)
        values = torch.rand(7, 3, dtype=torch.double, generator=draws, requires_grad=True)
        assert torch.autograd.gradcheck(lambda x: samples(x), (values,))

    def test_reaches_the_code(self, fields: DeformationFields, head: HeadModel) -> None:
        code = fields.zeros().requires_grad_(True)
        offsets(fields, head, code).square().sum().backward()
        assert code.grad is not None and not code.grad.any()
        (offsets(fields, head, code) @ torch.ones(3)).sum().backward()
        assert bool(code.grad.any())


class TestFile:
    def test_bit_for_bit(self, fields: DeformationFields, head: HeadModel) -> None:
        geometry = as_stored(
            Geometry(head, torch.zeros(1, 3), (fields.deformation(drawn(fields)),))
        )
        (layer,) = geometry.layers
        assert isinstance(layer, Deformation)
        back = Deformation.from_data(layer.data(), head)
        assert torch.equal(back.map, layer.map)
        at_rest = torch.zeros(1, len(head.expression_names))
        assert torch.equal(back.offsets(head, at_rest), layer.offsets(head, at_rest))

    @pytest.mark.parametrize("data", [b"", b"no safetensors", b"\xff" * 64])
    def test_damage(self, data: bytes, head: HeadModel) -> None:
        with pytest.raises(ValueError, match="safetensors"):
            Deformation.from_data(data, head)

    def test_nan(self, head: HeadModel) -> None:
        layer = Deformation.none(head, 8)
        layer.map[2, 3, 1] = float("nan")
        with pytest.raises(ValueError, match="not finite"):
            Deformation.from_data(layer.data(), head)


class TestOtherHeads:
    def test_another_head_has_no_fields(self) -> None:
        assert DeformationFields.load(tiny_head()) is None

    def test_a_map_fits_any_head(self) -> None:
        head = tiny_head()
        layer = Deformation.none(head, 8)
        layer.map[..., 2] = 0.001
        moved = layer.to("cpu").offsets(head, torch.zeros(1, len(head.expression_names)))[0]
        skin = head.part_vertices(head.skin.name)
        assert bool((moved[skin].norm(dim=-1) < 0.00101).all())
        assert bool((moved[skin].norm(dim=-1) > 0.0003).all())
