from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from fitme.export.glb import write_glb
from fitme.export.mesh import ExportMaterial, ExportMesh
from tests.export.export_meshes import avatar, eye, head, textured_material
from tests.export.external import load_in_blender, load_in_three, validate
from tests.export.glb_reader import Glb


@pytest.fixture(scope="module")
def glb_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("glb") / "avatar.glb"
    path.write_bytes(write_glb(avatar(), copyright="nobody"))
    return path


class TestSmoke:
    def test_nodes_and_asset(self, glb_file):
        content = Glb(glb_file.read_bytes()).json
        assert content["asset"] == {"generator": "fitme", "copyright": "nobody", "version": "2.0"}
        assert [node["name"] for node in content["nodes"]] == ["head", "eye_L", "eye_R", "avatar"]
        assert content["scenes"] == [{"nodes": [3]}]
        assert content["nodes"][3]["children"] == [0, 1, 2]
        assert content["nodes"][1]["translation"] == pytest.approx([0.03, 0.02, 0.085])
        assert content["meshes"][0]["extras"]["targetNames"] == [
            "jawOpen",
            "eyeBlinkLeft",
            "tongueOut",
        ]
        assert content["meshes"][0]["weights"] == [0.0, 0.0, 0.0]
        assert len(content["materials"]) == 2  # both eyes share one

    def test_same_input_same_bytes(self, glb_file):
        assert write_glb(avatar(), copyright="nobody") == glb_file.read_bytes()

    def test_vertices_keep_their_order_and_seams_come_after(self, glb_file):
        mesh = head()
        glb = Glb(glb_file.read_bytes())
        position, triangles = glb.attribute("POSITION"), glb.triangles()
        count = len(mesh.vertices)
        assert len(position) > count
        np.testing.assert_array_equal(position[:count], mesh.vertices.astype(np.float32))
        # Every corner keeps its position and its texture coordinate.
        np.testing.assert_allclose(position[triangles], mesh.vertices[mesh.triangles], atol=1e-7)
        texture = glb.attribute("TEXCOORD_0")[triangles]
        np.testing.assert_allclose(texture, mesh.uv[mesh.uv_triangles], atol=1e-7)

    def test_normals_are_smooth_across_the_seam(self, glb_file):
        glb = Glb(glb_file.read_bytes())
        position, normal = glb.attribute("POSITION"), glb.attribute("NORMAL")
        np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1.0, atol=1e-6)
        _, inverse = np.unique(position, axis=0, return_inverse=True)
        for vertex in np.flatnonzero(np.bincount(inverse.ravel()) > 1):
            same = normal[inverse.ravel() == vertex]
            np.testing.assert_array_equal(same, np.broadcast_to(same[0], same.shape))


class TestMorphTargets:
    def test_sparse_holds_what_dense_holds_and_is_smaller(self):
        sparse, dense = (write_glb([head()], sparse=choice) for choice in (True, False))
        assert len(sparse) < len(dense)
        a, b = Glb(sparse), Glb(dense)
        assert any("sparse" in accessor for accessor in a.json["accessors"])
        assert not any("sparse" in accessor for accessor in b.json["accessors"])
        for left, right in zip(a.primitive()["targets"], b.primitive()["targets"], strict=True):
            for name in ("POSITION", "NORMAL"):
                np.testing.assert_array_equal(a.accessor(left[name]), b.accessor(right[name]))

    def test_offsets_move_positions_and_normals(self):
        mesh = head()
        glb = Glb(write_glb([mesh]))
        target = glb.primitive()["targets"][0]
        moved = replace(
            mesh, vertices=mesh.vertices + mesh.morph_targets["jawOpen"], morph_targets={}
        )
        wanted = Glb(write_glb([moved]))
        position = glb.attribute("POSITION") + glb.accessor(target["POSITION"])
        np.testing.assert_allclose(position, wanted.attribute("POSITION"), atol=1e-7)
        normal = glb.attribute("NORMAL") + glb.accessor(target["NORMAL"])
        np.testing.assert_allclose(normal, wanted.attribute("NORMAL"), atol=2e-3)

    def test_a_target_that_moves_everything_is_dense(self):
        mesh = replace(head(), morph_targets={"all": np.full_like(head().vertices, 0.01)})
        glb = Glb(write_glb([mesh]))
        accessor = glb.json["accessors"][glb.primitive()["targets"][0]["POSITION"]]
        assert "sparse" not in accessor
        assert accessor["min"] == pytest.approx([0.01] * 3)

    def test_less_than_a_micrometre_is_nothing(self):
        mesh = replace(head(), morph_targets={"noise": np.full_like(head().vertices, 5e-7)})
        glb = Glb(write_glb([mesh]))
        assert not glb.accessor(glb.primitive()["targets"][0]["POSITION"]).any()


