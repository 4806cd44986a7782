"""What the encoder's labels say of the pixels of a crop: skin, or something before it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.evidence.face_pixels import MASK, SUNGLASSES, Covered, FacePixels
from fitme.segment.encoder import EncodedFace
from fitme.segment.labels import Label

# What the maps of the skin carry. Beards are painted on the skin, as cropped hair is.
OWN = (
    Label.SKIN, Label.EARS, Label.NECK, Label.BROWS, Label.EYES, Label.LIPS, Label.BEARD,
)  # fmt: skip
SURE = (0.5, 0.8)  # probability of `OWN` from which a pixel begins to count, and counts fully
# What covers skin, and the strip around it that counts no more either, a share of the crop's
# side: hair throws shadows and single strands beside it, rims end where they end.
STRIPS: tuple[tuple[tuple[Label, ...], float], ...] = (
    ((Label.HAIR, Label.OTHER), 1 / 40),
    ((Label.GLASSES,), 1 / 100),
    ((Label.BACKGROUND, Label.CLOTHES), 1 / 128),
)
THERE = 0.35  # probability from which something counts as there
WORN = 0.6  # share of lids or lips that are hidden by glasses or a mask, so that it is said


def pixel_points(to_photo: Tensor, size: int) -> Tensor:
    """Centres of the pixels of a crop in its photo, [size,size,2]; to_photo [3,3]."""
    axis = torch.arange(size, dtype=to_photo.dtype, device=to_photo.device) + 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], -1)
    return (points @ to_photo.T)[..., :2]


def free_pixels(encoded: EncodedFace, to_photo: Tensor, size: int) -> Tensor:
    """[size,size] in 0..1: 0 where something hangs or is held before the skin, of a crop with
    to_photo [3,3]; within the frame that the encoder saw, 1 beyond."""
    points = pixel_points(to_photo.cpu(), size)
    own = encoded.probability(OWN, points)
    free = ((own - SURE[0]) / (SURE[1] - SURE[0])).clamp(0, 1)
    for labels, strip in STRIPS:
        there = (encoded.probability(labels, points) > THERE).float()
        reach = max(1, round(strip * size))
        near = F.max_pool2d(there[None, None], 2 * reach + 1, 1, reach)[0, 0]
        free = torch.minimum(free, 1 - near)
    inside = (encoded.frame.from_photo(points).abs() < 0.5).all(-1)
    return torch.where(inside, free, torch.ones_like(free))


def labelled_covers(encoded: EncodedFace, to_photo: Tensor, face: FacePixels) -> Covered:
    """What covers the face in a crop of the size of `face` with to_photo [3,3]."""
    size = len(face.head)
    points = pixel_points(to_photo.cpu(), size)
    glasses = encoded.probability((Label.GLASSES,), points) > 0.5
    things = encoded.probability((Label.OTHER, Label.CLOTHES), points) > 0.5
    notes = []
    if min(_share(glasses, face.right_lids), _share(glasses, face.left_lids)) > WORN:
        notes.append(SUNGLASSES)
    if _share(things, face.lips) > WORN:
        notes.append(MASK)
    return Covered(free_pixels(encoded, to_photo, size).to(face.head), tuple(notes))


def _share(there: Tensor, area: Tensor) -> float:
    """Of an area [n,n] that is covered by a mask [n,n]; 0 where there is no such area."""
    whole = float(area.sum())
    return float((there.to(area) * area).sum()) / whole if whole > 0 else 0.0
