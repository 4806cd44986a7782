"""What the numbers that start a fit mean, and in which units the network learns them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FACE_MIDDLE = (0.0, 0.015, 0.055)  # metres in the head's frame: what the camera is turned to
CODE = 48  # leading whitened coordinates of W that the network guesses

# name: how many numbers, and about their standard deviation among synthetic photos
FIXED: tuple[tuple[str, int, float], ...] = (
    ("gaze", 4, 0.15),  # radians: pitch and yaw of left and right eye
    ("rotation", 6, 0.4),  # two rows of head to camera, the camera turned to the middle of the face
    ("focal", 1, 0.7),  # log of focal length over the crop's side
    ("distance", 1, 0.7),  # log of metres to the middle of the face
    ("sh", 27, 0.4),  # light around, in that camera's frame
    ("lamp", 3, 0.8),  # direction times strength of the strongest lamp, likewise
    ("tone", 3, 0.5),  # log of the cheeks' linear albedo
)


@dataclass(frozen=True)
class StartLayout:
    """Where which number lies among the network's start values."""

    identity: int
    expression: int
    code: int  # leading whitened coordinates of W

    @property
    def entries(self) -> tuple[tuple[str, int, float], ...]:
        return (
            ("identity", self.identity, 1.0),
            ("expression", self.expression, 0.25),
            *FIXED,
            ("code", self.code, 1.0),
        )

    @property
    def size(self) -> int:
        return sum(count for _, count, _ in self.entries)

    def slices(self) -> dict[str, slice]:
        """Name to its place."""
        found, start = {}, 0
        for name, count, _ in self.entries:
            found[name] = slice(start, start + count)
            start += count
        return found

    def scale(self) -> Tensor:
        """[M]: what one unit of the network's output is."""
        return torch.cat([torch.full((count,), unit) for _, count, unit in self.entries])
