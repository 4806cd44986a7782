"""Where a landmark network looks: square windows of a photo and the views sampled from them.

Pure geometry and resampling; nothing here knows a network. Windows may be rolled and may
stick out of the photo (what lies outside is black).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.image.color import linear_to_srgb
from fitme.image.photo import Photo
from fitme.landmarks.face import SKIN_LANDMARKS

#: Side of a view: the input size of MediaPipe's detector and of its landmark network.
VIEW_PX = 192
#: Window side over face box: what the landmark network was trained with. Other values shift
#: the points systematically (by 2 % of the interocular distance at 1.3 or 1.7).
WINDOW = 1.5
#: Side of the patch that views are sampled from: in pixels, and over the window's side.
PATCH_PX = 432
_PATCH = 1.8
_LARGEST_VIEW = 1.07  # a view's side over its window's, at most


@dataclass(frozen=True)
class Window:
    """A square to look at: centre and side in pixels, roll in radians (clockwise on screen)."""

    x: float
    y: float
    side: float
    roll: float


@dataclass(frozen=True)
class Patch:
    """An upright sRGB copy of part of the photo: pixels [3, n, n], its corner and side."""

    pixels: Tensor
    x: float
    y: float
    side: float

    def covers(self, window: Window) -> bool:
        """Whether every view of the window lies inside and the resolution still fits."""
        turned = abs(math.cos(window.roll)) + abs(math.sin(window.roll))
        reach = _LARGEST_VIEW / 2 * window.side * turned
        room = min(
            window.x - self.x,
            window.y - self.y,
            self.x + self.side - window.x,
            self.y + self.side - window.y,
        )
        return reach <= room and window.side > 0.7 * self.side / _PATCH


def covering_squares(width: int, height: int, fraction: float) -> Iterator[tuple[int, int, int]]:
    """Squares (x, y, side) that cover the photo; 1 = the whole photo, centred, with borders."""
    side = max(1, round(fraction * max(width, height)))
    for y in _starts(height, side):
        for x in _starts(width, side):
            yield x, y, side


def _starts(length: int, side: int) -> list[int]:
    """Starts of intervals that cover [0, length] and overlap by at least a third."""
    if side >= length:
        return [(length - side) // 2]
    count = math.ceil((length - side) / (side * 2 / 3)) + 1
    return [round(index * (length - side) / (count - 1)) for index in range(count)]


def window_of(points: Tensor) -> Window:
    """The window that landmarks [478, 2 or 3] define: box in the eyes' direction, enlarged."""
    eyes = points[263, :2] - points[33, :2]
    roll = math.atan2(float(eyes[1]), float(eyes[0]))
    cos, sin = math.cos(roll), math.sin(roll)
    turn = points.new_tensor([[cos, sin], [-sin, cos]])
    level = points[:SKIN_LANDMARKS, :2] @ turn.T
    low, high = level.amin(0), level.amax(0)
    x, y = (turn.T @ ((low + high) / 2)).tolist()
    return Window(x, y, WINDOW * float((high - low).max()), roll)


def cut_patch(photo: Photo, window: Window) -> Patch:
    side = max(2, math.ceil(_PATCH * window.side))
    x, y = math.floor(window.x - side / 2), math.floor(window.y - side / 2)
    pixels = photo.crop(x, y, side, side, (PATCH_PX, PATCH_PX)).pixels
    return Patch(linear_to_srgb(pixels).permute(2, 0, 1).contiguous(), x, y, side)


def view_affine(window: Window, scale: float, roll: float) -> Tensor:
    """[2, 3] float64 from the view's unit square to the photo."""
    side, angle = window.side * scale, window.roll + roll
    a, b = side * math.cos(angle), side * math.sin(angle)
    return torch.tensor(
        [[a, -b, window.x - (a - b) / 2], [b, a, window.y - (a + b) / 2]], dtype=torch.float64
    )


def sample_views(patch: Patch, affines: Tensor) -> np.ndarray:
    """Views [n, 192, 192, 3] uint8 of a patch; affines [n, 2, 3] as of `view_affine`."""
    centres = (torch.arange(VIEW_PX, dtype=torch.float64) + 0.5) / VIEW_PX
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    unit = torch.stack((x, y, torch.ones_like(x)), -1)
    photo = unit @ affines[:, None].transpose(-1, -2)
    origin = torch.tensor([patch.x, patch.y], dtype=torch.float64)
    grid = ((photo - origin) / patch.side * 2 - 1).float()
    pixels = patch.pixels.expand(len(affines), -1, -1, -1)
    views = F.grid_sample(pixels, grid, mode="bilinear", align_corners=False)
    return to_uint8(views.permute(0, 2, 3, 1))


def to_uint8(srgb: Tensor) -> np.ndarray:
    return (srgb.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
