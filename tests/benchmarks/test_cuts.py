"""Nothing of a head cuts through anything, and what does is found."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cuts import PAIRS, Surfaces, crossings, person, posed, surfaces
from fitme.head.model import HeadModel, load_head
from fitme.head.rolled import ROLLS

ALONE = (*ROLLS, "eyeLookDownRight", "eyeBlinkRight", "jawOpen", "jawLeft", "cheekSquintLeft",
         "mouthLeft", "mouthPressLeft", "mouthShrugLower")  # fmt: skip


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


class TestCuts:
    @pytest.mark.parametrize("seed", [0, 1, 4])
    def test_nothing_cuts_through_anything(self, head: HeadModel, seed: int) -> None:
        pairs, shape = surfaces(head), person(head, seed)
        for pose in (*({name: 1.0} for name in ALONE), *PAIRS):
            vertices = posed(shape, pose)
            found = {what: len(crossings(vertices, pair)) for what, pair in pairs.items()}
            assert not any(found.values()), (pose, found)

    def test_the_head_models_own_rolled_lips_do(self, head: HeadModel) -> None:
        for name in ROLLS:
            vertices = (head.mean + head.expression[head.expression_index(name)]).double().numpy()
            assert len(crossings(vertices, surfaces(head)["lips and teeth"])) > 50

    def test_two_triangles(self) -> None:
        flat = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
        upright = np.array([[0.2, 0.2, -0.5], [0.2, 0.2, 0.5], [9.0, 9, 9]])
        both = np.concatenate([flat, upright])
        edges, first, second = np.array([[3, 4]]), np.array([[3, 4, 5]]), np.array([[0, 1, 2]])
        pair = Surfaces(edges, first, second)
        np.testing.assert_allclose(crossings(both, pair)[0], [0.2, 0.2, 0.0])
        both[3:, 2] += 2
        assert not len(crossings(both, pair))
