"""Cards as quads and triangles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]


def quads(count: int, columns: int, many: int) -> Ints:
    """Vertices [C,Q,4] of the quads of `count` cards: two along the hair, then those beside."""
    card, column, k = np.meshgrid(
        np.arange(count), np.arange(columns - 1), np.arange(many - 1), indexing="ij"
    )
    a = (card * columns + column) * many + k
    return np.stack([a, a + 1, a + many, a + many + 1], -1).reshape(count, -1, 4).astype(np.int32)


def fronts(quads: Ints) -> Ints:
    """Two triangles [T,3] per quad of [C,Q,4], counter-clockwise seen from outside."""
    return quads[..., [0, 1, 3, 0, 3, 2]].reshape(-1, 3)


def backs(quads: Ints, seen: NDArray[np.bool_]) -> Ints:
    """Two triangles [T,3] per quad of [C,Q,4] that is `seen` [C,Q], facing the other way."""
    return quads[seen][:, [0, 3, 1, 0, 2, 3]].reshape(-1, 3)