class TestMaterials:
    def test_specular_extension(self, glb_file):
        content = Glb(glb_file.read_bytes()).json
        assert content["extensionsUsed"] == ["KHR_materials_specular"]
        specular = content["materials"][0]["extensions"]["KHR_materials_specular"]
        assert specular["specularColorFactor"] == [0.7, 0.7, 0.7]
        assert "specularColorTexture" in specular

    def test_images_are_embedded_as_given_and_once(self):
        material = textured_material()
        material = replace(material, metallic_roughness=material.base_color)
        glb = Glb(write_glb([head(material=material)]))
        images = [glb.view(image["bufferView"]) for image in glb.json["images"]]
        once = [material.base_color, material.normal, material.specular_color]
        assert sorted(images) == sorted(once)

    def test_plain_material_needs_no_uv_and_no_extension(self):
        mesh = head(material=ExportMaterial("grey", base_color_factor=(0.5, 0.5, 0.5, 1.0)))
        bare = ExportMesh("bare", mesh.vertices, mesh.triangles, mesh.material)
        glb = Glb(write_glb([bare]))
        assert "extensionsUsed" not in glb.json and "images" not in glb.json
        assert sorted(glb.primitive()["attributes"]) == ["NORMAL", "POSITION"]

    @pytest.mark.parametrize("mode", ["OPAQUE", "MASK", "BLEND"])
    def test_alpha_modes_are_valid(self, tmp_path, mode):
        material = replace(textured_material(), alpha_mode=mode, double_sided=True)
        path = tmp_path / "a.glb"
        path.write_bytes(write_glb([head(material=material)]))
        assert validate(path)["issues"]["messages"] == []


class TestValidator:
    @pytest.mark.parametrize("sparse", [True, False])
    def test_nothing_to_report(self, tmp_path, sparse):
        path = tmp_path / "avatar.glb"
        path.write_bytes(write_glb(avatar(), sparse=sparse))
        report = validate(path)
        assert report["issues"]["messages"] == []
        assert report["info"]["hasMorphTargets"] and report["info"]["hasTextures"]

    def test_32_bit_indices(self, tmp_path):
        mesh = head(300, 220)
        path = tmp_path / "large.glb"
        path.write_bytes(write_glb([mesh]))
        report = validate(path)
        assert report["issues"]["messages"] == []
        assert report["info"]["totalTriangleCount"] == len(mesh.triangles)

    def test_degenerate_meshes(self, tmp_path):
        mesh = head()
        triangles = np.concatenate([mesh.triangles, [[3, 3, 4]]])
        uv_triangles = np.concatenate([mesh.uv_triangles, [[0, 1, 2]]])
        flat_uv = replace(mesh, name="flat_uv", uv=np.zeros_like(mesh.uv))
        odd = replace(mesh, name="odd", triangles=triangles, uv_triangles=uv_triangles)
        flat = replace(mesh, name="flat", vertices=np.zeros_like(mesh.vertices))
        unused = replace(mesh, name="unused", triangles=mesh.triangles[:5], uv_triangles=None,
                         uv=np.zeros((len(mesh.vertices), 2)))  # fmt: skip
        path = tmp_path / "degenerate.glb"
        path.write_bytes(write_glb([flat_uv, odd, flat, unused]))
        assert validate(path)["issues"]["messages"] == []


