"""One kind out of a table of how often there is which."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def draw_kind(
    rng: np.random.Generator, chance: Mapping[str, float], told: str | None = None
) -> str:
    """`told`, for which nothing is drawn; None: a key of `chance`, whose values sum to 1."""
    if told is not None:
        return told
    return str(rng.choice(list(chance), p=np.array(list(chance.values()))))
