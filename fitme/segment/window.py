"""The square of a photo that is labelled: the face with its hair and neck."""

from __future__ import annotations

from fitme.image.photo import Crop, Photo
from fitme.landmarks.face import FaceLandmarks

#: Side over the longer side of the landmarks' box, which reaches from the chin to a little below
#: the hairline. Chosen by eye on 25 photos: all of short hair, and the neck down to the collar.
SQUARE = 2.2


def face_square(face: FaceLandmarks) -> tuple[int, int, int]:
    """(x, y, side) in whole pixels of the photo, around the middle of the landmarks' box; may
    stick out of the photo."""
    x0, y0, x1, y1 = face.box
    side = max(8, round(SQUARE * face.size))
    return round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2), side


def cut_square(photo: Photo, face: FaceLandmarks, size: int) -> Crop:
    """The square resampled to size x size pixels, linear RGB; black outside of the photo."""
    x, y, side = face_square(face)
    return photo.crop(x, y, side, side, (size, size))
