"""What the encoder's labels say of the pixels of a crop: skin, or something before it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.segment.encoder import EncodedFace
from fitme.segment.labels import Label

# What the maps of the skin carry. Beards are painted on the skin, as cropped hair is.
OWN = (
    Label.SKIN, Label.EARS, Label.NECK, Label.BROWS, Label.EYES, Label.LIPS, Label.MOUTH,
    Label.BEARD,
)  # fmt: skip
SURE = (0.5, 0.8)  # probability of `OWN` from which a pixel begins to count, and counts fully
# Of the crop's side: a strip around what is not skin counts no more. With 1/85 shadows and single
# hairs beside long hair left brown stripes on cheek and forehead of photo c1, with this none.
DOUBT = 1 / 40


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
    reach = max(1, round(DOUBT * size))
    free = -F.max_pool2d(-free[None, None], 2 * reach + 1, 1, reach)[0, 0]
    inside = (encoded.frame.from_photo(points).abs() < 0.5).all(-1)
    return torch.where(inside, free, torch.ones_like(free))
