"""Whether several photos show one person, by the shape that their landmarks say.

The threshold comes from 15 pairs of photos of one person (distance 1.9 +- 0.4, largest 2.8) and
2,600 pairs of different people (median 3.0, a third above it): the landmarks alone know some
strangers for sure, and are in doubt about more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

STRANGER = 3.3  # distance between identity codes beyond which nobody is the same person
DOUBT = 2.8


@dataclass(frozen=True)
class Odd:
    """A photo that does not go with the others."""

    index: int
    distance: float  # median distance to the others
    certain: bool


def odd_photo(identities: Sequence[Tensor]) -> Odd | None:
    """The photo farthest from the others, of codes [1,K] each, if it is far; None if all agree.

    Of two photos that differ the second counts as the odd one.
    """
    if len(identities) < 2:
        return None
    codes = torch.cat([code.double().cpu() for code in identities])
    apart = torch.cdist(codes, codes)
    count = len(codes)
    others = apart[~torch.eye(count, dtype=torch.bool)].reshape(count, count - 1)
    typical = others.median(dim=1).values
    index = count - 1 - int(typical.flip(0).argmax())
    distance = float(typical[index])
    return Odd(index, distance, distance > STRANGER) if distance > DOUBT else None
