"""A photo's view: its camera, what it says of the head's angles, and its JSON."""

from __future__ import annotations

import json
import math

import pytest
import torch

from fitme.head.model import HeadModel
from fitme.head.view import FACING_PITCH_DEG, View, head_angles, head_rotation
from fitme.render.camera import Camera, axis_angle_to_matrix
from fitme.report.overlay import turned_camera
from tests.tiny_head import tiny_head

NOSE, CROWN, EAR = ([0.0, 0.0, 0.1], [0.0, 0.1, 0.0], [0.1, 0.0, 0.0])


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return tiny_head()


@pytest.fixture
def view() -> View:
    """A head 0.9 m away, tilted, with a smile and the eyes apart."""
    return View(
        rotation=torch.tensor([[math.pi - 0.1, 0.12, 0.25]]),
        translation=torch.tensor([[0.03, 0.02, 0.9]]),
        focal=torch.tensor([1400.0]),
        width=640,
        height=801,
        expression=torch.tensor([[0.0, 0.25]]),
        gaze=torch.tensor([[[0.1, -0.2], [-0.3, 0.4]]]),
    )


def rolled(degrees: float) -> torch.Tensor:
    """Rotation [3, 3] about the face's direction that tilts a head to the image's right."""
    facing = axis_angle_to_matrix(torch.tensor([math.radians(FACING_PITCH_DEG), 0.0, 0.0]))
    return facing @ axis_angle_to_matrix(torch.tensor([0, 0, -math.radians(degrees)])) @ facing.T


class TestAngles:
    @pytest.mark.parametrize("yaw", [-80.0, -25.0, 0.0, 25.0, 60.0])
    @pytest.mark.parametrize("pitch", [-50.0, 0.0, 20.0])
    def test_a_turned_camera_is_read_back(self, view: View, yaw: float, pitch: float) -> None:
        camera = turned_camera(view.camera(), torch.tensor([0.01, -0.02, 0.03]), yaw, pitch)
        angles = head_angles(camera.world_to_camera[0, :3, :3])
        assert angles == pytest.approx(
            {"yaw_deg": yaw, "pitch_deg": pitch, "roll_deg": 0.0}, abs=1e-4
        )

    @pytest.mark.parametrize("roll", [-120.0, -30.0, 15.0])
    def test_roll_changes_neither_yaw_nor_pitch(self, view: View, roll: float) -> None:
        camera = turned_camera(view.camera(), torch.zeros(3), 35.0, -15.0)
        angles = head_angles(camera.world_to_camera[0, :3, :3] @ rolled(roll))
        assert angles == pytest.approx(
            {"yaw_deg": 35.0, "pitch_deg": -15.0, "roll_deg": roll}, abs=1e-4
        )

    def test_signs_in_the_picture(self, view: View) -> None:
        def moved(camera: Camera, point: list[float]) -> torch.Tensor:
            centre, there = camera.project(torch.tensor([[[0.0, 0.0, 0.0], point]]))[0]
            return there - centre

        whole, centre = view.camera(), torch.zeros(3)
        assert moved(turned_camera(whole, centre, 30.0), NOSE)[0] > 20  # to the right
        assert moved(turned_camera(whole, centre, 0.0, 30.0), NOSE)[1] < -20  # up
        front = turned_camera(whole, centre, 0.0)
        assert moved(front, CROWN)[1] < -100 and moved(front, EAR)[0] > 100
        pose = front.world_to_camera.clone()
        pose[0, :3, :3] = pose[0, :3, :3] @ rolled(20.0)
        assert moved(Camera(front.K, pose, front.height, front.width), CROWN)[0] > 20

    def test_a_facing_head_looks_up_in_its_template(self) -> None:
        ahead = head_rotation(0.0).T @ torch.tensor([0.0, 0.0, -1.0])  # towards the camera
        angle = math.degrees(math.atan2(ahead[1], ahead[2]))
        assert ahead[0] == 0 and angle == pytest.approx(-FACING_PITCH_DEG, abs=1e-4)
        level = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # the template's axes level
        assert head_angles(level)["pitch_deg"] == pytest.approx(-FACING_PITCH_DEG, abs=1e-4)

    def test_the_turn_keeps_the_centre_in_place(self, view: View) -> None:
        whole, centre = view.camera(), torch.tensor([0.02, 0.05, -0.04])
        for yaw, pitch in ((0.0, 0.0), (70.0, -20.0)):
            turned = turned_camera(whole, centre, yaw, pitch)
            torch.testing.assert_close(
                turned.transform(centre[None, None]), whole.transform(centre[None, None])
            )
            rotation = turned.world_to_camera[0, :3, :3]
            torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-6, rtol=0)
            assert float(torch.linalg.det(rotation)) == pytest.approx(1.0, abs=1e-5)


