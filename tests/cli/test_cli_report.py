"""`fitme report` on an avatar directory: the page, its photos, another head model."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from fitme.cli.main import app
from fitme.head.model import save_head
from tests.small_avatar import HEIGHT, WIDTH, make_avatar, small_avatar
from tests.tiny_head import tiny_head


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    small_avatar().save(tmp_path / "a")
    return tmp_path / "a"


def run(*arguments: object):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_with_and_without_the_photo(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.html"
    done = run(folder, "--out", out)
    assert done.exit_code == 0, done.output
    assert "Wire overlay" not in out.read_text()
    assert run(folder, "--out", out).exit_code == 2  # it exists
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (WIDTH, HEIGHT), "gray").save(photos / "photo.png")
    assert run(folder, "--out", out, "--overwrite", "--photos", photos).exit_code == 0
    assert "Wire overlay" in out.read_text()


def test_of_an_avatar_on_another_head(tmp_path: Path) -> None:
    head = tiny_head()
    file, out = tmp_path / "head.safetensors", tmp_path / "x.html"
    save_head(head, file)
    make_avatar(head).save(tmp_path / "a")
    refused = run(tmp_path / "a", "--out", out)
    assert refused.exit_code == 2 and "another head model" in refused.output
    done = run(tmp_path / "a", "--out", out, "--head", file)
    assert done.exit_code == 0, done.output
    assert "From other sides" in out.read_text()
