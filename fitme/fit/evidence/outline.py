"""Where the skin of head and neck ends before the background or the clothes, and where the jaw ends
before the neck."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fitme.landmarks.face import FaceLandmarks
from fitme.segment.encoder import EncodedFace
from fitme.segment.labels import Label

SKIN = (Label.SKIN, Label.EARS)
BEHIND = (Label.BACKGROUND, Label.CLOTHES)
MOST = 400  # points that are kept
CHIN, IRISES = 152, [468, 473]  # landmarks
NECK_LENGTH = 0.45  # interocular distances below the chin, 28 mm


def outline(encoded: EncodedFace) -> Tensor:
    """Points [N,2] in photo pixels where skin or ears meet background or clothes; N may be 0. Hair,
    glasses and hands end no skin."""
    return _border(encoded, SKIN, BEHIND)


def neck_sides(face: FaceLandmarks) -> Tensor:
    """Points [N,2] in photo pixels where the neck meets the background, N may be 0: clothes hide
    the rest of a neck, so they do not end it. Those below `NECK_LENGTH` may be of shoulders."""
    if face.encoded is None:
        return face.points[:0]
    found = _border(face.encoded, (Label.NECK,), (Label.BACKGROUND,))
    between = face.points[IRISES].mean(0)
    down = face.points[CHIN] - between
    length = down.norm().clamp_min(1)
    below = (found - face.points[CHIN]) @ (down / length)
    return found[below < NECK_LENGTH * face.scale]


def jaw_line(encoded: EncodedFace) -> Tensor:
    """Points [N,2] in photo pixels where the face meets the neck; N may be 0, as it is under a
    beard."""
    return _border(encoded, (Label.SKIN,), (Label.NECK,))


def _border(encoded: EncodedFace, own_labels: Sequence[Label], others: Sequence[Label]) -> Tensor:
    """Points [N,2] in photo pixels: crossings of probability one half between neighbouring pixels
    of the labels, where both sides are surely the one and the other."""
    own = encoded.labels[list(own_labels)].sum(0)
    other = encoded.labels[list(others)].sum(0)
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
