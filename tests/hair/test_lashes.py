"""Lashes go along with the lids of any head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitme.hair.lashes import has_lashes, lashes_on
from fitme.head.model import HeadModel
from tests.small_avatar import small_avatar


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return small_avatar().head


def posed(head: HeadModel, **shapes: float) -> np.ndarray:
    weights = torch.zeros(1, len(head.expression_names))
    for name, weight in shapes.items():
        weights[0, head.expression_names.index(name)] = weight
    return small_avatar().geometry.vertices(weights)[0].numpy()


class TestLashesOn:
    def test_roots_stay_on_the_skin(self, head: HeadModel) -> None:
        vertices = posed(head, eyeBlinkLeft=1.0, jawOpen=0.5)
        lashes = lashes_on(head, vertices)
        corners = lashes.anchor.triangles[lashes.triangle]
        before = (lashes.anchor.vertices[corners] * lashes.barycentric[..., None]).sum(1)
        after = (vertices[corners] * lashes.barycentric[..., None]).sum(1)
        grown = lashes_on(head, lashes.anchor.vertices)
        moved = np.linalg.norm(lashes.points[:, 0] - after, axis=1)
        rest = np.linalg.norm(grown.points[:, 0] - before, axis=1)
        np.testing.assert_allclose(moved, rest, atol=1e-6)

    def test_they_keep_their_length_and_turn_down_with_a_blink(self, head: HeadModel) -> None:
        opened = lashes_on(head, posed(head))
        shut = lashes_on(head, posed(head, eyeBlinkLeft=1.0))

        def steps(points: np.ndarray) -> np.ndarray:
            return np.linalg.norm(np.diff(points, axis=1), axis=2)

        np.testing.assert_allclose(steps(opened.points), steps(shut.points), rtol=1e-3)
        way = [one.points[:, -1] - one.points[:, 0] for one in (opened, shut)]
        left = opened.points[:, 0, 0] > 0
        upper = way[0][:, 1] > 0
        assert (way[1][left & upper, 1] < way[0][left & upper, 1]).mean() > 0.95
        np.testing.assert_allclose(way[1][~left], way[0][~left], atol=2e-4)

    def test_none_beside_the_tear_duct(self, head: HeadModel) -> None:
        lashes = lashes_on(head, posed(head))
        for side in (lashes.points[:, 0, 0] > 0, lashes.points[:, 0, 0] < 0):
            across = np.abs(lashes.points[side, 0, 0])
            marks = head.landmarks(torch.from_numpy(posed(head))[None])[0]
            corners = marks[[133, 33]][:, 0].abs()
            inner, outer = float(corners.min()), float(corners.max())
            assert across.min() > inner + 0.08 * (outer - inner)


def test_a_head_without_known_lids_has_none(head: HeadModel) -> None:
    plain = replace(head, eye_ring=head.eye_ring[:0])
    assert has_lashes(head) and not has_lashes(plain)
    with pytest.raises(ValueError, match="two eyes"):
        lashes_on(plain, head.mean.numpy())
