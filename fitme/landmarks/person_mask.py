"""MediaPipe's selfie segmentation: persons against the background. For recipes and benchmarks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.landmarks.files import load_network
from fitme.learned.registry import PERSON_MASK

SIDE = 256  # pixels of what the network sees


class PersonMask:
    """Loads its network with the first picture, fetching it where it is not here."""

    def __init__(self) -> None:
        self._network = load_network(PERSON_MASK)

    def __call__(self, picture: Tensor) -> Tensor:
        """[h,w], 0 to 1: how surely a pixel of an sRGB picture [h,w,3], 0 to 1, shows a person."""
        size = picture.shape[:2]
        small = F.interpolate(
            picture.permute(2, 0, 1)[None], (SIDE, SIDE), mode="bilinear", align_corners=False
        )
        with torch.inference_mode():
            (mask,) = self._network(small.permute(0, 2, 3, 1))
            large = F.interpolate(
                mask.permute(0, 3, 1, 2), size, mode="bilinear", align_corners=False
            )
        return large[0, 0].clone()
