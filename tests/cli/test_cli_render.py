"""`fitme render` on an avatar directory: the picture, its refusals, nothing half-written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fitme.cli.main import app
from fitme.image.png import encode_png
from fitme.render.picture import render_rgba
from tests.small_avatar import HEIGHT, WIDTH, creased, small_avatar


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An avatar with its render_00.png, as `fitme fit` writes it."""
    out = tmp_path_factory.mktemp("render") / "avatar"
    avatar = small_avatar()
    avatar.save(out)
    (out / "render_00.png").write_bytes(encode_png(render_rgba(avatar.render_photo())))
    return out


def run(*arguments: object):
    return CliRunner().invoke(app, ["render", *map(str, arguments)])


def drawn(folder: Path, out: Path, *arguments: object) -> np.ndarray:
    """The picture of a run that must succeed."""
    result = run(folder, "--out", out, *arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"wrote {out}\n"
    with Image.open(out) as image:
        assert image.format == "PNG" and image.mode == "RGBA"
        return np.asarray(image).astype(int)


class TestPicture:
    def test_same_view_as_the_fits_render(self, folder: Path, tmp_path: Path) -> None:
        picture = drawn(folder, tmp_path / "x.png")
        with Image.open(folder / "render_00.png") as image:
            wanted = np.asarray(image).astype(int)
        assert picture.shape == wanted.shape == (HEIGHT, WIDTH, 4)
        np.testing.assert_array_equal(picture[..., 3], wanted[..., 3])
        assert np.abs(picture - wanted).mean() < 0.5

    def test_turned_and_lit(self, folder: Path, tmp_path: Path) -> None:
        plain = drawn(folder, tmp_path / "a.png", "--yaw", 25, "--resolution", 48)
        assert plain.shape == (48, 48, 4)
        assert plain[0, 0].tolist() == [0, 0, 0, 0] and plain[24, 24, 3] == 255
        rim = drawn(
            folder, tmp_path / "b.png", "--yaw", 25, "--resolution", 48, "--light", "rim",
            "--background", "#102030",
        )  # fmt: skip
        assert rim[0, 0].tolist() == [0x10, 0x20, 0x30, 255]
        assert np.abs(rim[20:28, 20:28] - plain[20:28, 20:28]).mean() > 5

    def test_shadows(self, folder: Path, tmp_path: Path) -> None:
        """A given light casts them, the photo's own only when asked to."""
        for light in (("--light", "side"), ()):
            default, on, off = (
                drawn(folder, tmp_path / "x.png", "--yaw", -20, "--resolution", 96, "--overwrite",
                      *light, *option)
                for option in ((), ("--shadows",), ("--no-shadows",))
            )  # fmt: skip
            np.testing.assert_array_equal(default, on if light else off)
            np.testing.assert_array_equal(on[..., 3], off[..., 3])
            assert (off - on)[..., :3].max() > 20

    def test_expressions(self, folder: Path, tmp_path: Path) -> None:
        view = ("--yaw", 0, "--resolution", 48, "--neutral")
        closed = drawn(folder, tmp_path / "a.png", *view)
        opened = drawn(folder, tmp_path / "b.png", *view, "--expression", "jawOpen=1",
                       "--expression", "eyeBlinkLeft=0.5")  # fmt: skip
        assert 0.5 < np.abs(opened - closed).mean() < 40

    def test_folds_come_with_the_expression(self, folder: Path, tmp_path: Path) -> None:
        """Where they are, and not on a face at rest."""
        avatar = creased(small_avatar())
        assert avatar.wrinkles is not None
        fold = avatar.wrinkles.fold.clone()
        fold[:, :, fold.shape[2] // 2 - 3 :] = 0  # the person's right half, the picture's left
        replace(avatar, wrinkles=replace(avatar.wrinkles, fold=fold)).save(tmp_path / "folds")
        places, view = (folder, tmp_path / "folds"), ["--neutral", "--yaw", 0, "--resolution", 160]
        smile = ["--expression", "mouthSmileLeft=1", "--expression", "mouthSmileRight=1"]

        def change(name: str, *more: object) -> np.ndarray:
            pair = [drawn(f, tmp_path / f"{name}{f.name}.png", *view, *more) for f in places]
            return np.abs(pair[0] - pair[1]).max(-1)

        assert change("rest").max() <= 1
        smiling = change("smile", *smile)
        assert (smiling[:, :78] > 5).sum() > 50 and smiling[:, 84:].max() <= 2

    def test_overwrite(self, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "x.png"
        out.write_text("precious")
        result = run(folder, "--out", out)
        assert result.exit_code == 2 and "--overwrite" in result.stderr
        assert out.read_text() == "precious"
        drawn(folder, out, "--overwrite", "--resolution", 20)


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ("--light sun", "studio"),
            ("--light gone.json", "gone.json does not exist"),
            ("--photo 1", "--photo 1: the avatar has 1"),
            ("--background red", "red is no colour"),
            ("--expression jawOpen", "jawOpen=0.5"),
            ("--expression jawopen=1", "did you mean jawOpen"),
            ("--expression jawOpen=2", "0..1"),
        ],
    )
    def test_one_line(self, folder: Path, tmp_path: Path, arguments: str, words: str) -> None:
        result = run(folder, "--out", tmp_path / "x.png", *arguments.split())
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("fitme: error: ") and result.stderr.count("\n") == 1
        assert words in result.stderr and list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("out", "words"), [("x.jpg", ".png"), ("none/x.png", "folder"), (".", ".png")]
    )
    def test_bad_output(self, folder: Path, tmp_path: Path, out: str, words: str) -> None:
        result = run(folder, "--out", tmp_path / out)
        assert result.exit_code == 2 and words in result.stderr
        assert result.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []

    def test_no_avatar(self, tmp_path: Path) -> None:
        for where in (tmp_path, tmp_path / "gone"):
            result = run(where, "--out", tmp_path / "x.png")
            assert result.exit_code == 2 and "output directory of `fitme fit`" in result.stderr
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("arguments", ["--yaw nan", "--yaw 200", "--pitch x", "--photo -1"])
    def test_wrong_usage(self, folder: Path, tmp_path: Path, arguments: str) -> None:
        result = run(folder, "--out", tmp_path / "x.png", *arguments.split())
        assert result.exit_code == 2 and "Traceback" not in result.output
        assert list(tmp_path.iterdir()) == []
