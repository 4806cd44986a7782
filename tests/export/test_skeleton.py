"""Skeletons: what joints do to the mesh, names, and what independent readers say of the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from fitme.errors import InputError
from fitme.export.anatomy import jaw_rotation
from fitme.export.bust import bust_mesh
from fitme.export.dense import dense_mesh
from fitme.export.figure import Figure
from fitme.export.hair import dressed
from fitme.export.joints import ROLES
from fitme.export.part_mesh import part_mesh
from fitme.export.presets import ExportOptions, export_files
from fitme.export.skeletons import SKELETONS, make_skeleton
from fitme.hair import PRESETS, BeardStyle, Hair
from fitme.head.parts import Role
from tests.export.external import load_in_three, validate
from tests.export.glb_reader import Glb
from tests.small_avatar import small_avatar

JAW, CHEST, HEAD = (ROLES.index(role) for role in ("jaw", "chest", "head"))


@pytest.fixture(scope="module")
def figure() -> Figure:
    return Figure(small_avatar().geometry, "plain", True)


def turned(points, weights, skeleton, turns):
    """Linear blend skinning of points [V,3] by weights [V,6]: turns are rotations by role."""
    matrices = {}
    for joint in skeleton.joints:
        place, axes = skeleton.local(joint)
        role = next((r for r, n in skeleton.roles.items() if n == joint.name), None)
        local = np.eye(4)
        local[:3, :3] = axes @ turns.get(role, np.eye(3))
        local[:3, 3] = place
        matrices[joint.name] = matrices.get(joint.parent, np.eye(4)) @ local
    binds = dict(zip(skeleton.names, skeleton.inverse_binds(), strict=True))
    moving = np.stack([matrices[skeleton.roles[r]] @ binds[skeleton.roles[r]] for r in ROLES])
    blended = np.einsum("vr,rij->vij", weights, moving)
    return np.einsum("vij,vj->vi", blended[:, :3, :3], points) + blended[:, :3, 3]


class TestWeights:
    def test_sum_to_one(self, figure: Figure) -> None:
        np.testing.assert_allclose(figure.weights.sum(1), 1)
        assert figure.weights.min() >= 0

    def test_jaw_opens_as_the_shape_does(self, figure: Figure) -> None:
        geometry = figure.geometry
        head = geometry.head
        rest = geometry.vertices()[0].double().numpy()
        offsets = geometry.expression_offsets()[head.expression_index("jawOpen")].double().numpy()
        jaw = {"jaw": jaw_rotation(figure.joints.jaw_degrees)}
        moved = turned(rest, figure.weights, figure.skeleton, jaw)
        error = np.linalg.norm(moved - rest - offsets, axis=1)
        teeth = head.part_vertices(head.parts_with(Role.TEETH)[0].name).numpy()
        skin = head.part_vertices(head.skin.name).numpy()
        assert 15 < figure.joints.jaw_degrees < 35
        # of 4 cm: the shape is the mean head's, whose teeth are not this person's
        assert error[teeth].max() < 2e-3
        assert np.sqrt((error[skin] ** 2).mean()) < 0.25 * np.sqrt(
            (offsets[skin] ** 2).sum(1).mean()
        )

    def test_edge_of_the_neck_stays(self, figure: Figure) -> None:
        np.testing.assert_allclose(figure.weights[figure.joints.rim, CHEST], 1)

    def test_eyes_turn_about_their_centres(self, figure: Figure) -> None:
        head = figure.geometry.head
        rest = figure.geometry.vertices()[0].double().numpy()
        left = next(part for part in head.parts_with(Role.EYE) if part.side == 0)
        index = head.part_vertices(left.name).numpy()
        turn = Rotation.from_euler("y", 25, degrees=True).as_matrix()
        moved = turned(rest, figure.weights, figure.skeleton, {"left_eye": turn})
        centre = figure.joints.eyes[0]
        np.testing.assert_allclose(
            np.linalg.norm(moved[index] - centre, axis=1),
            np.linalg.norm(rest[index] - centre, axis=1), atol=1e-6,
        )  # fmt: skip
        assert np.abs(moved[index] - rest[index]).max() > 3e-3
        others = np.setdiff1d(np.arange(len(rest)), index)
        np.testing.assert_allclose(moved[others], rest[others], atol=1e-9)

    def test_skin_bends_without_a_tear(self, figure: Figure) -> None:
        """Neck and head turned: no edge of the skin becomes three times as long."""
        head = figure.geometry.head
        rest = figure.geometry.vertices()[0].double().numpy()
        pose = {
            "neck": Rotation.from_euler("yx", [25, 10], degrees=True).as_matrix(),
            "head": Rotation.from_euler("y", 30, degrees=True).as_matrix(),
        }
        moved = turned(rest, figure.weights, figure.skeleton, pose)
        triangles = head.part_triangles(head.skin.name).numpy()
        ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]])
        before, after = (np.linalg.norm(np.diff(v[ends], axis=1), axis=-1) for v in (rest, moved))
        assert (after / before.clip(1e-5)).max() < 3

    def test_dense_mesh_keeps_weights(self, figure: Figure) -> None:
        geometry, skin = figure.geometry, figure.geometry.head.skin
        from fitme.export.bundle import export_material

        material = export_material(skin, small_avatar().materials[skin.index])
        mesh = part_mesh(geometry, skin, material, joint_weights=figure.weights)
        fine = dense_mesh(mesh, np.zeros((8, 8)), rounds=1)
        assert fine.joint_weights is not None
        np.testing.assert_allclose(fine.joint_weights.sum(1), 1)


class TestBust:
    def test_covers_the_edge_of_the_neck_in_any_pose(self, figure: Figure) -> None:
        """The edge lies inside the collar by less than a centimetre, turned too."""
        rest = figure.geometry.vertices()[0].double().numpy()
        (bust,) = figure.more(0)
        pose = {
            "neck": Rotation.from_euler("yx", [30, 20], degrees=True).as_matrix(),
            "head": Rotation.from_euler("yz", [30, 15], degrees=True).as_matrix(),
        }
        for turns in ({}, pose):
            skin = turned(rest, figure.weights, figure.skeleton, turns)[figure.joints.rim]
            cloth = turned(bust.vertices, bust.joint_weights, figure.skeleton, turns)
            ring = cloth[6 * 128 : 7 * 128]  # the collar's outer lower edge
            distance, near = cKDTree(ring).query(skin)
            assert distance.max() < 0.01
            middle = skin.mean(0)
            outer = np.linalg.norm((ring[near] - middle)[:, [0, 2]], axis=1)
            assert (outer > np.linalg.norm((skin - middle)[:, [0, 2]], axis=1)).all()

    @pytest.mark.parametrize("level", [0, 1, 2])
    def test_closed_below_and_faces_outwards(self, figure: Figure, level: int) -> None:
        rest = figure.geometry.vertices()[0].double().numpy()
        bust = bust_mesh(rest, figure.joints.rim, figure._around, level)
        a, b, c = (bust.vertices[bust.triangles[:, k]] for k in range(3))
        edges = np.sort(np.concatenate([bust.triangles[:, [0, 1]], bust.triangles[:, [1, 2]],
                                        bust.triangles[:, [2, 0]]]), 1)  # fmt: skip
        _, counts = np.unique(edges, axis=0, return_counts=True)
        assert (counts == 1).sum() == {0: 128, 1: 88, 2: 56}[
            level
        ]  # the inner edge of the collar alone
        volume = (a * np.cross(b, c)).sum() / 6
        assert volume > 0.005


class TestHair:
    def test_follows_the_head_and_a_beard_the_jaw(self, figure: Figure) -> None:
        avatar = replace(small_avatar(), hair=Hair(PRESETS["crop"], beard=BeardStyle(), seed=1))
        made = {item.cards.name: figure.hair_weights(item.cards) for item in dressed(avatar, 2)}
        for weights in made.values():
            np.testing.assert_allclose(weights.sum(1), 1)
        assert made["hair"][:, JAW].max() == 0 and made["hair"][:, HEAD].mean() > 0.9
        assert made["beard"][:, JAW].max() > 0.9

    def test_space_below_the_collar_stays(self, figure: Figure) -> None:
        low = np.array([[0.05, -0.25, 0.05], [0.0, -0.3, -0.1]])
        assert figure._around.at(low)[:, CHEST].min() > 0.9


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The GLB with each skeleton."""
    return {
        name: export_files(small_avatar(), ExportOptions("gltf", (2,), skeleton=name, bust=True))[
            "avatar_lod2.glb"
        ]
        for name in SKELETONS
        if name != "none"
    }


