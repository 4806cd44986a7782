"""Films: which pictures are taken, and what is said of files that are none."""

from __future__ import annotations

from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from fitme.errors import LandmarkError, PhotoError
from fitme.fit.film import Still, choose, film_photos, same_face, sharpest_of_stretches
from fitme.image.boxes import Nclx
from fitme.image.film import Film, is_film, look_through, open_film, picture_at
from fitme.landmarks.face import FaceLandmarks
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.runtime.progress import SilentProgress

FACE = Path(__file__).parents[2] / "fitme" / "landmarks" / "example_face.jpg"


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def still(second: float, yaw: float, sharp: float = 1.0, opened: float = 0.3) -> Still:
    return Still(second, yaw, 0.0, sharp, opened)


def write_film(path: Path, pictures: list[Image.Image], fps: int = 10) -> Path:
    pytest.importorskip("imageio_ffmpeg")
    with imageio.get_writer(path, format="FFMPEG", fps=fps, codec="libx264", quality=9,
                            macro_block_size=2) as writer:  # fmt: skip
        for picture in pictures:
            writer.append_data(np.asarray(picture))
    return path


def face(x: float, size: float = 100.0) -> FaceLandmarks:
    points = torch.rand(478, 2, generator=torch.Generator().manual_seed(1)) * size
    return FaceLandmarks(points + torch.tensor([x, 0.0]))


class TestChoose:
    def test_far_apart_and_in_order(self) -> None:
        chosen = choose([still(t, yaw) for t, yaw in enumerate(range(-50, 51, 5))])
        yaws = [one.yaw for one in chosen]
        assert yaws == sorted(yaws) and len(yaws) == 5
        assert min(yaws) <= -40 and max(yaws) >= 40 and min(map(abs, yaws)) <= 10

    def test_no_blinks_and_no_blur(self) -> None:
        stills = [still(t, 10.0 * t, opened=0.3 if t % 2 else 0.05) for t in range(6)]
        assert all(one.open > 0.2 for one in choose(stills))
        blurred = [still(t, 8.0 * t, sharp=0.01 if t == 2 else 1.0 + 0.01 * t) for t in range(6)]
        assert all(one.sharp > 0.5 for one in choose(blurred))

    def test_a_head_that_keeps_still_gives_one_picture(self) -> None:
        assert len(choose([still(t, 0.5 * (t % 3)) for t in range(20)])) == 1

    def test_nothing(self) -> None:
        assert choose([]) == []

    def test_sharpest_of_each_stretch(self) -> None:
        assert sharpest_of_stretches([1, 5, 2, 0, 3, 9], 3) == [1, 2, 5]
        assert sharpest_of_stretches([1.0], 30) == [0]

    def test_stays_with_the_person(self) -> None:
        """A larger face comes into the picture: the one followed so far is taken."""
        assert same_face([face(500, 200), face(10)], face(0), None).points[:, 0].max() < 200
        assert same_face([face(500, 200), face(10)], None, 1).points[:, 0].max() < 200


class TestFiles:
    def test_pictures_at_their_seconds(self, tmp_path: Path) -> None:
        """Each tenth of a second has its own grey."""
        pictures = [Image.new("RGB", (160, 96), (10 * k,) * 3) for k in range(20)]
        film = open_film(write_film(tmp_path / "a.mp4", pictures))
        assert film.seconds == pytest.approx(2.0, abs=0.11) and film.space is None
        looked = look_through(film, 20)
        assert len(looked) == 20
        for second, small in looked[::4]:
            whole = picture_at(film, second)
            assert (whole.width, whole.height) == (160, 96) and whole.second == second
            assert float((whole.pixels - small.pixels).abs().mean()) < 0.03

    def test_high_range_is_told_and_converted(self, tmp_path: Path) -> None:
        """What phones film in HDR: HLG, in which paper white has 75 % of the signal."""
        pytest.importorskip("imageio_ffmpeg")
        colours = "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"
        options = {"output_params": ["-x264-params", colours]}
        with imageio.get_writer(
            tmp_path / "a.mp4", format="FFMPEG", fps=10, codec="libx264", quality=9,
            macro_block_size=2, **options,
        ) as writer:  # fmt: skip
            for _ in range(5):
                writer.append_data(np.full((64, 96, 3), 191, np.uint8))
        film = open_film(tmp_path / "a.mp4")
        assert film.space == Nclx(9, 18)
        photo = picture_at(film, 0.2)
        assert float(photo.pixels.mean()) == pytest.approx(1, abs=0.06)
        assert any("HLG" in note for note in photo.notes)

    def test_no_film(self, tmp_path: Path) -> None:
        pytest.importorskip("imageio_ffmpeg")
        (tmp_path / "a.mp4").write_bytes(b"no film at all")
        with pytest.raises(PhotoError, match="no film that ffmpeg can read"):
            open_film(tmp_path / "a.mp4")
        with pytest.raises(PhotoError, match="does not exist"):
            open_film(tmp_path / "b.mov")
        assert is_film(Path("A.MOV")) and not is_film(Path("a.jpg"))

    def test_no_ffmpeg(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
        (tmp_path / "a.mp4").write_bytes(b"x")
        with pytest.raises(PhotoError, match=r'pip install "fitme\[video\]"'):
            open_film(tmp_path / "a.mp4")

    def test_nothing_but_the_file_is_opened(self, tmp_path: Path) -> None:
        """A playlist in a film's clothes may not name other files."""
        other = write_film(tmp_path / "b.mp4", [Image.new("RGB", (64, 64))] * 10)
        (tmp_path / "a.mp4").write_text(f"ffconcat version 1.0\nfile {other}\n")
        with pytest.raises(PhotoError):
            look_through(Film(tmp_path / "a.mp4", 1.0, None), 5)


class TestFaces:
    def test_sharp_pictures_of_the_face(self, tmp_path: Path) -> None:
        with Image.open(FACE) as image:
            sharp = image.convert("RGB").resize((320, 320))
        blurred = sharp.filter(ImageFilter.GaussianBlur(6))
        film = write_film(tmp_path / "me.mp4", [blurred] * 7 + [sharp] * 2 + [blurred] * 7)
        notes = Notes()
        found = film_photos(film, MediaPipeLandmarks(), notes)
        assert len(found) == 1
        photo, seen = found[0]
        assert 0.65 <= photo.second <= 0.95 and seen.size > 60
        assert photo.path.name == f"me_{photo.second:08.2f}s.png"
        assert any(f"{photo.second:.2f}" in line for line in notes.lines)

    def test_no_face(self, tmp_path: Path) -> None:
        film = write_film(tmp_path / "me.mp4", [Image.new("RGB", (128, 96), (80, 90, 70))] * 5)
        with pytest.raises(LandmarkError, match="shows no face"):
            film_photos(film, MediaPipeLandmarks(), Notes())
