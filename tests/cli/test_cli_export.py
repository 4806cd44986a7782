"""`fitme export`: the directory, its refusals, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fitme.cli.main import app
from tests.small_avatar import small_avatar


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "avatar"
    small_avatar().save(out)
    return out


def run(*arguments: object):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


class TestExport:
    def test_unreal_in_two_levels(self, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "deep" / "unreal"
        result = run(folder, "--preset", "unreal", "--out", out, "--lod", 2, "--lod", 1,
                     "--map-size", 16, "--bits", 16)  # fmt: skip
        assert result.exit_code == 0, result.output
        assert result.stdout == f"wrote {out}\n"
        assert sorted(p.name for p in out.iterdir()) == [
            "avatar_lod1.glb", "avatar_lod2.glb", "fitme_export.json", "textures",
        ]  # fmt: skip
        about = json.loads((out / "fitme_export.json").read_text())
        assert about["map_size"] == 16 and about["levels"] == [2, 1]

    def test_overwrite(self, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "x"
        assert run(folder, "--out", out, "--lod", 2, "-q").stdout == ""
        result = run(folder, "--out", out, "--lod", 2)
        assert result.exit_code == 2 and "--overwrite" in result.stderr
        result = run(folder, "--out", out, "--lod", 2, "--preset", "obj", "--overwrite")
        assert result.exit_code == 0 and (out / "avatar_lod2.obj").is_file()
        assert not (out / "avatar_lod2.glb").exists()
        (out / "notes.txt").write_text("mine")
        result = run(folder, "--out", out, "--lod", 2, "--overwrite")
        assert result.exit_code == 2 and "notes.txt" in result.stderr


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--preset", "maya"], "no preset"),
            (["--format", "tga"], "png, webp or exr"),
            (["--format", "webp"], "--preset three"),
            (["--bits", "12"], "8 or 16"),
            (["--fbx"], "unity and unreal"),
            (["--expressions"], "obj"),
            (["--photo-expression", "4"], "photo 4"),
            (["--skeleton", "biped"], "plain, mixamo"),
            (["--preset", "vrm", "--skeleton", "plain"], "arms and legs"),
            (["--dense", "--lod", "1"], "leave --lod out"),
        ],
    )
    def test_one_line(self, folder: Path, tmp_path: Path, arguments, words) -> None:
        result = run(folder, "--out", tmp_path / "out", *arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("fitme: error: ") and result.stderr.count("\n") == 1
        assert words in result.stderr
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("level", ["-1", "3", "full"])
    def test_level(self, folder: Path, tmp_path: Path, level) -> None:
        assert run(folder, "--out", tmp_path / "out", "--lod", level).exit_code == 2

    def test_no_avatar(self, tmp_path: Path) -> None:
        result = run(tmp_path / "none", "--out", tmp_path / "out")
        assert result.exit_code == 2 and "fitme fit" in result.stderr
        assert list(tmp_path.iterdir()) == []

    def test_onto_the_avatar_itself(self, folder: Path) -> None:
        result = run(folder, "--out", folder, "--overwrite")
        assert result.exit_code == 2 and (folder / "fit.json").is_file()
