"""A compressed GLB against the GLB that it was made from, as three.js reads both."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from fitme.export.frames import split_corners
from fitme.export.glb import write_glb
from fitme.export.mesh import ExportMesh
from fitme.export.web_glb import POSITION_STEPS, small_glb
from tests.export.export_meshes import avatar
from tests.export.external import decode_meshopt, validate
from tests.export.glb_reader import Glb


def floats(text: str, width: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(-1, width)


@pytest.fixture(scope="module")
def meshes() -> list[ExportMesh]:
    return avatar()


@pytest.fixture(scope="module")
def small(meshes: list[ExportMesh]) -> bytes:
    return small_glb(write_glb(meshes))


class TestSmallGlb:
    def test_validator(self, small: bytes, tmp_path: Path) -> None:
        (tmp_path / "small.glb").write_bytes(small)
        issues = validate(tmp_path / "small.glb")["issues"]
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0)
        codes = {message["code"] for message in issues["messages"]}
        assert codes <= {"UNSUPPORTED_EXTENSION"}  # the validator knows no meshopt

    def test_three_reads_the_same_surface(
        self, meshes: list[ExportMesh], small: bytes, tmp_path: Path
    ) -> None:
        """Every corner of every triangle: place, normal, texture coordinate and offsets."""
        (tmp_path / "small.glb").write_bytes(small)
        found = decode_meshopt(tmp_path / "small.glb")["meshes"]
        whole = Glb(write_glb(meshes, sparse=False))
        assert list(found) == [mesh.name for mesh in meshes]
        for number, mesh in enumerate(meshes):
            entry = found[mesh.name]
            step = np.abs(mesh.vertices - np.array(mesh.pivot)).max() / POSITION_STEPS
            np.testing.assert_allclose(entry["place"], mesh.pivot)
            corners = np.array(entry["index"])
            old = whole.triangles(number).reshape(-1)

            def table(place, normal, uv, offsets):
                return np.concatenate([place, normal, uv, *offsets], 1)

            new = table(
                floats(entry["attributes"]["position"], 3)[corners],
                floats(entry["attributes"]["normal"], 3)[corners],
                floats(entry["attributes"]["uv"], 2)[corners],
                [floats(place, 3)[corners] for _, place, _ in entry["targets"]],
            )
            targets = whole.primitive(number).get("targets", [])
            true = table(
                whole.attribute("POSITION", number)[old],
                whole.attribute("NORMAL", number)[old],
                whole.attribute("TEXCOORD_0", number)[old],
                [whole.accessor(target["POSITION"])[old] for target in targets],
            )
            assert [name for name, _, _ in entry["targets"]] == list(mesh.morph_targets)
            weights = np.array([20] * 3 + [0.01] * 3 + [1] * 2 + [0.01] * (true.shape[1] - 8))
            _, near = cKDTree(true * weights).query(new * weights)
            reached = np.unique(true[near].round(6), axis=0)
            assert len(reached) == len(np.unique(true.round(6), axis=0))
            difference = np.abs(new - true[near])
            assert difference[:, :3].max() < 0.51 * step
            assert difference[:, 3:6].max() < 1e-4 and difference[:, 6:8].max() < 1e-4
            assert not targets or difference[:, 8:].max() < 0.51 * step

    def test_same_bytes_again_and_smaller(self, meshes: list[ExportMesh], small: bytes) -> None:
        whole = write_glb(meshes)
        assert small_glb(whole) == small and len(small) < 0.6 * len(whole)

    def test_images_and_names_stay(self, meshes: list[ExportMesh], small: bytes) -> None:
        whole, less = Glb(write_glb(meshes)), Glb(small)
        assert whole.json["materials"] == less.json["materials"]
        for before, after in zip(whole.json["images"], less.json["images"], strict=True):
            assert whole.view(before["bufferView"]) == less.view(after["bufferView"])

    def test_skinned_keeps_metres(self, meshes: list[ExportMesh], tmp_path: Path) -> None:
        data = small_glb(write_glb(meshes, skinned=True))
        (tmp_path / "skinned.glb").write_bytes(data)
        issues = validate(tmp_path / "skinned.glb")["issues"]
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0)
        entry = decode_meshopt(tmp_path / "skinned.glb")["meshes"]["head"]
        place = floats(entry["attributes"]["position"], 3)
        corners = split_corners(meshes[0].triangles, meshes[0].uv, meshes[0].uv_triangles)
        wanted = meshes[0].vertices[corners.vertex]
        np.testing.assert_allclose(place.max(0), wanted.max(0), atol=1e-6)
