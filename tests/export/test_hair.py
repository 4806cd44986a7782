"""Hair in exports: valid files that three.js reads, in every preset, and nothing without hair."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from fitme.export.bundle import all_textures, avatar_glb
from fitme.export.engines import PRESETS as ENGINES
from fitme.export.hair import dressed
from fitme.export.presets import ExportOptions, export_files
from fitme.hair import PRESETS, BeardStyle, Hair
from fitme.image.png import decode_png
from tests.export.external import load_in_three, validate
from tests.export.glb_reader import Glb
from tests.small_avatar import small_avatar

MAPS = {"color", "alpha", "normal", "flow", "root_tip", "id"}


@pytest.fixture(scope="module")
def avatar():
    return replace(small_avatar(), hair=Hair(PRESETS["crop"], beard=BeardStyle(), seed=1))


@pytest.fixture(scope="module")
def exported(avatar):
    options = ExportOptions("gltf", (2,), lashes=True, strands=True)
    return export_files(avatar, options)


class TestGlb:
    def test_valid(self, exported, tmp_path):
        file = tmp_path / "avatar.glb"
        file.write_bytes(exported["avatar_lod2.glb"])
        issues = validate(file)["issues"]
        assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]

    def test_materials(self, exported):
        data = Glb(exported["avatar_lod2.glb"]).json
        made = {m["name"]: m for m in data["materials"]}
        for name in ("hair", "beard", "lashes"):
            material = made[f"{name}_material"]
            assert material["alphaMode"] == ("BLEND" if name == "lashes" else "MASK")
            # backs of hair have triangles of their own, whose normals no renderer turns round
            assert material.get("doubleSided", False) == (name == "lashes")
            assert "normalTexture" in material
        names = {mesh["name"]: mesh for mesh in data["meshes"]}
        assert {"hair", "beard", "lashes", "head"} <= set(names)
        assert "targets" not in names["hair"]["primitives"][0]
        assert "jawOpen" in names["beard"]["extras"]["targetNames"]
        assert "eyeBlinkLeft" in names["lashes"]["extras"]["targetNames"]
        assert "tongueOut" not in names["lashes"]["extras"]["targetNames"]

    def test_in_three(self, exported, tmp_path):
        file = tmp_path / "avatar.glb"
        file.write_bytes(exported["avatar_lod2.glb"])
        meshes = load_in_three(file)["meshes"]
        assert {"map", "normalMap", "aoMap"} <= set(meshes["hair"]["maps"])
        assert "tangent" in meshes["hair"]["attributes"]

    def test_blended(self, avatar):
        files = export_files(avatar, ExportOptions("gltf", (2,), hair_alpha="BLEND"))
        materials = Glb(files["avatar_lod2.glb"]).json["materials"]
        modes = {m["name"]: m.get("alphaMode") for m in materials}
        assert (modes["hair_material"], modes["hair_fringe_material"]) == ("MASK", "BLEND")

    def test_blended_where_it_is_drawn_as_stored(self):
        for preset, wanted, alpha in (
            ("gltf", None, "MASK"), ("three", None, "BLEND"), ("three", "MASK", "MASK"),
        ):  # fmt: skip
            assert ExportOptions(preset, hair_alpha=wanted).filled().hair_alpha == alpha


class TestFiles:
    def test_textures(self, exported):
        about = json.loads(exported["fitme_export.json"])["hair"]
        assert set(about["meshes"]) == {"hair", "beard", "lashes"}
        for maps in about["meshes"].values():
            assert set(maps) == MAPS
            assert all(file in exported for file in maps.values())
        alpha = decode_png(exported["textures/hair_alpha.png"])
        assert alpha.min() == 0 and alpha.max() > 250

    def test_strands(self, exported):
        with np.load(io.BytesIO(exported["hair_strands.npz"])) as data:
            count, many = data["half_width"].shape
            assert data["points"].shape == data["color"].shape == (count, many, 3)
            assert set(data["kind"]) == {0, 1}

    @pytest.mark.parametrize("name", ["unreal", "obj"])
    def test_engines(self, avatar, name):
        files = export_files(avatar, ExportOptions(name, (2,)))
        normal = "normal_directx" if name == "unreal" else "normal"
        assert {"textures/hair_color.png", f"textures/hair_{normal}.png"} <= set(files)
        if name == "obj":
            text = files["avatar_lod2.obj"].decode()
            assert "\no hair\n" in text and "usemtl hair_material" in text
            assert "map_d textures/hair_alpha.png" in files["avatar.mtl"].decode()
        assert name in ENGINES

    def test_without(self, avatar):
        bald = export_files(small_avatar(), ExportOptions("gltf", (2,)))
        left_out = export_files(avatar, ExportOptions("gltf", (2,), hair=False))
        assert left_out["avatar_lod2.glb"] == bald["avatar_lod2.glb"]
        assert set(left_out) == set(bald)

    def test_of_a_fit(self, avatar):
        maps = all_textures(avatar)
        assert {"hair_color.png", "beard_alpha.png"} <= set(maps)
        names = [mesh["name"] for mesh in Glb(avatar_glb(avatar, maps)).json["meshes"]]
        assert names[-3:] == ["hair", "beard", "lashes"]


class TestScalp:
    def test_painted_below_hair(self, avatar):
        painted = all_textures(avatar)["diffuse_albedo.png"]
        assert painted == all_textures(small_avatar())["diffuse_albedo.png"]  # fit.json's stays
        options = ExportOptions("gltf", (2,))
        name = "textures/diffuse_albedo.png"
        with_hair, bald = (
            decode_png(export_files(a, options)[name]).astype(float)
            for a in (avatar, small_avatar())
        )
        changed = np.abs(with_hair - bald).max(-1) > 8
        assert 0.02 < changed.mean() < 0.6
        assert with_hair[changed].mean() < bald[changed].mean()


def test_kept(avatar):
    assert dressed(avatar) is dressed(avatar)
