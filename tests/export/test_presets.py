"""Every preset's files: complete, valid, and in the place the photo saw."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest

from fitme.avatar.run_info import RunInfo
from fitme.export.bundle import avatar_glb
from fitme.export.content import skin_of
from fitme.export.engines import PRESETS
from fitme.export.fbx import BLENDER_VARIABLE
from fitme.export.finer import preset_side, with_fine_skin
from fitme.export.lod import head_level
from fitme.export.presets import ExportOptions, export_files, write_export
from fitme.head.model import ARKIT_NAMES
from fitme.image.png import decode_png
from fitme.reflectance.atlas import resized
from fitme.reflectance.eyes import CORNEA_F0
from fitme.render import Material
from fitme.runtime.errors import InputError, OutputError
from tests.export.external import load_in_three, validate
from tests.export.glb_reader import Glb
from tests.small_avatar import small_avatar

COARSE = head_level(small_avatar().head, 2)
WANTED = {
    "gltf": {"diffuse_albedo", "specular_albedo", "normal", "occlusion_roughness_metallic"},
    "unity": {"diffuse_albedo", "normal", "mask_map", "specular_smoothness"},
    "unreal": {
        "diffuse_albedo", "normal_directx", "occlusion_roughness_metallic", "specular",
    },
    "obj": {"diffuse_albedo", "specular_albedo", "normal", "roughness"},
}  # fmt: skip
WANTED |= {name: WANTED["gltf"] for name in ("blender", "three", "web", "talkinghead", "vrm")}


def obj_vertices(data):
    return np.array([line.split()[1:] for line in data.decode().split("\n") if line[:2] == "v "],
                    float)  # fmt: skip


class TestFiles:
    @pytest.mark.parametrize("name", sorted(PRESETS))
    def test_names(self, coarse, name):
        suffix = name if name == "vrm" else "glb"
        model = {"avatar_lod2.obj", "avatar.mtl"} if name == "obj" else {f"avatar_lod2.{suffix}"}
        form = "webp" if name == "web" else "png"
        maps = {f"textures/{stem}.{form}" for stem in WANTED[name]} | {"textures/displacement.png"}
        eyes = {f"textures/eye_L_diffuse_albedo.{form}"}
        script = {"skin_blender.py"} if name == "blender" else set()
        assert set(coarse[name]) == {"fitme_export.json"} | model | maps | eyes | script
        about = json.loads(coarse[name]["fitme_export.json"])
        bust = about["triangles"]["avatar_lod2"] - len(COARSE.triangles)
        assert about["preset"] == name and (1000 < bust < 5000 if PRESETS[name].bust else bust == 0)
        assert about["fitme"] == version("fitme") and about["fitted_with"] == "0.0.1"
        assert "Apache-2.0" in about["licence"] and about["scale"]["known"] is False
        if name == "obj":
            assert b"# Head model (" in coarse[name]["avatar_lod2.obj"][:400]
        assert about["parts"]["eye_R"]["textures"] == about["parts"]["eye_L"]["textures"]
        assert about["parts"]["eye_L"]["f0"] == pytest.approx(CORNEA_F0, abs=1e-4)
        assert set(about["maps"]) == WANTED[name]
        for file in (f for part in about["parts"].values() for f in part["textures"].values()):
            assert file in coarse[name]

    def test_same_glb_where_the_engines_agree(self, coarse):
        models = [coarse[name]["avatar_lod2.glb"] for name in ("gltf", "blender", "unity", "three")]
        assert all(model == models[0] for model in models)

    def test_same_input_same_bytes(self, coarse):
        avatar = replace(small_avatar(), run=RunInfo(fitme="0.0.1"))
        assert export_files(avatar, ExportOptions("unreal", (2,))) == coarse["unreal"]

    def test_sizes_and_bits(self):
        options = ExportOptions("unity", (2,), map_size=64, bits=16)
        files = export_files(small_avatar(), options)
        normal = decode_png(files["textures/normal.png"])
        assert normal.shape == (64, 64, 3) and normal.dtype == np.uint16
        eye = decode_png(files["textures/eye_L_diffuse_albedo.png"])
        assert eye.shape == (32, 32, 3)  # not made larger than it is
        glb = Glb(files["avatar_lod2.glb"])
        images = [decode_png(glb.view(image["bufferView"])) for image in glb.json["images"]]
        assert all(image.dtype == np.uint8 for image in images)

    def test_larger_maps_have_fine_skin_and_depths_where_asked(self):
        options = ExportOptions("gltf", (2,), map_size=128, more_maps=("cavity", "thickness"))
        files = export_files(small_avatar(), options)
        assert decode_png(files["textures/normal.png"]).shape == (128, 128, 3)
        assert decode_png(files["textures/cavity.png"]).shape == (128, 128, 1)
        thick = decode_png(files["textures/thickness.png"])
        assert thick.max() == 255 and thick.min() < 100
        about = json.loads(files["fitme_export.json"])
        assert about["thickness"] == {"file": "textures/thickness.png", "millimetres_per_unit": 20}
        assert about["cavity"]["file"] == "textures/cavity.png" and about["map_size"] == 128

    def test_fine_skin_is_no_blur(self):
        own = small_avatar()
        fine = with_fine_skin(own, 256)
        assert with_fine_skin(own, 32) is own and with_fine_skin(own, None) is own
        blurred = resized(own.skin.normals(), 256)
        made = skin_of(fine).normals()
        sharp = [
            (n - resized(resized(n, 128), 256))[0, 80:200, 60:196].std() for n in (blurred, made)
        ]
        assert sharp[1] > 3 * sharp[0]

    @pytest.mark.parametrize(("own", "side"), [(1024, 2048), (512, None), (2048, None)])
    def test_presets_of_engines_are_twice_as_fine(self, own, side):
        avatar = small_avatar()
        skin = Material.plain((0.4, 0.3, 0.2), 0.03, 0.4)
        wide = replace(skin, diffuse_albedo=skin.diffuse_albedo.expand(1, own, own, 3))
        avatar = replace(avatar, materials=(wide, *avatar.materials[1:]))
        assert preset_side(avatar, PRESETS["unreal"]) == side
        assert preset_side(avatar, PRESETS["gltf"]) is None


class TestGlb:
    @pytest.mark.parametrize("level", [0, 1, 2])
    @pytest.mark.parametrize(
        ("name", "form"), [("gltf", "png"), ("unreal", "png"), ("three", "webp")]
    )
    def test_validator_has_nothing_to_say(self, coarse, tmp_path, name, form, level):
        stem = "avatar" if level == 0 else f"avatar_lod{level}"
        files = coarse[name]
        if level != 2 or form == "webp":
            files = export_files(small_avatar(), ExportOptions(name, (level,), format=form))
        path = tmp_path / f"{stem}.glb"
        path.write_bytes(files[path.name])
        report = validate(path)
        assert (report["issues"]["numErrors"], report["issues"]["numWarnings"]) == (0, 0)
        codes = {message["code"] for message in report["issues"]["messages"]}
        assert codes <= {"UNUSED_OBJECT"}  # texture coordinates of parts of one colour
        content = Glb(path.read_bytes()).json
        names = {mesh["name"]: mesh["extras"].get("targetNames") for mesh in content["meshes"]}
        assert names["head"] == list(ARKIT_NAMES)
        assert {"jawOpen", "tongueOut"} <= set(names["tongue"]) and "jawOpen" in names["teeth"]
        assert ("EXT_texture_webp" in content.get("extensionsRequired", [])) == (form == "webp")

    def test_occlusion_roughness_and_metallic_are_one_image(self, coarse):
        content = Glb(coarse["gltf"]["avatar_lod2.glb"]).json
        head = next(m for m in content["materials"] if m["name"] == "head_material")
        packed = head["pbrMetallicRoughness"]["metallicRoughnessTexture"]["index"]
        assert head["occlusionTexture"]["index"] == packed
        mouth = next(m for m in content["materials"] if m["name"] == "mouth_material")
        assert mouth["occlusionTexture"]["texCoord"] == 1

    def test_images_are_named_by_owner_and_use(self, coarse):
        content = Glb(coarse["gltf"]["avatar_lod2.glb"]).json
        assert [image["name"] for image in content["images"]] == [
            "head_specular_color", "head_normal", "head_base_color",
            "head_occlusion_metallic_roughness", "eye_L_base_color", "mouth_occlusion",
        ]  # fmt: skip

    def test_asset_says_who_made_it_and_what_is_allowed(self, coarse):
        asset = Glb(coarse["gltf"]["avatar_lod2.glb"]).json["asset"]
        assert asset["generator"] == f"fitme {version('fitme')}"
        assert "ICT-FaceKit" in asset["copyright"] and "commercial use" in asset["copyright"]
        theirs = replace(small_avatar().head, metadata={"source": "FLAME", "licence": "its own"})
        geometry = replace(small_avatar().geometry, head=theirs)
        glb = Glb(avatar_glb(replace(small_avatar(), geometry=geometry)))
        assert "FLAME): licence its own" in glb.json["asset"]["copyright"]
        assert "commercial" not in glb.json["asset"]["copyright"]

    def test_eyes_are_wet(self, coarse):
        content = Glb(coarse["gltf"]["avatar_lod2.glb"]).json
        eye = next(m for m in content["materials"] if m["name"] == "eye_L_material")
        assert eye["pbrMetallicRoughness"]["roughnessFactor"] < 0.2
        f0 = 0.04 * eye["extensions"]["KHR_materials_specular"]["specularColorFactor"][0]
        assert f0 == pytest.approx(CORNEA_F0, abs=1e-3)

    def test_unreal_hangs_on_joints(self, coarse):
        glb = Glb(coarse["unreal"]["avatar_lod2.glb"])
        (skin,) = glb.json["skins"]
        joints = [glb.json["nodes"][index]["name"] for index in skin["joints"]]
        assert joints == ["head_joint", "eye_L_joint", "eye_R_joint"]
        centre = small_avatar().head.eye_centres(small_avatar().neutral())[0, 0].numpy()
        node = glb.json["nodes"][skin["joints"][1]]
        np.testing.assert_allclose(node["translation"], centre, atol=1e-6)
        plain = Glb(coarse["gltf"]["avatar_lod2.glb"])
        moved = plain.attribute("POSITION", 1) + centre
        np.testing.assert_allclose(glb.attribute("POSITION", 1), moved, atol=1e-6)

    def test_three_reads_the_skinned_one(self, coarse, tmp_path):
        path = tmp_path / "a.glb"
        path.write_bytes(coarse["unreal"]["avatar_lod2.glb"])
        report = load_in_three(path)
        assert set(report["meshes"]) == set(small_avatar().head.part_names)
        assert len(report["meshes"]["head"]["targets"]) == 52

    def test_level_keeps_the_full_heads_normals(self, coarse):
        avatar = small_avatar()
        full = Glb(export_files(avatar, ExportOptions())["avatar.glb"])
        low = Glb(coarse["gltf"]["avatar_lod2.glb"])
        place = {tuple(p): k for k, p in enumerate(full.attribute("POSITION").tolist())}
        index = [place[tuple(p)] for p in low.attribute("POSITION").tolist()]
        np.testing.assert_allclose(
            full.attribute("NORMAL")[index], low.attribute("NORMAL"), atol=1e-6
        )


class TestPhotoExpression:
    def test_obj_is_posed_as_the_photo_saw_it(self):
        avatar = small_avatar()
        files = export_files(avatar, ExportOptions("obj", photo=0))
        used = np.concatenate(
            [avatar.head.part_vertices(n).numpy() for n in avatar.head.part_names]
        )
        wanted = avatar.photos[0].view.posed(avatar.head, avatar.identity)[0].numpy()[used]
        # Parts inside the mouth leave out shapes that move them by less than 0.01 mm.
        np.testing.assert_allclose(obj_vertices(files["avatar.obj"]), wanted, atol=2e-5)

    def test_glb_opens_with_the_weights_and_turned_eyes(self):
        avatar = small_avatar()
        glb = Glb(export_files(avatar, ExportOptions(levels=(2,), photo=0))["avatar_lod2.glb"])
        weights = avatar.photos[0].view.expression[0].numpy()
        np.testing.assert_allclose(glb.json["meshes"][0]["weights"], weights, atol=1e-6)
        assert set(glb.json["meshes"][1]["weights"]) == {0.0}
        assert len(glb.json["nodes"][1]["rotation"]) == 4


class TestObj:
    def test_expressions(self, coarse):
        files = export_files(small_avatar(), ExportOptions("obj", (2,), expressions=True))
        shapes = [name for name in files if name.startswith("expressions/")]
        assert sorted(shapes) == sorted(f"expressions/{name}.obj" for name in ARKIT_NAMES)
        neutral, opened = (
            obj_vertices(coarse["obj"]["avatar_lod2.obj"]),
            obj_vertices(files["expressions/jawOpen.obj"]),
        )
        assert neutral.shape == opened.shape
        assert 0.02 < np.linalg.norm(opened - neutral, axis=1).max() < 0.06

    def test_trimesh_reads_it(self, coarse, tmp_path):
        import trimesh

        for name, data in coarse["obj"].items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(data)
        scene = trimesh.load(tmp_path / "avatar_lod2.obj", process=False, force="scene")
        assert sum(len(mesh.faces) for mesh in scene.geometry.values()) == len(COARSE.triangles)
        (head,) = [
            m for m in scene.geometry.values() if len(m.faces) == len(COARSE.part_triangles("head"))
        ]
        assert 0.2 < head.extents[1] < 0.4 and head.visual.material.image.size == (32, 32)


class TestExceptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (ExportOptions("maya"), "no preset 'maya'"),
            (ExportOptions(levels=(3,)), "levels of detail are 0"),
            (ExportOptions("unity", format="webp"), "does not read WebP"),
            (ExportOptions(format="ktx2"), "png, webp or exr"),
            (ExportOptions(bits=12), "8 or 16"),
            (ExportOptions("three", format="webp", bits=16), "leave --bits out"),
            (ExportOptions("gltf", fbx=True), "unity and unreal"),
            (ExportOptions("gltf", expressions=True), "--expressions is for obj"),
            (ExportOptions(photo=7), "photo 7: the avatar has 1"),
        ],
    )
    def test_refused_with_a_cure(self, options, message):
        with pytest.raises(InputError, match=message):
            export_files(small_avatar(), options)

    @pytest.mark.parametrize("program", ["/nowhere/blender", None])
    def test_no_blender(self, monkeypatch, tmp_path, program):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv(BLENDER_VARIABLE, raising=False)
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        if program:
            monkeypatch.setenv(BLENDER_VARIABLE, program)
        with pytest.raises(InputError, match=r"blender\.org"):
            write_export(small_avatar(), tmp_path / "out", ExportOptions("unity", fbx=True))
        assert list(tmp_path.iterdir()) == []

    def test_no_exr(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "OpenEXR", None)
        with pytest.raises(InputError, match=r"fitme\[exr\]"):
            export_files(small_avatar(), replace(ExportOptions(), format="exr"))

    def test_a_fitted_avatar_is_never_replaced(self, tmp_path):
        small_avatar().save(tmp_path / "avatar")
        with pytest.raises(OutputError, match="something else than an export"):
            write_export(small_avatar(), tmp_path / "avatar", overwrite=True)
        assert (tmp_path / "avatar" / "fit.json").is_file()
