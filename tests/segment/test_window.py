"""The square of a photo that is labelled."""

from __future__ import annotations

from pathlib import Path

import torch

from fitme.image.photo import Photo
from fitme.landmarks.face import LANDMARKS, FaceLandmarks
from fitme.segment.window import SQUARE, cut_square, face_square


def box_face(x0: float, y0: float, x1: float, y1: float) -> FaceLandmarks:
    """Landmarks that only have a box."""
    return FaceLandmarks(torch.tensor([[x0, y0], [x1, y1]]).repeat(LANDMARKS // 2, 1))


class TestSquare:
    def test_around_the_middle_of_the_face(self) -> None:
        x, y, side = face_square(box_face(100, 50, 180, 150))
        assert side == round(SQUARE * 100)
        assert (x + side / 2, y + side / 2) == (140, 100)

    def test_cut(self) -> None:
        rows, columns = torch.meshgrid(torch.arange(200.0), torch.arange(300.0), indexing="ij")
        photo = Photo(Path("made.png"), torch.stack([rows / 200, columns / 300, rows * 0 + 1], -1))
        face = box_face(100, 10, 180, 110)
        x, y, side = face_square(face)
        crop = cut_square(photo, face, side)
        assert crop.pixels.shape == (side, side, 3)
        assert (crop.pixels[:-y] == 0).all()  # above the photo
        assert torch.equal(crop.pixels[-y, 0], photo.pixels[0, x])
