"""The add-on of examples/blender in Blender, with a program that stands for fitme."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fitme.export.presets import ExportOptions, export_files
from fitme.fit.settings import HAIR
from fitme.fit.settings import PRESETS as FIT_PRESETS
from fitme.hair import PRESETS, Hair
from tests.export.external import blender_python
from tests.small_avatar import creased, small_avatar

REPOSITORY = Path(__file__).resolve().parent.parent
ADDON = REPOSITORY / "examples" / "blender" / "fitme_addon.py"

# Writes its words down; "fit" makes a directory as the photo's name says, "export" copies `made`.
FAKE = """
import json, pathlib, shutil, sys, time
here = pathlib.Path(sys.argv[0]).parent
words = sys.argv[1:]
with (here / "calls.jsonl").open("a") as log:
    log.write(json.dumps(words) + "\\n")
out = pathlib.Path(words[words.index("--out") + 1])
if words[0] == "fit":
    name = pathlib.Path(words[1]).stem
    print("light:  50%|#####     | 20/40 [00:01<00:01]", end="\\r", file=sys.stderr, flush=True)
    if name == "slow":
        time.sleep(600)
    if name == "refuse":
        sys.exit("fitme: error: refuse.png: no face was found; give another photo")
    out.mkdir()
else:
    without = () if "--strands" in words else ("hair_strands*",)
    shutil.copytree(here / "made", out, ignore=shutil.ignore_patterns(*without))
"""


def tables() -> dict[str, ast.expr]:
    """The constants of the add-on's file, which cannot be imported without Blender."""
    body = ast.parse(ADDON.read_text()).body
    return {
        node.targets[0].id: node.value
        for node in body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def test_choices_are_those_of_fitme() -> None:
    assert ast.literal_eval(tables()["STYLES"]) == tuple(PRESETS)
    assert [name for name, _, _ in ast.literal_eval(tables()["PRESETS"])] == list(FIT_PRESETS)
    about = ast.literal_eval(tables()["bl_info"])
    assert about["blender"] == (4, 2, 0) and about["name"] == "FitMe"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    avatar = replace(creased(small_avatar()), hair=Hair(PRESETS["crop"], seed=1))
    options = ExportOptions("blender", (2,), strands=True)
    for file, data in export_files(avatar, options).items():
        path = tmp_path / "made" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name in ("ok", "refuse", "slow"):
        (tmp_path / f"{name}.png").touch()
    (tmp_path / "saved").mkdir()
    (tmp_path / "fake.py").write_text(FAKE)
    return tmp_path


def test_in_blender(folder: Path) -> None:
    probe = Path(__file__).with_name("blender_addon_probe.py")
    fake = shlex.join([sys.executable, str(folder / "fake.py")])
    done = subprocess.run(
        [blender_python(), str(probe), str(ADDON), str(folder)],
        env={**os.environ, "FITME_COMMAND": fake}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (line,) = [row for row in done.stdout.splitlines() if row.startswith("REPORT ")]
    report = json.loads(line.removeprefix("REPORT "))
    assert report["first"] == report["second"] == report["imported"] == ["FINISHED"], report
    first, second = report["heads"]
    for head in (first, second):
        assert head["heads"] == 1 and head["shapes"] == 52 and head["wrinkles"]
        assert head["subsurface"] > 0.5 and 1e-4 < head["scale"] < 0.02
    assert "CURVES" in first["kinds"] and first["hidden"] == ["hair"]
    assert "CURVES" not in second["kinds"] and second["hidden"] == []
    assert "no face was found; give another photo" in report["refused"]
    assert "is not there" in report["missing"]
    assert report["idle"][0] is False and "is not there" in report["idle"][1]
    assert report["stopped"] == ["light", 0.5, True, True] and report["gone"]
    assert report["hair"] == [*HAIR, *PRESETS]

    calls = [json.loads(row) for row in (folder / "calls.jsonl").read_text().splitlines()]
    heads = folder / "heads"
    assert calls[0] == [
        "fit", str(folder / "ok.png"), "--out", str(heads / "ok"),
        "--preset", "fast", "--hair", "bob",
    ]  # fmt: skip
    assert calls[1] == [
        "export", str(heads / "ok"), "--out", str(heads / "ok_blender"),
        "--preset", "blender", "--strands", "--quiet",
    ]  # fmt: skip
    assert calls[2][3] == str(heads / "ok_2")
    assert calls[-1][1] == str(folder / "saved")
