"""One photo's crop as the aligned head sees it, and what is found to cover the face there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

SUNGLASSES = "sunglasses: the eyes are guessed"
MASK = "a mask or a hand over the mouth: mouth and chin are guessed"


@dataclass(frozen=True)
class FacePixels:
    """One photo's crop [n,n] as the aligned head sees it; masks in 0..1."""

    AREAS: ClassVar = (  # of `AtlasRegions`
        "bare", "beard", "brows", "overhung", "flanks", "scalp",
        "spectacles", "cheekbones", "bridge", "right_lids", "left_lids", "lips",
    )  # fmt: skip

    bare: Tensor  # cheeks and nose
    beard: Tensor  # upper lip and chin
    brows: Tensor
    overhung: Tensor  # forehead and temples
    flanks: Tensor  # cheeks and jaw away from the mouth
    scalp: Tensor
    spectacles: Tensor  # skin that rims of glasses run over
    cheekbones: Tensor  # the part of it below the eyes
    bridge: Tensor  # the part of it between them
    right_lids: Tensor  # the person's right
    left_lids: Tensor
    lips: Tensor
    head: Tensor  # the silhouette with the neck
    chin: float  # row, below which the surroundings may be the neck


@dataclass(frozen=True)
class Covered:
    """What covers one face, and a line for the user for each guess that it makes necessary."""

    free: Tensor  # [n,n] in 0..1: 0 where something covers the face
    notes: tuple[str, ...] = ()
