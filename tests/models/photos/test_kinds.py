"""Kinds by their chances."""

from __future__ import annotations

import numpy as np

from fitme.models.train.photos.kinds import draw_kind

CHANCE = {"often": 0.7, "seldom": 0.3, "never": 0.0}


class TestDrawKind:
    def test_as_often_as_the_table_says(self) -> None:
        rng = np.random.default_rng(0)
        drawn = [draw_kind(rng, CHANCE) for _ in range(2000)]
        assert set(drawn) == {"often", "seldom"}
        assert abs(drawn.count("often") / len(drawn) - 0.7) < 0.04  # 4 standard deviations

    def test_what_is_told_draws_nothing(self) -> None:
        rng, other = (np.random.default_rng(1) for _ in range(2))
        assert draw_kind(rng, CHANCE, "never") == "never"
        assert rng.random() == other.random()