class TestReaders:
    def test_trimesh(self, glb_file):
        scene = trimesh.load(glb_file, force="scene")
        assert set(scene.geometry) == {"head", "eye_L", "eye_R"}
        shape = scene.geometry["head"]
        mesh = head()
        assert len(shape.faces) == len(mesh.triangles)
        np.testing.assert_allclose(shape.bounds, [mesh.vertices.min(0), mesh.vertices.max(0)])
        # Metres; the tallest extent along +Y; the nose, farthest from the axis, along +Z.
        np.testing.assert_allclose(shape.extents, [0.16, 0.24, 0.22], atol=1e-6)
        assert shape.vertices[:, 2].max() > 0.119 and shape.vertices[:, 2].min() > -0.101
        outward = (shape.face_normals * shape.triangles_center).sum(1)
        assert (outward > 0).all()
        pose, _ = scene.graph["eye_L"]
        np.testing.assert_allclose(pose[:3, 3], [0.03, 0.02, 0.085], atol=1e-7)
        assert shape.visual.material.baseColorTexture.size == (8, 8)

    @pytest.mark.parametrize("sparse", [True, False])
    def test_three(self, tmp_path, sparse):
        path = tmp_path / "avatar.glb"
        path.write_bytes(write_glb(avatar(), sparse=sparse))
        report = load_in_three(path)
        assert report["root"] == ["avatar"]
        assert sorted(report["meshes"]) == ["eye_L", "eye_R", "head"]
        shape, mesh = report["meshes"]["head"], head()
        assert shape["attributes"] == ["normal", "position", "tangent", "uv"]
        assert shape["triangles"] == len(mesh.triangles)
        assert shape["targets"] == {"jawOpen": 0, "eyeBlinkLeft": 1, "tongueOut": 2}
        assert shape["weights"] == [0, 0, 0]
        assert shape["normalOffsets"] == [shape["vertices"]] * 3
        for offsets, wanted in zip(shape["offsets"], mesh.morph_targets.values(), strict=True):
            got = np.array(offsets).reshape(-1, 3)[: len(mesh.vertices)]
            np.testing.assert_allclose(got, wanted, atol=1e-7)
        assert shape["material"] == "MeshPhysicalMaterial"
        assert shape["normalScale"] == [1, 1]  # tangents are there, so nothing is flipped
        assert sorted(shape["maps"]) == [
            "map",
            "metalnessMap",
            "normalMap",
            "roughnessMap",
            "specularColorMap",
        ]

    def test_blender(self, glb_file):
        report = load_in_blender(glb_file)
        assert report["objects"] == ["avatar", "eye_L", "eye_R", "head"]
        shape, glb = report["meshes"]["head"], Glb(glb_file.read_bytes())
        assert shape["parent"] == "avatar"
        # Blender is Z up and the face looks along -Y.
        np.testing.assert_allclose(shape["dimensions"], [0.16, 0.22, 0.24], atol=1e-5)
        np.testing.assert_allclose(
            report["meshes"]["eye_L"]["location"], [0.03, -0.085, 0.02], atol=1e-6
        )
        assert shape["triangles"] == len(head().triangles)
        assert shape["shape_keys"] == ["Basis", "jawOpen", "eyeBlinkLeft", "tongueOut"]
        assert shape["shape_values"][1:] == [0.0, 0.0, 0.0]
        offsets = shape["shape_offsets"]
        assert offsets["jawOpen"]["largest"] == pytest.approx(0.02, abs=1e-6)
        assert offsets["tongueOut"] == {"largest": 0.0, "moved": 0}
        for index, name in enumerate(("jawOpen", "eyeBlinkLeft")):
            deltas = glb.accessor(glb.primitive()["targets"][index]["POSITION"])
            assert offsets[name]["moved"] == np.count_nonzero(deltas.any(axis=1))
        assert shape["materials"] == ["skin"]
        assert set(shape["image_inputs"][0]) >= {
            "Base Color",
            "Roughness",
            "Normal",
            "Specular Tint",
        }
        assert shape["images"] == ["8x8 Non-Color"] * 2 + ["8x8 sRGB"] * 2

    @pytest.mark.parametrize("mirrored", [False, True])
    def test_blender_computes_the_same_tangents(self, tmp_path, mirrored):
        mesh = head()
        if mirrored:  # both halves of the head share the texels of one
            halves = np.stack([0.5 - np.abs(mesh.uv[:, 0] - 0.5), mesh.uv[:, 1]], axis=1)
            mesh = replace(mesh, uv=halves)
        # A rough surface, where a wrong rule for the averages would be seen.
        bumps = np.random.default_rng(0).normal(1.0, 0.01, (len(mesh.vertices), 1))
        path = tmp_path / "head.glb"
        path.write_bytes(write_glb([replace(mesh, vertices=mesh.vertices * bumps)]))
        shape, glb = load_in_blender(path)["meshes"]["head"], Glb(path.read_bytes())
        x, y, z, w = glb.attribute("TANGENT")[shape["corner_vertex"]].T
        tangent = np.array(shape["corner_tangent"])
        cosine = (tangent[:, :3] * np.stack([x, -z, y], axis=1)).sum(1)
        assert cosine.min() > np.cos(np.radians(0.5))
        np.testing.assert_array_equal(tangent[:, 3], w)


