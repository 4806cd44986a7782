"""`--preset vrm`: what the specification asks for, and the file in three-vrm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitme.export.presets import ExportOptions, export_files
from fitme.export.shapes import mixtures
from tests.browser import evaluate
from tests.export.external import validate
from tests.export.glb_reader import Glb
from tests.export.vrm_view import show, visit_vrm
from tests.small_avatar import small_avatar

REQUIRED = {
    "hips", "spine", "head",
    *(f"{side}{bone}" for side in ("left", "right") for bone in (
        "UpperLeg", "LowerLeg", "Foot", "UpperArm", "LowerArm", "Hand")),
}  # fmt: skip


@pytest.fixture(scope="module")
def vrm() -> bytes:
    return export_files(small_avatar(), ExportOptions("vrm", (2,)))["avatar_lod2.vrm"]


@pytest.fixture(scope="module")
def extension(vrm: bytes) -> dict[str, Any]:
    made: dict[str, Any] = Glb(vrm).json["extensions"]["VRMC_vrm"]
    return made


class TestFile:
    def test_valid(self, vrm: bytes, tmp_path: Path) -> None:
        (tmp_path / "me.glb").write_bytes(vrm)
        issues = validate(tmp_path / "me.glb")["issues"]
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
        codes = {message["code"] for message in issues["messages"]}
        assert codes <= {"UNSUPPORTED_EXTENSION", "UNUSED_OBJECT"}

    def test_bones(self, vrm: bytes, extension: dict[str, Any]) -> None:
        bones = {name: bone["node"] for name, bone in extension["humanoid"]["humanBones"].items()}
        assert set(bones) >= REQUIRED and {"jaw", "neck", "leftEye"} <= set(bones)
        assert len(set(bones.values())) == len(bones)
        nodes = Glb(vrm).json["nodes"]
        assert all("mesh" not in nodes[node] for node in bones.values())

    def test_expressions_are_the_mixtures(self, vrm: bytes, extension: dict[str, Any]) -> None:
        data = Glb(vrm).json
        head = next(k for k, node in enumerate(data["nodes"]) if node["name"] == "head_mesh")
        names = data["meshes"][data["nodes"][head]["mesh"]]["extras"]["targetNames"]
        presets = extension["expressions"]["preset"]
        for name, parts in mixtures(["vrm"]).items():
            binds = [b for b in presets[name]["morphTargetBinds"] if b["node"] == head]
            assert {names[b["index"]]: b["weight"] for b in binds} == dict(parts)
        assert presets["neutral"]["morphTargetBinds"] == []
        assert "jawOpen" in extension["expressions"]["custom"]

    def test_meta(self, extension: dict[str, Any]) -> None:
        meta = extension["meta"]
        assert extension["specVersion"] == "1.0"
        assert meta["name"] and meta["authors"]
        assert meta["licenseUrl"] == "https://vrm.dev/licenses/1.0/"


class TestThreeVrm:
    def test_blinks_nods_and_looks(self, vrm: bytes, tmp_path: Path) -> None:
        values = visit_vrm(
            vrm, tmp_path,
            [
                *show(), evaluate("vertices('head_mesh')"), evaluate("vertices('bust')"),
                *show({"blink": 1.0}), evaluate("vertices('head_mesh')"),
                *show({}, {"neck": [0.3, 0.0, 0.0]}), evaluate("vertices('head_mesh')"),
                evaluate("vertices('bust')"),
                *show({}, {"neck": [0.0, 0.0, 0.0]}), evaluate("vertices('eye_L')"),
                *show({}, None, [1.0, 1.6, 1.0]), evaluate("vertices('eye_L')"),
            ],
        )  # fmt: skip
        about = values[0]
        assert set(about["bones"]) >= REQUIRED and about["look"] == "expression"
        assert set(mixtures(["vrm"])) <= set(about["faces"])
        points = [np.array(v) for v in values[1:] if isinstance(v, list)]
        rest, cloth, blink, nod, cloth_after, eye, looking = points
        moved = np.linalg.norm(blink - rest, axis=1)
        assert moved.max() > 3e-3
        high = rest[moved > 1e-3, 1]
        assert high.min() > 1.6 and high.max() < 1.68  # about the eyes
        top = rest[:, 1] > 1.7
        assert (nod - rest)[top, 2].min() > 0.02  # forwards
        assert np.abs(cloth_after - cloth)[cloth[:, 1] < 1.4].max() < 1e-6
        front = eye[:, 2].argmax()
        assert (looking - eye)[front, 0] > 2e-3  # towards the person's left, where the target is
