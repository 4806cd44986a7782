"""Photos of a loaded avatar: the file where it lies in the folder, else the overlay's panel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fitme.avatar.model import Avatar
from fitme.image.photo import Photo
from fitme.report.html import report_html
from fitme.report.overlay import overlay_picture
from fitme.report.panels import photo_panels
from fitme.report.photos import PhotoCut, find_photos
from tests.report.sample import photo_of
from tests.small_avatar import HEIGHT, WIDTH, small_avatar


@pytest.fixture
def avatar() -> Avatar:
    """Its photo is named by a path that leads nowhere, as that of another machine."""
    one = small_avatar()
    return replace(one, photos=(replace(one.photos[0], path=Path("/nowhere/photo.png")),))


class TestFind:
    def test_in_the_folder(self, avatar: Avatar, tmp_path: Path) -> None:
        assert find_photos(avatar, tmp_path) == [None]
        Image.new("RGB", (WIDTH, HEIGHT), "gray").save(tmp_path / "photo.png")
        assert isinstance(find_photos(avatar, tmp_path)[0], Photo)

    def test_in_another_folder(self, avatar: Avatar, tmp_path: Path) -> None:
        photos = tmp_path / "photos"
        photos.mkdir()
        Image.new("RGB", (WIDTH, HEIGHT), "gray").save(photos / "photo.png")
        assert find_photos(avatar, tmp_path) == [None]
        assert isinstance(find_photos(avatar, tmp_path, photos)[0], Photo)

    def test_one_of_that_name_elsewhere_is_not_taken(
        self, avatar: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Image.new("RGB", (WIDTH, HEIGHT), "gray").save(tmp_path / "photo.png")
        monkeypatch.chdir(tmp_path)
        assert find_photos(avatar, tmp_path / "avatar") == [None]

    def test_another_size_is_another_photo(self, avatar: Avatar, tmp_path: Path) -> None:
        Image.new("RGB", (WIDTH, HEIGHT + 1)).save(tmp_path / "photo.png")
        assert find_photos(avatar, tmp_path) == [None]
        (tmp_path / "photo.png").write_bytes(b"no picture")
        assert find_photos(avatar, tmp_path) == [None]


class TestCut:
    def test_the_overlay_has_it(self, avatar: Avatar, tmp_path: Path) -> None:
        photo = photo_of(avatar)
        Image.fromarray(overlay_picture(avatar, photo, size=96)).save(tmp_path / "overlay_00.png")
        (cut,) = find_photos(avatar, tmp_path)
        assert isinstance(cut, PhotoCut) and not cut.was_gray
        theirs, ours = (photo_panels(avatar, p, 0, None, 96) for p in (cut, photo))
        for name in ("photo", "wire", "render", "difference"):
            a, b = (getattr(panels, name).astype(int) for panels in (theirs, ours))
            most = (
                8 if name == "difference" else 2
            )  # its colours run through a quarter of the range
            assert np.abs(a - b).max() <= most, name
        assert photo_panels(avatar, cut, 0, None, 48).photo.shape == (48, 48, 3)
        assert "Wire overlay" in report_html(avatar, [cut])

    def test_gray(self, avatar: Avatar, tmp_path: Path) -> None:
        Image.new("RGB", (80, 16), "gray").save(tmp_path / "overlay_00.png")
        (cut,) = find_photos(avatar, tmp_path)
        assert isinstance(cut, PhotoCut) and cut.was_gray

    @pytest.mark.parametrize("size", [(16, 16), (81, 16), (5 * 3000, 3000)])
    def test_another_shape_is_no_overlay(
        self, avatar: Avatar, tmp_path: Path, size: tuple[int, int]
    ) -> None:
        Image.new("L", size).save(tmp_path / "overlay_00.png")
        assert find_photos(avatar, tmp_path) == [None]

    def test_a_broken_one_is_none(self, avatar: Avatar, tmp_path: Path) -> None:
        file = tmp_path / "overlay_00.png"
        Image.effect_noise((400, 80), 50).save(file)
        file.write_bytes(file.read_bytes()[:3000])
        assert find_photos(avatar, tmp_path) == [None]
        file.write_bytes(b"no picture")
        assert find_photos(avatar, tmp_path) == [None]
