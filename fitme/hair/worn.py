"""`Hair`: what one person wears, as parameters; the same strands grow from them each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.beard import grow_beard
from fitme.hair.color import HairColor
from fitme.hair.grow import grow
from fitme.hair.strands import Strands
from fitme.hair.styles import BeardStyle, HairStyle
from fitme.head.model import HeadModel

Floats = NDArray[np.floating[Any]]

STRANDS = 8000  # of the head: fine enough for pictures of 1024 px, grown in under two seconds
BEARD_STRANDS = 4000


@dataclass(frozen=True)
class Hair:
    """Hair of the head and beard; None where there is none."""

    style: HairStyle | None = None
    color: HairColor = field(default_factory=HairColor)
    beard: BeardStyle | None = None
    seed: int = 0

    def __bool__(self) -> bool:
        return self.style is not None or self.beard is not None

    def strands(self, head: HeadModel, vertices: Floats, *, count: int = STRANDS) -> Strands:
        """Its strands on a head with `vertices` [V,3], metres, of any shape and expression.

        Raises ValueError where there is no hair at all.
        """
        parts = []
        if self.style is not None:
            parts.append(grow(head, self.style, self.seed, count))
        if self.beard is not None:
            parts.append(grow_beard(head, self.beard, self.seed, BEARD_STRANDS))
        if not parts:
            raise ValueError("a head without hair has no strands")
        return Strands.join(parts).on(vertices)
