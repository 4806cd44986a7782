"""`fitme turntable`: films of every format, their length, their refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fitme.cli.main import app
from fitme.report import film
from fitme.report.views import Turntable
from tests.small_avatar import small_avatar

SMALL = ("--frames", "8", "--seconds", "0.5", "--resolution", "32", "-q")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("turntable") / "avatar"
    small_avatar().save(out)
    return out


def run(*arguments: object):
    return CliRunner().invoke(app, ["turntable", *map(str, arguments)])


def frames(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """RGBA pictures and milliseconds of an animation."""
    with Image.open(path) as image:
        assert image.info["loop"] == 0  # for ever
        pictures, times = [], []
        for index in range(image.n_frames):
            image.seek(index)
            pictures.append(np.asarray(image.convert("RGBA")).astype(int))
            times.append(image.info["duration"])
    return pictures, times


class TestFilm:
    def test_gif(self, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "x.gif"
        result = run(folder, "--out", out, *SMALL)
        assert result.exit_code == 0, result.output
        assert result.output == "" and list(tmp_path.iterdir()) == [out]
        pictures, times = frames(out)
        assert len(pictures) == 8 and pictures[0].shape == (32, 32, 4)
        assert sum(times) == 500 and set(times) == {60, 70}
        assert np.abs(pictures[2] - pictures[6]).mean() > 5  # left and right
        assert np.abs(pictures[0][0, 0, :3] - 118).max() < 12

    def test_webp_is_transparent_and_the_head_stands_still(
        self, folder: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "x.webp"
        result = run(folder, "--out", out, *SMALL, "--relight", "--light", "side",
                     "--background", "transparent")  # fmt: skip
        assert result.exit_code == 0, result.output
        pictures, times = frames(out)
        assert len(pictures) == 8 and sum(times) == 500
        assert pictures[0][0, 0, 3] == 0 and pictures[0][16, 16, 3] == 255
        assert np.abs(pictures[0][..., 3] - pictures[4][..., 3]).max() <= 2
        assert np.abs(pictures[0][..., :3] - pictures[4][..., :3]).mean() > 5

    def test_mp4(self, folder: Path, tmp_path: Path) -> None:
        pytest.importorskip("imageio_ffmpeg", reason="no ffmpeg (fitme[video])")
        import imageio.v2 as imageio

        out = tmp_path / "x.mp4"
        result = run(folder, "--out", out, *SMALL, "--full")
        assert result.exit_code == 0, result.output
        with imageio.get_reader(out) as reader:
            assert reader.count_frames() == 8 and reader.get_data(0).shape == (32, 32, 3)
            assert reader.get_meta_data()["duration"] == pytest.approx(0.5, abs=0.1)

    @pytest.mark.parametrize(("count", "seconds", "step"), [(48, 4.0, 10), (7, 1.0, 1), (3, 9, 10)])
    def test_durations_add_up(self, count: int, seconds: float, step: int) -> None:
        times = film.durations(count, seconds, step)
        assert len(times) == count and sum(times) == 1000 * seconds
        assert max(times) - min(times) <= step and all(t % step == 0 for t in times)


class TestRefused:
    @pytest.mark.parametrize(
        ("out", "arguments", "words"),
        [
            ("x.avi", "", ".gif or .webp or .mp4"),
            ("x.gif", "--background transparent", ".webp"),
            ("x.gif", "--frames 600", "GIF stops at 50"),
            ("x.mp4", "--resolution 33", "even"),
            ("x.gif", "--full --relight", "exclude each other"),
            ("x.gif", "--full --swing 30", "exclude each other"),
            ("x.gif", "--photo 2", "--photo 2"),
            ("x.gif", "--light sun", "preset"),
            ("none/x.gif", "", "folder"),
        ],
    )
    def test_one_line(
        self, folder: Path, tmp_path: Path, out: str, arguments: str, words: str
    ) -> None:
        result = run(folder, "--out", tmp_path / out, "-q", *arguments.split())
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("fitme: error: ") and result.stderr.count("\n") == 1
        assert words in result.stderr and list(tmp_path.iterdir()) == []

    def test_no_ffmpeg(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
        result = run(folder, "--out", tmp_path / "x.mp4", *SMALL)
        assert result.exit_code == 2 and "fitme[video]" in result.stderr
        assert result.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []

    def test_an_interrupt_leaves_the_old_film(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "x.gif"
        out.write_bytes(b"old")

        def draw(*_: object, **__: object):
            raise KeyboardInterrupt

        monkeypatch.setattr(Turntable, "draw", draw)
        result = run(folder, "--out", out, *SMALL, "--overwrite")
        assert result.exit_code == 130
        assert out.read_bytes() == b"old" and list(tmp_path.iterdir()) == [out]
