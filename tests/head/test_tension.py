"""Strain of the skin: its invariances, its linearity, and where a smile compresses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fitme.head.model import HeadModel, load_head
from fitme.head.tension import principal, skin_strain, strain_across, texel_lengths
from fitme.reflectance.atlas import bake_vertex_field
from fitme.render.camera import axis_angle_to_matrix


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def skin(head: HeadModel) -> Tensor:
    return head.part_vertices(head.skin.name)


def smile(head: HeadModel, amount: float = 1.0) -> Tensor:
    weights = torch.zeros(1, len(head.expression_names))
    for name in ("mouthSmileLeft", "mouthSmileRight"):
        weights[0, head.expression_index(name)] = amount
    return head.shape(torch.zeros(1, len(head.identity)), weights)


class TestSkinStrain:
    def test_moving_and_turning_strains_nothing(self, head: HeadModel) -> None:
        neutral = head.mean[None]
        turned = neutral @ axis_angle_to_matrix(torch.tensor([1e-3, -2e-3, 1e-3])).T + 0.1
        assert float(skin_strain(head, neutral, turned).abs().max()) < 1e-4

    def test_growing_is_even(self, head: HeadModel, skin: Tensor) -> None:
        strain = skin_strain(head, head.mean[None], 1.1 * head.mean[None])[0, skin]
        torch.testing.assert_close(
            strain, torch.tensor([0.1, 0.1, 0.0]).expand_as(strain), atol=2e-3, rtol=0
        )

    def test_strains_add_up_as_shapes_do(self, head: HeadModel) -> None:
        neutral = head.mean[None]
        half, full = (skin_strain(head, neutral, smile(head, k)) for k in (0.5, 1.0))
        torch.testing.assert_close(2 * half, full, atol=1e-4, rtol=1e-3)

    def test_a_smile_folds_beside_nose_and_eyes_and_not_the_forehead(self, head: HeadModel) -> None:
        neutral = head.mean[None]
        least = principal(skin_strain(head, neutral, smile(head)))[1][0]
        points = head.landmarks(neutral)[0]
        brow, corner = points[9], points[61]  # glabella, corner of the mouth

        def near(centre: Tensor) -> float:
            close = (head.mean - centre).norm(dim=-1) < 0.02
            return float(least[close].min())

        assert near(corner + torch.tensor([0.0, 0.015, 0.0])) < -0.15
        assert near(brow + torch.tensor([0.0, 0.03, 0.0])) > -0.03

    def test_lengths_are_those_of_the_atlas(self, head: HeadModel) -> None:
        lengths = bake_vertex_field(head, texel_lengths(head, head.mean[None]), 64)
        place = bake_vertex_field(head, head.mean[:, None].squeeze(1), 64)
        across = (place[30:40, 33:40] - place[30:40, 32:39]).norm(dim=-1) * 64
        torch.testing.assert_close(across, lengths[30:40, 33:40, 0], rtol=0.35, atol=0.02)


class TestPrincipal:
    def test_smallest_strain_is_across_its_angle(self) -> None:
        strain = torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
        high, low, angle = principal(strain)
        torch.testing.assert_close(strain_across(strain, angle), low, atol=1e-5, rtol=1e-4)
        along = strain_across(strain, angle + torch.pi / 2)
        torch.testing.assert_close(along, high, atol=1e-5, rtol=1e-4)
        assert bool((low <= high).all())