class TestExceptions:
    def test_names(self):
        with pytest.raises(ValueError, match="names of their own"):
            write_glb([eye("L"), eye("L")])
        with pytest.raises(ValueError, match="names of their own"):
            write_glb([])
        with pytest.raises(ValueError, match="names of their own"):
            write_glb([eye("L")], root="eye_L")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"vertices": np.zeros((5, 2))}, r"vertices must be \(V, 3\), got \(5, 2\)"),
            ({"triangles": np.zeros((5, 4), int)}, r"triangles must be \(T, 3\) integers"),
            ({"triangles": np.full((720, 3), 10**6)}, "must lie in"),
            ({"uv": np.zeros((5, 3))}, r"uv must be \(U, 2\), got \(5, 3\)"),
            ({"uv_triangles": np.zeros((5, 3), int)}, r"uv_triangles must be \(720, 3\)"),
            ({"uv": None, "uv_triangles": None}, "needs uv"),
            ({"normals": np.zeros((5, 3))}, r"normals must be \(362, 3\), got \(5, 3\)"),
            ({"morph_targets": {"a": np.zeros((5, 3))}}, r"'a' must be \(362, 3\)"),
            ({"vertices": np.full((362, 3), np.nan)}, "not finite"),
            ({"pivot": (0.0, 0.0)}, r"pivot must be \(3\)"),
        ],
    )
    def test_shapes(self, change, message):
        with pytest.raises(ValueError, match=message):
            replace(head(), **change)

    def test_no_real_triangle(self):
        mesh = ExportMesh("point", np.zeros((1, 3)), np.zeros((2, 3), int), ExportMaterial("m"))
        with pytest.raises(ValueError, match="none that names three vertices"):
            write_glb([mesh])

    def test_material(self):
        with pytest.raises(ValueError, match="PNG"):
            ExportMaterial("m", base_color=b"jpeg")
        with pytest.raises(ValueError, match="alpha_mode"):
            ExportMaterial("m", alpha_mode="CUTOUT")
        with pytest.raises(ValueError, match=r"base_color_factor must be \(4,\), got \(3,\)"):
            ExportMaterial("m", base_color_factor=(1.0, 1.0, 1.0))
