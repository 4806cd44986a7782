"""The square of a photo that the encoder looks at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.image.color import linear_to_srgb
from fitme.image.photo import Photo

# Side over the longer side of the landmarks' box, which reaches from the chin to a little below the
# hairline. By eye on 25 photos: all of short hair, and the neck down to the collar. Training shows
# 0.38 m at the depth of the head, which is the same.
SIDE = 2.2


@dataclass(frozen=True)
class Frame:
    """A square of whole photo pixels; it may stick out of the photo."""

    left: int
    top: int
    side: int

    @staticmethod
    def around(box: tuple[float, float, float, float]) -> Frame:
        """Around a face's box (x0, y0, x1, y1), photo pixels, see `FaceLandmarks.box`."""
        x0, y0, x1, y1 = box
        side = max(8, round(SIDE * max(x1 - x0, y1 - y0)))
        return Frame(round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2), side)

    def cut(self, photo: Photo, size: int) -> Tensor:
        """[3,size,size] sRGB in 0..1, black outside of the photo."""
        crop = photo.crop(self.left, self.top, self.side, self.side, (size, size))
        shown = linear_to_srgb(crop.pixels.clamp(0, 1)).permute(2, 0, 1)
        return shown.contiguous()

    def inside(self, photo: Photo, size: int) -> Tensor:
        """[size,size] bool: pixels of a cut whose middles lie in the photo."""
        places = (torch.arange(size) + 0.5) / size - 0.5
        grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1)
        points = self.to_photo(grid)
        return ((points >= 0) & (points < points.new_tensor([photo.width, photo.height]))).all(-1)

    def to_photo(self, places: Tensor) -> Tensor:
        """Places [...,2], shares of the side from the middle, in photo pixels."""
        corner = places.new_tensor([self.left, self.top])
        return (places + 0.5) * self.side + corner

    def from_photo(self, points: Tensor) -> Tensor:
        """The inverse of `to_photo`."""
        corner = points.new_tensor([self.left, self.top])
        return (points - corner) / self.side - 0.5

    @staticmethod
    def around_points(points: Tensor) -> Frame:
        """Around points [N,2] of a face, photo pixels."""
        low, high = points.amin(0), points.amax(0)
        return Frame.around((float(low[0]), float(low[1]), float(high[0]), float(high[1])))


def sampled(values: Tensor, frame: Frame, points: Tensor) -> Tensor:
    """Values [C,h,w] over a frame at photo points [...,2] -> [...,C]; the border's beyond."""
    grid = (2 * frame.from_photo(points)).reshape(1, 1, -1, 2).to(values)
    found = torch.nn.functional.grid_sample(
        values[None], grid, padding_mode="border", align_corners=False
    )
    return found[0, :, 0].T.reshape(*points.shape[:-1], -1)
