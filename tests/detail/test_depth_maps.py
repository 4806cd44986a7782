"""Thickness in metres and cavities of a head."""

from __future__ import annotations

import numpy as np
import pytest

from fitme.detail.depth_maps import DEEPEST, THICKEST, cavity, thickness
from fitme.head.model import HeadModel, load_head
from fitme.reflectance.atlas import bake_vertex_field


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


class TestThickness:
    def test_ears_are_thin_and_the_forehead_is_not(self, head: HeadModel) -> None:
        found = thickness(head, head.mean[None], 256)
        assert found.shape == (256, 256) and found.min() > 0 and found.max() <= THICKEST * 1.001
        ears = bake_vertex_field(head, head.regions["ears"][:, None], 256)[..., 0].numpy() > 0.9
        assert np.quantile(found[ears], 0.2) < 0.010
        assert found[40:60, 110:146].min() > 0.95 * THICKEST  # a forehead has a skull behind it

    def test_a_head_half_as_large_is_half_as_thick(self, head: HeadModel) -> None:
        ears = bake_vertex_field(head, head.regions["ears"][:, None], 256)[..., 0].numpy() > 0.9
        large, small = (
            np.quantile(thickness(head, scale * head.mean[None], 256)[ears], 0.2)
            for scale in (1.0, 0.5)
        )
        assert (
            0.4 < small / large < 0.85
        )  # rays that were cut at THICKEST count more in a small one


class TestCavity:
    def test_a_pore_is_dark_and_level_skin_is_white(self) -> None:
        height = np.zeros((64, 64), np.float32)
        height[32, 32] = -2 * DEEPEST
        metres = np.full((64, 64, 2), 2.5e-4, np.float32)
        found = cavity(height, metres)
        assert found[32, 32] < 0.05 and found[5, 5] == 1