class TestView:
    def test_camera_projects_about_the_middle_of_the_photo(self, view: View) -> None:
        camera = view.camera()
        assert (camera.width, camera.height) == (640, 801)
        points = torch.tensor([[[0.0, 0.0, 0.0], [0.05, -0.08, 0.1], [-0.07, 0.11, -0.02]]])
        x, y, z = (points[0] @ axis_angle_to_matrix(view.rotation)[0].T + view.translation).T
        expected = torch.stack([1400 * x / z + 320, 1400 * y / z + 400.5], -1)
        torch.testing.assert_close(camera.project(points)[0], expected)

    def test_posed_applies_expression_and_gaze(self, view: View, head: HeadModel) -> None:
        identity = torch.tensor([[0.5, -1.0]])
        posed, rest = view.posed(head, identity), head.shape(identity)
        skin = head.part_vertices("head")
        smile = 0.25 * head.expression[1, skin]
        torch.testing.assert_close(posed[0, skin] - rest[0, skin], smile)
        centres = head.eye_centres(rest)
        torch.testing.assert_close(head.eye_centres(posed), centres)
        assert not torch.allclose(posed[:, head.part_vertices("eye_L")],
                                  rest[:, head.part_vertices("eye_L")], atol=1e-4)  # fmt: skip


class TestJson:
    def test_survives_json_and_reproduces_the_view(self, view: View, head: HeadModel) -> None:
        data = json.loads(json.dumps(view.to_dict(head), allow_nan=False))
        assert (data["width"], data["height"]) == (640, 801)
        camera = view.camera()
        assert torch.equal(torch.tensor(data["K"]), camera.K[0])
        assert torch.equal(torch.tensor(data["world_to_camera"]), camera.world_to_camera[0])
        assert data["expression"] == {"jawOpen": 0.0, "smile": 0.25}
        assert data["head_pose"]["distance_m"] == pytest.approx(
            math.dist((0, 0, 0), (0.03, 0.02, 0.9)), rel=1e-5
        )

    def test_eyes_turn_as_the_json_says(self, view: View, head: HeadModel) -> None:
        eyes = view.to_dict(head)["eye_pose"]
        assert eyes["left"]["yaw_deg"] == pytest.approx(math.degrees(-0.2), abs=1e-4)
        assert eyes["right"]["pitch_deg"] == pytest.approx(math.degrees(-0.3), abs=1e-4)
        rest = head.shape(torch.zeros(1, 2))
        posed = view.posed(head, torch.zeros(1, 2))
        centres = head.eye_centres(rest)[0]
        for k, (side, part) in enumerate((("left", "eye_L"), ("right", "eye_R"))):
            index = head.part_vertices(part)
            rotation = torch.tensor(eyes[side]["rotation"])
            turned = (rest[0, index] - centres[k]) @ rotation.T + centres[k]
            torch.testing.assert_close(posed[0, index], turned)
            ahead = rotation @ torch.tensor([0.0, 0.0, 1.0])
            assert float(ahead[0]) == pytest.approx(
                math.sin(math.radians(eyes[side]["yaw_deg"]))
                * math.cos(math.radians(eyes[side]["pitch_deg"])), abs=1e-5
            )  # fmt: skip

    def test_is_read_back(self, view: View, head: HeadModel) -> None:
        again = View.from_dict(json.loads(json.dumps(view.to_dict(head))), head)
        for name in ("translation", "focal", "expression", "gaze"):
            assert torch.equal(getattr(again, name), getattr(view, name)), name
        assert (again.width, again.height) == (view.width, view.height)
        pose = again.camera().world_to_camera
        torch.testing.assert_close(pose, view.camera().world_to_camera, atol=5e-7, rtol=0)

    @pytest.mark.parametrize(
        ("key", "value", "word"),
        [
            ("width", 0, "width"), ("height", "801", "height"), ("width", True, "width"),
            ("width", 1 << 40, "width"), ("K", [[1, 0], [0, 1]], "K has shape"),
            ("K", [[-5, 0, 320], [0, -5, 400.5], [0, 0, 1]], "K is no camera"),
            ("K", [[5, 0, 3], [0, 5, 400.5], [0, 0, 1]], "K is no camera"),
            ("K", [[1e400, 0, 320], [0, 5, 400.5], [0, 0, 1]], "not finite"),
            ("world_to_camera", [[2.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
             "not rigid"),
            ("world_to_camera", [[-1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
             "not rigid"),
            ("world_to_camera", None, "world_to_camera"),
            ("expression", {"jawOpen": 0.5}, "names of the head"),
            ("expression", {"jawOpen": 0.5, "smile": "x"}, "smile"),
            ("expression", [0.5, 0.5], "expression"),
            ("eye_pose", {"left": {}}, "pitch_deg"),
            ("eye_pose", {"left": {"pitch_deg": 10**400, "yaw_deg": 0}}, "pitch_deg"),
        ],
    )  # fmt: skip
    def test_damage_is_named(
        self, view: View, head: HeadModel, key: str, value: object, word: str
    ) -> None:
        with pytest.raises(ValueError, match=word):
            View.from_dict({**view.to_dict(head), key: value}, head)
