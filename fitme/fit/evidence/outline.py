"""Where the skin of head and neck ends before the background or the clothes."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.segment.encoder import EncodedFace
from fitme.segment.labels import Label

SKIN = (Label.SKIN, Label.EARS)
BEHIND = (Label.BACKGROUND, Label.CLOTHES)
MOST = 400  # points that are kept


def outline(encoded: EncodedFace) -> Tensor:
    """Points [N,2] in photo pixels where skin or ears meet background or clothes; N may be 0.

    Crossings of probability one half between neighbouring pixels of the labels, where both sides
    are surely the one and the other: hair, glasses and hands end no skin.
    """
    own = encoded.labels[list(SKIN)].sum(0)
    other = encoded.labels[list(BEHIND)].sum(0)
    known = own + other
    share = own / known.clamp_min(1e-3)
    points = []
    height, width = share.shape
    for axis in (0, 1):
        first = share.narrow(axis, 0, share.shape[axis] - 1)
        second = share.narrow(axis, 1, share.shape[axis] - 1)
        sure = torch.minimum(
            known.narrow(axis, 0, share.shape[axis] - 1),
            known.narrow(axis, 1, share.shape[axis] - 1),
        )
        crossing = ((first - 0.5) * (second - 0.5) < 0) & (sure > 0.8)
        at = crossing.nonzero().float()
        values = (first - 0.5)[crossing] / (first - second)[crossing]
        at[:, axis] += values
        points.append(torch.stack([(at[:, 1] + 0.5) / width, (at[:, 0] + 0.5) / height], -1) - 0.5)
    places = torch.cat(points)
    edge = places.abs().amax(-1) < 0.5 - 1.5 / width
    places = places[edge]
    if len(places) > MOST:
        places = places[torch.linspace(0, len(places) - 1, MOST).long()]
    return encoded.frame.to_photo(places)
