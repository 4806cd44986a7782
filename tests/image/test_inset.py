"""A small face in a huge photo: its surroundings come in full, in place, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fitme.image import inset
from fitme.image.inset import with_inset
from fitme.image.photo import Photo, load_photo

SIZE = (640, 400)
MOST = 70_000  # pixels: the file is read at half its size


@pytest.fixture
def picture() -> Image.Image:
    """Smooth colours with fine lines, so that halves show less than the whole."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    rgb = np.stack([x / SIZE[0], y / SIZE[1], 0.5 + 0.3 * (x % 4 < 2)], -1)
    return Image.fromarray((rgb * 255).astype(np.uint8))


def saved(picture: Image.Image, path: Path, orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, quality=97, subsampling=0, exif=exif)
    return path


def crop(photo: Photo, x: int, y: int, side: int, size: int) -> torch.Tensor:
    return photo.crop(x, y, side, side, (size, size)).pixels


class TestInset:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_shows_what_the_whole_file_shows(
        self, tmp_path: Path, picture: Image.Image, orientation: int
    ) -> None:
        path = saved(picture, tmp_path / "a.jpg", orientation)
        whole, half = load_photo(path), load_photo(path, MOST)
        assert half.scale == 0.5
        fine = with_inset(half, (70.0, 60.0, 100.0, 90.0))
        assert fine.finest == 2 and (fine.width, fine.height) == (half.width, half.height)
        got, wanted = crop(fine, 60, 50, 48, 96), crop(whole, 120, 100, 96, 96)
        assert (got - wanted).abs().max() < 1e-3
        assert (crop(half, 60, 50, 48, 96) - wanted).abs().mean() > 5e-3

    def test_other_crops_stay(self, tmp_path: Path, picture: Image.Image) -> None:
        """Coarser ones, those that reach beyond the inset, and those beyond the photo's edge."""
        half = load_photo(saved(picture, tmp_path / "a.jpg"), MOST)
        fine = with_inset(half, (2.0, 2.0, 30.0, 30.0))
        assert torch.equal(crop(fine, 10, 10, 40, 40), crop(half, 10, 10, 40, 40))
        assert torch.equal(crop(fine, 0, 0, 180, 360), crop(half, 0, 0, 180, 360))
        edge = crop(fine, -20, -20, 40, 80)
        assert edge[:40, :40].abs().max() == 0 and edge[42:, 42:, 2].min() > 0.05
        assert not torch.equal(edge, crop(half, -20, -20, 40, 80))

    def test_only_where_it_helps(
        self, tmp_path: Path, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = saved(picture, tmp_path / "a.jpg")
        whole, half = load_photo(path), load_photo(path, MOST)
        assert with_inset(whole, (0.0, 0.0, 30.0, 30.0)) is whole
        assert with_inset(half, (0.0, 0.0, 610.0, 30.0)) is half
        monkeypatch.setattr(inset, "free_memory", lambda: 1000)
        assert with_inset(half, (0.0, 0.0, 30.0, 30.0)) is half
