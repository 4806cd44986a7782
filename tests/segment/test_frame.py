"""The square of a photo that the encoder looks at."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fitme.image.color import linear_to_srgb
from fitme.image.photo import Photo
from fitme.segment.frame import SIDE, Frame, sampled


class TestFrame:
    def test_around_the_middle_of_the_face(self) -> None:
        frame = Frame.around((100, 50, 180, 150))
        assert frame.side == round(SIDE * 100)
        assert (frame.left + frame.side / 2, frame.top + frame.side / 2) == (140, 100)

    def test_cut_is_the_photo_and_black_outside(self) -> None:
        rows, columns = torch.meshgrid(torch.arange(200.0), torch.arange(300.0), indexing="ij")
        pixels = torch.stack([rows / 200, columns / 300, rows * 0 + 1], -1)
        frame = Frame.around((100, 10, 180, 110))
        crop = frame.cut(Photo(Path("made.png"), pixels), frame.side)
        assert crop.shape == (3, frame.side, frame.side)
        assert (crop[:, : -frame.top] == 0).all()
        assert torch.equal(crop[:, -frame.top, 0], linear_to_srgb(pixels[0, frame.left]))

    def test_places_and_photo_pixels_are_inverse(self) -> None:
        frame = Frame(13, -7, 120)
        points = torch.rand(20, 2) * 200
        assert torch.allclose(frame.to_photo(frame.from_photo(points)), points, atol=1e-4)

    def test_samples_lie_in_the_middles_of_pixels(self) -> None:
        frame = Frame(10, 20, 8)
        values = torch.arange(16.0).reshape(1, 4, 4)
        points = torch.tensor([[11.0, 21.0], [17.0, 27.0], [99.0, 99.0]])
        assert sampled(values, frame, points)[:, 0].tolist() == pytest.approx([0, 15, 15])
