"""`fitme batch` as a program: one small real batch, exit codes, what it prints."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from fitme.cli.main import app

QUICK = (
    "--size", 64, "--set", "light.steps=2", "--set", "invert.steps=2", "--set", "tune.steps=1",
    "--set", "light.pixels=64", "--set", "invert.pixels=160", "--set", "invert.texels=128",
    "--set", "tune.pixels=160", "--set", "tune.texels=128", "--set", "hair=cropped",
)  # fmt: skip


def run(*arguments: object):
    return CliRunner().invoke(app, ["batch", *map(str, arguments)])


@pytest.fixture(scope="module")
def people(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batch") / "people"
    (folder / "eileen").mkdir(parents=True)
    shutil.copy(astronaut, folder / "eileen" / "a.png")
    shutil.copy(astronaut, folder / "twin.png")
    Image.new("RGB", (300, 300), (90, 120, 80)).save(folder / "lawn.png")
    (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (folder / "nobody").mkdir()
    return folder


def test_a_real_batch(people: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    result = run(people, "--out", root, "--jobs", 1, "--json", *QUICK)
    assert result.exit_code == 1, (result.output, result.exception)
    summary = json.loads(result.stdout)
    assert summary["counts"] == {"done": 2, "skipped": 0, "failed": 3, "pending": 0}, result.stdout
    reasons = {row["subject"]: row["reason"] for row in summary["subjects"]}
    assert "lawn.png" in reasons["lawn"] and "damaged" in reasons["cut"]
    assert "holds no photo" in reasons["nobody"] and reasons["eileen"] == ""
    files = {path.relative_to(root / "eileen").as_posix() for path in root.rglob("eileen/*")}
    assert files >= {"avatar.glb", "fit.json", "overlay_00.png", "batch.json", "thumb.jpg"}
    with Image.open(root / "eileen" / "thumb.jpg") as thumb:
        assert thumb.size == (384, 192)
    with (root / "summary.csv").open() as stream:
        (row,) = [row for row in csv.DictReader(stream) if row["subject"] == "eileen"]
    assert 0 < float(row["score"]) < 100 and 0 < float(row["landmark_error"]) < 0.05
    assert 0 < float(row["color_error"]) < 0.5 and row["photos"] == "1"
    # One worker did both: the second fit found nothing of the first.
    glb = [(root / name / "avatar.glb").read_bytes() for name in ("eileen", "twin")]
    assert glb[0] == glb[1]
    page = (root / "index.html").read_text()
    assert "eileen/thumb.jpg" in page and "_batch/failed/lawn.jpg" in page

    before = (root / "eileen" / "batch.json").stat().st_mtime_ns
    again = run(people, "--out", root, *QUICK)
    assert again.exit_code == 1 and "2 done, 3 failed" in again.stdout
    assert "2 finished before, 3 failed before, 0 to do" in again.stderr
    assert (root / "eileen" / "batch.json").stat().st_mtime_ns == before
    quiet = run(people / "eileen", "--out", tmp_path / "other", "--jobs", 1, "-q", *QUICK)
    assert quiet.exit_code == 0 and quiet.output == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--preset", "slow"], "unknown preset"),
        (["--set", "invert.steps"], "NAME=VALUE"),
        (["--executor", "slurm"], "unknown executor"),
        (["--address", "auto"], "--address"),
        (["--weights", "none.safetensors"], "none.safetensors"),
        (["-v", "-q"], "contradict"),
    ],
)
def test_wrong_usage(options: list[str], words: str, people: Path, tmp_path: Path) -> None:
    result = run(people, "--out", tmp_path / "out", *options)
    lines = result.stderr.splitlines()
    assert result.exit_code == 2 and lines[-1].startswith("fitme: error: ") and words in lines[-1]
    assert not (tmp_path / "out").exists()


def test_unknown_device_is_wrong_usage(people: Path, tmp_path: Path) -> None:
    result = run(people, "--out", tmp_path / "out", "--device", "tpu")
    assert result.exit_code == 2 and "tpu" in result.stderr and not (tmp_path / "out").exists()


def test_nobody_there(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("subject,photo\n../x,a.jpg\n")
    for source in (tmp_path / "none", tmp_path / "list.csv"):
        result = run(source, "--out", tmp_path / "out")
        assert result.exit_code == 2 and str(source) in result.stderr.splitlines()[-1]
