"""The static relief of a face at rest: heights out of the normal map of its skin."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.detail.displacement import frequencies, integrated, texel_metres, tilts
from fitme.head.model import HeadModel

BROADEST = 1 / 32  # of the atlas, 13 mm on the face: a Gaussian beyond which shape is the mesh's
# Metres of skin over the atlas's side: on the face 0.4; beyond, behind the ears and at the rim of
# the neck, a texel is too wide to hold detail, and heights fade out.
DETAILED, BARE = 1.0, 2.0


def static_height(head: HeadModel, neutral: Tensor, normal: Tensor) -> Tensor:
    """Heights [1,R,R] in metres of the detail in a skin's normal map [1,R,R,3]; neutral [1,V,3].

    What is broader than BROADEST is left out: it is no detail, and errors of normals add up to it.
    """
    side = normal.shape[1]
    metres = texel_metres(head, neutral, side)
    wide = metres.amax(-1) * side
    kept = ((BARE - wide) / (BARE - DETAILED)).clamp(0, 1)
    height = integrated(tilts(normal) * kept[..., None], metres)
    row, column = frequencies(side, normal.device)
    broad = (-0.5 * (row.square() + column.square()) * (BROADEST * side) ** 2).exp()
    fine = torch.fft.irfft2(torch.fft.rfft2(height) * (1 - broad), s=(side, side))
    return fine * kept