class TestFiles:
    @pytest.mark.parametrize("name", SKELETONS[1:])
    def test_valid(self, files: dict[str, bytes], name: str, tmp_path: Path) -> None:
        (tmp_path / "me.glb").write_bytes(files[name])
        issues = validate(tmp_path / "me.glb")["issues"]
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]

    @pytest.mark.parametrize("name", SKELETONS[1:])
    def test_rest_pose_is_the_mesh(self, files: dict[str, bytes], name: str) -> None:
        """Nodes of the joints, one upon the other, undo the inverse bind matrices."""
        glb = Glb(files[name])
        nodes, (skin,) = glb.json["nodes"], glb.json["skins"]
        binds = glb.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
        parents = {child: k for k, node in enumerate(nodes) for child in node.get("children", ())}
        for joint, bind in zip(skin["joints"], binds, strict=True):
            world, at = np.eye(4), joint
            while at is not None:
                local = np.eye(4)
                turn = nodes[at].get("rotation", [0, 0, 0, 1])
                local[:3, :3] = Rotation.from_quat(turn).as_matrix()
                local[:3, 3] = nodes[at].get("translation", [0, 0, 0])
                world, at = local @ world, parents.get(at)
            np.testing.assert_allclose(world @ bind, np.eye(4), atol=1e-6)

    @pytest.mark.parametrize(
        ("name", "joints", "meshes"),
        [
            ("plain", {"root", "neck", "head", "jaw", "leftEye", "rightEye"}, {"head_mesh"}),
            ("mixamo", {"Hips", "Spine", "Spine1", "Spine2", "Neck", "Head", "LeftEye"}, {"head"}),
            ("unreal", {"root", "pelvis", "spine_01", "neck_01", "head"}, {"head_mesh", "bust"}),
            ("rpm", {"LeftHandPinky3", "RightToeBase"}, {"Wolf3D_Head", "Wolf3D_Teeth"}),
            ("vrm", {"leftUpperArm", "rightFoot", "leftThumbMetacarpal"}, {"head_mesh"}),
        ],
    )
    def test_names(
        self, files: dict[str, bytes], name: str, joints: set[str], meshes: set[str]
    ) -> None:
        data = Glb(files[name]).json
        called = [node["name"] for node in data["nodes"]]
        assert len(set(called)) == len(called)
        own = {data["nodes"][k]["name"] for k in data["skins"][0]["joints"]}
        assert joints <= own and meshes <= set(called) - own
        standing = name != "plain"
        top = max(Glb(files[name]).attribute("POSITION")[:, 1])
        assert (1.6 < top < 1.9) == standing

    def test_three_keeps_names_and_shapes(self, files: dict[str, bytes], tmp_path: Path) -> None:
        (tmp_path / "me.glb").write_bytes(files["rpm"])
        meshes = load_in_three(tmp_path / "me.glb")["meshes"]
        assert {"Wolf3D_Head", "EyeLeft", "Wolf3D_Outfit_Top"} <= set(meshes)
        assert "skinWeight" in meshes["Wolf3D_Head"]["attributes"]
        assert "jawOpen" in meshes["Wolf3D_Head"]["targets"]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (ExportOptions(skeleton="biped"), "plain, mixamo"),
            (ExportOptions("obj", skeleton="plain"), "leave --skeleton out"),
        ],
    )
    def test_refused(self, options: ExportOptions, words: str) -> None:
        with pytest.raises(InputError, match=words):
            options.engine()

    def test_along_the_bones_as_mixamo_has_them(self, figure: Figure) -> None:
        """The next joint of an arm or leg lies on the +Y axis of the one before."""
        skeleton = make_skeleton("rpm", figure.joints)
        for name in ("LeftForeArm", "RightHand", "LeftLeg"):
            place, _ = skeleton.local(skeleton.joint(name))
            assert place[1] > 0.2 and np.abs(place[[0, 2]]).max() < 0.03
