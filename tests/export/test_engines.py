"""Exports in the programs they are for: three.js draws them, Blender imports them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fitme.avatar.relight import facing_camera
from fitme.export.fbx import BLENDER_VARIABLE
from fitme.export.lod import head_level
from fitme.export.presets import ExportOptions, export_files
from fitme.head.model import ARKIT_NAMES
from fitme.render.light import Light
from fitme.render.picture import render_rgba
from tests.export.external import blender_python, load_in_blender
from tests.export.three_view import draw
from tests.small_avatar import small_avatar

SIZE = 384


class TestThree:
    @pytest.mark.parametrize(
        ("options", "iou"),
        [
            (ExportOptions("three", format="webp"), 0.985),
            (ExportOptions("unreal", (2,)), 0.975),
            (ExportOptions("web", visemes="none"), 0.985),
        ],
        ids=["webp", "skinned coarse", "meshopt"],
    )
    def test_draws_what_we_draw(self, tmp_path, options, iou):
        avatar = small_avatar()
        camera = facing_camera(avatar, 20.0, 0.0, SIZE)
        files = export_files(avatar, options)
        (glb,) = [data for name, data in files.items() if name.endswith(".glb")]
        # One sun and nothing else, in both: three's unit is irradiance, ours that over pi.
        towards = torch.nn.functional.normalize(torch.tensor([[[0.5, 1.0, 1.5]]]), dim=-1)
        sun = Light(torch.zeros(1, 9, 3), towards, torch.full((1, 1, 3), 2.0 / math.pi))
        pictures, names, materials = draw(
            glb, tmp_path, camera, [{}, {"jawOpen": 1.0}], size=SIZE, sun=2.0, environment=0.0,
            sun_direction=towards[0, 0].tolist(),
        )  # fmt: skip
        assert names["head"] == list(ARKIT_NAMES)
        assert all(m["type"] == "MeshPhysicalMaterial" for m in materials.values())
        ours = avatar.render(camera, sun)
        inside = ours.alpha[0, ..., 0].numpy() > 0.5
        drawn = ~(pictures[0].astype(int) @ [-1, -1, 1] > 150)  # all but the blue behind
        assert (drawn & inside).sum() / (drawn | inside).sum() > iou
        wanted = render_rgba(ours)[..., :3].astype(int)
        both = drawn & inside
        apart = np.abs(pictures[0].astype(int) - wanted)[both]
        assert np.median(apart) <= 3 and apart.mean() < 8
        # The mouth opens where the lips are, and nowhere above the nose.
        change = np.abs(pictures[1].astype(int) - pictures[0]).sum(-1) > 60
        lips = avatar.head.part_vertices("head")
        lips = lips[avatar.head.regions["lips"][lips] > 0.5]
        points = camera.project(avatar.neutral()[:, lips])[0].numpy()
        x, y = points[:, 0], points[:, 1]
        mouth = change[int(y.min()) : int(y.max()), int(x.min()) : int(x.max())]
        assert mouth.mean() > 0.3
        assert change[: int(y.min()) - SIZE // 8].mean() < 0.03


@pytest.fixture(scope="module")
def blender_files(tmp_path_factory):
    """Folder with an export for every engine that Blender is asked about."""
    folder = tmp_path_factory.mktemp("blender")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BLENDER_VARIABLE, blender_python())
        for name in ("blender", "unity", "unreal", "obj"):
            fbx = name in ("unity", "unreal")
            files = export_files(small_avatar(), ExportOptions(name, (1,), fbx=fbx))
            for file, data in files.items():
                (folder / name / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / name / file).write_bytes(data)
    return folder


class TestBlender:
    @pytest.mark.parametrize(
        "file",
        [
            "blender/avatar_lod1.glb", "unity/avatar_lod1.fbx", "unreal/avatar_lod1.fbx",
            "unreal/avatar_lod1.glb", "obj/avatar_lod1.obj",
        ],
    )  # fmt: skip
    def test_metres_morphs_materials_normals(self, blender_files, file):
        report = load_in_blender(blender_files / file)
        avatar = small_avatar()
        assert set(avatar.head.part_names) <= set(report["meshes"])
        head = report["meshes"]["head"]
        vertices = avatar.neutral()[0, avatar.head.part_vertices("head")].numpy()
        x, y, z = vertices.T
        # Blender is Z up and the face looks along -Y; locked rims make the bounds differ a little.
        np.testing.assert_allclose(head["low"], [x.min(), -z.max(), y.min()], atol=2e-3)
        np.testing.assert_allclose(head["high"], [x.max(), -z.min(), y.max()], atol=2e-3)
        assert 0.002 < head["volume"] < 0.008 and head["normals_agree"] > 0.995
        assert report["meshes"]["eye_L"]["low"][0] > 0  # the person's left is +X
        assert head["triangles"] == len(head_level(avatar.head, 1).part_triangles("head"))
        assert [len(mesh["materials"]) for mesh in report["meshes"].values() if
                mesh["materials"]] == [1] * 6  # fmt: skip
        if not file.endswith(".obj"):
            assert head["shape_keys"] == ["Basis", *ARKIT_NAMES]
            assert "jawOpen" in report["meshes"]["teeth"]["shape_keys"]
            scale = 100 if file == "unreal/avatar_lod1.fbx" else 1  # the data is in centimetres
            opened = head["shape_offsets"]["jawOpen"]["largest"] / scale
            assert 0.02 < opened < 0.06
        if file.startswith("unreal"):
            assert report["bones"] == ["head_joint", "eye_L_joint", "eye_R_joint"]
        if file.startswith(("blender", "obj")):
            reached = set(head["image_inputs"][0])
            assert reached >= {"Base Color", "Normal", "Roughness"}
