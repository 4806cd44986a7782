"""Exports in the libraries that others read glTF and OBJ with, each on every preset it can read."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from fitme.export.engines import PRESETS
from fitme.export.lod import head_level
from fitme.export.presets import ExportOptions, export_files
from fitme.head.model import ARKIT_NAMES
from tests.export.external import clean_with_gltf_transform, load_in_blender
from tests.export.glb_reader import Glb
from tests.small_avatar import small_avatar

Coarse = dict[str, dict[str, bytes]]
COARSE = head_level(small_avatar().head, 2)
PARTS = {name: len(COARSE.part_triangles(name)) for name in small_avatar().head.part_names}
GLTF = sorted(name for name in PRESETS if name != "obj")


def write_model(coarse: Coarse, name: str, folder: Path) -> Path:
    """The model of a preset as a file, whose name ends as glTF does."""
    suffix = {"obj": "obj", "vrm": "vrm"}.get(name, "glb")
    path = folder / f"avatar.{suffix.replace('vrm', 'glb')}"
    path.write_bytes(coarse[name][f"avatar_lod2.{suffix}"])
    return path


def without_specular(glb: bytes) -> bytes:
    """A GLB without KHR_materials_specular, as a reader sees it that does not know it."""
    parsed = Glb(glb)
    for material in parsed.json["materials"]:
        material.get("extensions", {}).pop("KHR_materials_specular", None)
    text = json.dumps(parsed.json).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(parsed.binary), b"BIN\0") + parsed.binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


class TestAssimp:
    """Assimp up to 5.4 takes a specularColorTexture without a specularTexture for the second of
    one, which assimp_py and Assimp's own validation refuse: here it goes without."""

    @pytest.mark.parametrize("name", sorted(PRESETS))
    def test_reads_every_mesh(self, coarse: Coarse, name: str, tmp_path: Path) -> None:
        assimp = pytest.importorskip("assimp_py")
        files = coarse
        if name == "web":  # it knows no meshopt
            options = ExportOptions(name, (2,), compress="none", format="png")
            files = {name: export_files(small_avatar(), options)}
        path = write_model(files, name, tmp_path)
        if name != "obj":
            path.write_bytes(without_specular(path.read_bytes()))
        check = assimp.Process_Triangulate | assimp.Process_ValidateDataStructure
        scene = assimp.import_file(str(path), check)
        found: dict[str, int] = {}
        for mesh in scene.meshes:
            found[mesh.name] = found.get(mesh.name, 0) + len(mesh.indices) // 3
        assert {part: found[part] for part in PARTS} == PARTS
        (head,) = (mesh for mesh in scene.meshes if mesh.name == "head")
        points = np.asarray(head.vertices).reshape(-1, 3)
        wanted = small_avatar().neutral()[0, COARSE.part_vertices("head")].numpy()
        np.testing.assert_allclose(np.ptp(points, 0), np.ptp(wanted, 0), atol=2e-3)  # metres
        assert np.isfinite(points).all() and len(scene.materials) >= 3


class TestGltfTransform:
    @pytest.mark.parametrize("name", ["gltf", "web", "unreal", "talkinghead", "vrm"])
    def test_cleans_up_and_keeps_every_shape(
        self, coarse: Coarse, name: str, tmp_path: Path
    ) -> None:
        path = write_model(coarse, name, tmp_path)
        report = clean_with_gltf_transform(path, tmp_path / "out.glb")
        before, after = report["before"], report["after"]
        assert {part: before["meshes"][part]["triangles"] for part in PARTS} == PARTS
        assert before["meshes"]["head"]["names"][:52] == list(ARKIT_NAMES)
        assert before["meshes"] == after["meshes"] and before["joints"] == after["joints"]


class TestBlenderAndBack:
    def test_imported_and_exported_again(self, coarse: Coarse, tmp_path: Path) -> None:
        path, again = write_model(coarse, "gltf", tmp_path), tmp_path / "again.glb"
        load_in_blender(path, again)
        ours, theirs = Glb(path.read_bytes()), Glb(again.read_bytes())
        index = {mesh["name"]: k for k, mesh in enumerate(theirs.json["meshes"])}
        assert set(PARTS) <= set(index)
        for k, mesh in enumerate(ours.json["meshes"]):
            names = mesh["extras"].get("targetNames", [])
            other = index[mesh["name"]]
            assert theirs.json["meshes"][other]["extras"]["targetNames"] == names
            assert len(theirs.triangles(other)) == len(ours.triangles(k)) == PARTS[mesh["name"]]
            for place in (np.min, np.max):
                np.testing.assert_allclose(
                    place(theirs.attribute("POSITION", other), 0),
                    place(ours.attribute("POSITION", k), 0), atol=1e-5,
                )  # fmt: skip
            pairs = zip(
                ours.primitive(k)["targets"], theirs.primitive(other)["targets"], strict=True
            )
            for one, two in pairs:
                moved = np.abs(ours.accessor(one["POSITION"])).max()
                assert np.abs(theirs.accessor(two["POSITION"])).max() == pytest.approx(
                    moved, abs=1e-5
                )
        one, two = (
            next(m for m in glb.json["materials"] if m["name"] == "head_material")
            for glb in (ours, theirs)
        )
        assert two["extensions"]["KHR_materials_specular"]["specularColorTexture"]
        assert {"baseColorTexture", "metallicRoughnessTexture"} <= set(two["pbrMetallicRoughness"])
        assert "normalTexture" in one and "normalTexture" in two
