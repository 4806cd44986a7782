"""A person's own hairline and outline: hair grows and stands where they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fitme.hair import PRESETS, grow
from fitme.hair.hairline import KNOTS, hairline, own_hairline
from fitme.hair.outline import PLACES, stood_out
from fitme.hair.scalp import scalp_of
from fitme.head.model import HeadModel, load_head


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


class TestHairline:
    def test_nothing_moved_is_the_usual_line(self) -> None:
        for line in own_hairline([0.0] * (2 * KNOTS), 0.004):
            np.testing.assert_allclose(line, hairline(0.0, 0.0, 0.0, 0.004))

    def test_sides_differ_and_meet(self) -> None:
        offsets = np.zeros((2, KNOTS))
        offsets[0, :5] = 0.02
        left, right = own_hairline(offsets.ravel().tolist(), 0.0)
        assert left[3, 1] > right[3, 1] + 0.01
        np.testing.assert_allclose(left[[0, -1]], right[[0, -1]])

    def test_roots_keep_to_it(self, head: HeadModel) -> None:
        offsets = np.zeros((2, KNOTS))
        offsets[:, :6] = 0.03
        style = replace(PRESETS["buzz"], hairline=tuple(offsets.ravel().tolist()))
        usual, raised = (grow(head, one, 1, 3000) for one in (PRESETS["buzz"], style))
        scalp = scalp_of(head)
        inside = scalp.inside(*own_hairline(offsets.ravel().tolist(), 0.0))
        corners = scalp.triangles[raised.triangle]
        edge = (inside[corners] * raised.barycentric).sum(1)
        assert (edge > -0.008).mean() > 0.99
        front = [(one.points[:, 0, 2] > 0.075).sum() for one in (usual, raised)]
        assert front[1] < 0.2 * front[0]

    def test_wrong_numbers_are_refused(self) -> None:
        with pytest.raises(ValueError, match="offsets"):
            replace(PRESETS["crop"], hairline=(0.0,) * 3)
        with pytest.raises(ValueError, match="outline"):
            replace(PRESETS["crop"], outline=(0.0,) * 3)


class TestOutline:
    def test_moves_outwards_on_its_side(self) -> None:
        points = np.array([[[0.09, 0.0, 0.0]], [[-0.09, 0.0, 0.0]], [[0.0, 0.15, 0.0]]], np.float32)
        arc = np.full((3, 1), 0.1, np.float32)
        moved = stood_out(points, arc, np.where(PLACES > 40, 0.02, 0.0).tolist())
        np.testing.assert_allclose(moved[0, 0], [0.11, 0.0, 0.0], atol=1e-6)
        np.testing.assert_allclose(moved[1:], points[1:], atol=1e-6)
        np.testing.assert_allclose(
            stood_out(points, np.zeros_like(arc), [0.02] * len(PLACES)), points, atol=1e-6
        )
