"""What a fit knows about its photos beyond the avatar, for its report."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.render.camera import Camera


@dataclass(frozen=True)
class Evidence:
    """Which pixels of one photo the fit took for skin, as a mask of a square crop."""

    trusted: Tensor  # [n, n] in 0..1
    to_photo: Tensor  # [3, 3] crop pixels -> photo pixels

    def in_window(self, whole: Camera, window: Camera) -> Tensor:
        """The mask [H, W] as a window cut from the photo's camera sees it; 1 outside the crop."""
        size = len(self.trusted)
        y, x = torch.meshgrid(
            torch.arange(window.height) + 0.5, torch.arange(window.width) + 0.5, indexing="ij"
        )
        points = torch.stack([x, y, torch.ones_like(x)], -1)
        # Both cameras share pose and axes, so their intrinsics map one picture onto the other.
        back = torch.linalg.inv(self.to_photo.double()) @ whole.K[0].double()
        matrix = back @ torch.linalg.inv(window.K[0].double())
        crop = (points.double() @ matrix.T)[..., :2] / size * 2 - 1
        distrust = 1 - self.trusted.double()
        seen = F.grid_sample(distrust[None, None], crop[None], align_corners=False)
        return (1 - seen[0, 0]).float()
