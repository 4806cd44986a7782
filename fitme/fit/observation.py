"""What is fitted to: photos with landmarks, their aligned views, and crops around the faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.view import View
from fitme.image.color import linear_to_srgb, luminance
from fitme.image.photo import Crop, Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.render.camera import Camera, axis_angle_to_matrix, rigid

CROP = 1.9  # side of the square crop over the face's longer side


def display(linear: Tensor, gray: Tensor | None = None) -> Tensor:
    """Display-encoded colour [P,n,n,3]; of photos with `gray` [P] only the luminance, None: none
    is."""
    linear = linear.clamp_min(0)
    if gray is not None:
        luma = luminance(linear)[..., None].expand_as(linear)
        linear = torch.where(gray[:, None, None, None], luma, linear)
    return linear_to_srgb(linear.clamp_max(1.5))


@dataclass(frozen=True)
class Observation:
    """One photo of the person, and how the landmarks say it sees the head."""

    photo: Photo
    face: FaceLandmarks
    view: View


@dataclass(frozen=True)
class Crops:
    """Square pieces of P photos around the faces, all of n x n pixels."""

    pixels: Tensor  # [P,n,n,3] linear
    intrinsics: Tensor  # [P,3,3] of the crops
    to_photo: Tensor  # [P,3,3] crop pixels -> photo pixels
    gray: Tensor  # [P] bool: the photo has no colour

    @cached_property
    def display(self) -> Tensor:
        """What the losses compare renders with: the pixels, display-encoded [P,n,n,3]."""
        return display(self.pixels, self.some_gray)

    @cached_property
    def some_gray(self) -> Tensor | None:
        """`gray`; None where all photos have colour."""
        return self.gray if bool(self.gray.any()) else None

    @property
    def size(self) -> int:
        return self.pixels.shape[1]

    def in_photo(self, points: Tensor) -> Tensor:
        """Points [P,N,2] of the crops in pixels of the photos."""
        return _moved(points, self.to_photo)

    def from_photo(self, points: Tensor) -> Tensor:
        """Points [P,N,2] of the photos in pixels of the crops."""
        return _moved(points, torch.linalg.inv(self.to_photo))

    def camera(self, rotation: Tensor, translation: Tensor) -> Camera:
        """Cameras of the crops for head poses [P,3] and [P,3]."""
        pose = rigid(axis_angle_to_matrix(rotation), translation)
        return Camera(self.intrinsics, pose, self.size, self.size)


def _moved(points: Tensor, matrix: Tensor) -> Tensor:
    """Points [P,N,2] through affine matrices [P,3,3]."""
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], -1)
    return (homogeneous @ matrix.mT)[..., :2]


def cut(
    observations: Sequence[Observation], size: int, device: torch.device | str = "cpu"
) -> Crops:
    """Crops of CROP times each face's longer side, resampled to `size` pixels, on `device`."""
    pixels, intrinsics, to_photo = [], [], []
    for seen in observations:
        crop = face_crop(seen.photo, seen.face, size)
        pixels.append(crop.pixels)
        matrix = torch.linalg.inv(crop.to_photo).to(torch.float32)
        intrinsics.append(matrix @ seen.view.camera().K[0].to(torch.float32))
        to_photo.append(crop.to_photo.to(torch.float32))
    gray = torch.tensor([seen.photo.was_gray for seen in observations])
    return Crops(
        torch.stack(pixels).to(device), torch.stack(intrinsics).to(device),
        torch.stack(to_photo).to(device), gray.to(device),
    )  # fmt: skip


def face_crop(photo: Photo, face: FaceLandmarks, size: int) -> Crop:
    """CROP times the face's longer side around it, resampled to `size` pixels."""
    x0, y0, x1, y1 = face.box
    side = max(8, round(CROP * face.size))
    left, top = round((x0 + x1) / 2 - side / 2), round((y0 + y1) / 2 - side * 0.55)
    return photo.crop(left, top, side, side, (size, size))


def crop_size(observations: Sequence[Observation], largest: int) -> int:
    """Pixels that use what the sharpest photo has, a multiple of 32 from 160 to `largest`."""
    side = max(CROP * seen.face.size * seen.photo.finest for seen in observations)
    return int(min(max(round(side / 32) * 32, 160), largest))


def masks_of(masks: Tensor, size: int) -> Tensor:
    """Masks [P,n,n] as [P,size,size]."""
    return F.interpolate(masks[:, None], (size, size), mode="bilinear")[:, 0]
