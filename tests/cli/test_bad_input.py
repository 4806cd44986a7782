"""The whole program on bad input: exit code 2, one line that names the file, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fitme.cli.main import app
from fitme.models.encoder import weights
from tests.bad_files import BAD_PHOTOS, no_face, tiny_face

pytest.importorskip("fitme.fit.pipeline")


def refused(tmp_path: Path, *arguments: str | Path) -> str:
    """Runs `fitme fit`, checks how it fails, returns the line."""
    out = tmp_path / "result"
    result = CliRunner().invoke(app, ["fit", *map(str, arguments), "--out", str(out)])
    assert result.exit_code == 2, (result.output, result.exception)
    lines = result.stderr.splitlines()
    assert lines[-1].startswith("fitme: error: ")
    assert "Traceback" not in result.stderr
    assert not out.exists()
    return lines[-1]


@pytest.mark.parametrize("case", BAD_PHOTOS)
def test_bad_photo(case: str, tmp_path: Path) -> None:
    make, words = BAD_PHOTOS[case]
    path = make(tmp_path)
    line = refused(tmp_path, path)
    assert str(path) in line and words in line


@pytest.mark.parametrize("make", [no_face, tiny_face])
def test_no_usable_face(make, tmp_path: Path) -> None:
    path = make(tmp_path)
    assert str(path) in refused(tmp_path, path)


def test_face_number_too_high(astronaut: Path, tmp_path: Path) -> None:
    line = refused(tmp_path, astronaut, "--face", "9")
    assert "has 1 face" in line and "--face 9" in line


@pytest.mark.parametrize(
    "content",
    [
        "{",
        json.dumps({"points": [[1, 2]]}),
        json.dumps({"points": [[5000.0, 50.0 * i] for i in range(478)]}),
    ],
    ids=["malformed", "count", "outside"],
)
def test_bad_landmarks(content: str, astronaut: Path, tmp_path: Path) -> None:
    path = tmp_path / "points.json"
    path.write_text(content)
    assert str(path) in refused(tmp_path, astronaut, "--landmarks", path)


@pytest.mark.parametrize("command", ["fit", "batch"])
def test_unknown_hair(command: str, astronaut: Path, tmp_path: Path) -> None:
    source = astronaut if command == "fit" else astronaut.parent
    arguments = [command, str(source), "--out", str(tmp_path / "out"), "--hair", "mullet"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2 and "hair=mullet: choose fit, cropped, bald" in result.stderr


def test_occupied_output(astronaut: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    arguments = ["fit", str(astronaut), "--out", str(tmp_path / "full"), "--overwrite"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2 and "thesis.txt" in result.stderr
    assert [entry.name for entry in (tmp_path / "full").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("option", [("--landmarks", "encoder"), ("--set", "encoder=true")])
def test_damaged_encoder(
    option: tuple[str, str], astronaut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / weights.FILE
    path.write_bytes(b"nonsense")
    monkeypatch.setattr(weights, "weight_path", lambda name: tmp_path / name)
    line = refused(tmp_path, astronaut, *option)
    assert str(path) in line and "reinstall fitme" in line
