"""Backdrops are pictures of the wanted size, whatever is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from fitme.models.train.photos.backdrops import CHANCE, draw_backdrop


@pytest.mark.parametrize("kind", list(CHANCE))
def test_each_kind(kind: str) -> None:
    seen = []
    for seed in range(3):
        picture = draw_backdrop(np.random.default_rng(seed), 128, kind=kind)
        assert picture.shape == (128, 128, 3) and picture.dtype == np.float32
        assert np.isfinite(picture).all() and picture.min() >= 0 and picture.max() > 0.001
        assert np.array_equal(picture, draw_backdrop(np.random.default_rng(seed), 128, kind=kind))
        seen.append(picture)
    assert not np.array_equal(seen[0], seen[1])


def test_kinds_are_drawn_by_chance() -> None:
    assert abs(sum(CHANCE.values()) - 1) < 1e-9
    draw_backdrop(np.random.default_rng(0), 96)
