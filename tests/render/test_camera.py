"""fitme.render.camera: smoke, exception, feature, gradcheck."""

import math

import pytest
import torch

from fitme.render.camera import (
    Camera,
    axis_angle_to_matrix,
    focal_from_fov,
    intrinsics,
    look_at,
    matrix_to_axis_angle,
    perspective,
)

EYE = torch.tensor([[0.1, 0.2, 0.7], [-0.3, 0.0, 0.5]])
POINTS = torch.tensor([[0.02, 0.05, 0.03], [-0.04, -0.01, 0.08], [0.0, 0.0, 0.0]]).expand(2, 3, 3)


def camera() -> Camera:
    return perspective(EYE, torch.zeros(1, 3), 30.0, 120, 160)


class TestFeature:
    def test_target_projects_to_the_centre_and_up_is_up(self) -> None:
        pixels = camera().project(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.01, 0.0]]).expand(2, 2, 3))
        assert torch.allclose(pixels[:, 0], torch.tensor([80.0, 60.0]), atol=1e-3)
        assert (pixels[:, 1, 1] < pixels[:, 0, 1]).all()  # +Y is towards row 0

    def test_x_is_to_the_right_of_a_frontal_camera(self) -> None:
        front = perspective(torch.tensor([[0.0, 0.0, 1.0]]), torch.zeros(1, 3), 30.0, 100, 100)
        assert front.project(torch.tensor([[[0.05, 0.0, 0.0]]]))[0, 0, 0] > 50

    def test_position_inverts_the_pose(self) -> None:
        assert torch.allclose(camera().position, EYE, atol=1e-6)

    def test_clip_agrees_with_pixels(self) -> None:
        clip = camera().to_clip(POINTS)
        ndc = clip[..., :2] / clip[..., 3:]
        pixels = (ndc * 0.5 + 0.5) * torch.tensor([160.0, 120.0])
        assert torch.allclose(pixels, camera().project(POINTS), atol=1e-3)
        assert torch.allclose(clip[..., 3], camera().transform(POINTS)[..., 2], atol=1e-6)

    def test_clip_depth_range(self) -> None:
        cam = Camera(intrinsics(100.0, 10, 10), torch.eye(4)[None], 10, 10)
        clip = cam.to_clip(torch.tensor([[[0.0, 0.0, 0.1], [0.0, 0.0, 9.0]]]), near=0.1, far=9.0)
        assert torch.allclose(clip[0, :, 2] / clip[0, :, 3], torch.tensor([-1.0, 1.0]), atol=1e-5)

    def test_resized_and_cropped(self) -> None:
        cam = camera()
        pixels = cam.project(POINTS)
        assert torch.allclose(cam.resized(240, 320).project(POINTS), 2 * pixels, atol=1e-3)
        moved = cam.cropped(10, 20, 50, 40)
        assert (moved.height, moved.width) == (40, 50)
        assert torch.allclose(moved.project(POINTS), pixels - torch.tensor([10.0, 20.0]), atol=1e-3)

    def test_focal_from_fov(self) -> None:
        assert focal_from_fov(90.0, 200) == pytest.approx(100.0)

    def test_rotations(self) -> None:
        quarter = axis_angle_to_matrix(torch.tensor([0.0, 0.0, math.pi / 2]))
        assert torch.allclose(
            quarter @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6
        )
        rotation = axis_angle_to_matrix(
            torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
        )
        assert torch.allclose(rotation @ rotation.mT, torch.eye(3), atol=1e-5)
        assert torch.allclose(torch.linalg.det(rotation), torch.ones(5), atol=1e-5)


class TestException:
    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"K: wanted \[B,3,3\], got \[3, 3\]"):
            Camera(torch.eye(3), torch.eye(4)[None], 4, 4)
        with pytest.raises(ValueError, match="image size"):
            Camera(torch.eye(3)[None], torch.eye(4)[None], 0, 4)


class TestGradcheck:
    @pytest.mark.parametrize("angle", [0.0, 1e-6, 1e-3, 1.0, 3.0, math.pi - 1e-4, math.pi])
    def test_axis_angle_of_a_matrix(self, angle: float) -> None:
        axes = torch.nn.functional.normalize(
            torch.tensor([[1.0, 0, 0], [0, -1.0, 0], [0, 0, 1.0], [1.0, -2.0, 0.5]]), dim=-1
        )
        matrix = axis_angle_to_matrix(angle * axes)
        vector = matrix_to_axis_angle(matrix)
        torch.testing.assert_close(axis_angle_to_matrix(vector), matrix, atol=1e-6, rtol=0)
        length = vector.norm(dim=-1)
        torch.testing.assert_close(length, torch.full((4,), angle), atol=1e-6, rtol=0)

    def test_axis_angle_at_and_near_the_identity(self) -> None:
        for scale in (0.0, 1e-9, 1e-3, 0.0099, 0.0101, 1.0):
            vector = (torch.tensor([0.3, -0.5, 0.8]).double() * scale).requires_grad_()
            assert torch.autograd.gradcheck(axis_angle_to_matrix, (vector,))
        small = axis_angle_to_matrix(torch.tensor([1e-3, 0.0, 0.0], dtype=torch.float64))
        assert small[2, 1].item() == pytest.approx(math.sin(1e-3), abs=1e-15)

    def test_projection(self) -> None:
        K = intrinsics(torch.tensor([150.0]).double(), 120, 160).requires_grad_()
        pose = look_at(EYE[:1].double(), torch.zeros(1, 3).double()).requires_grad_()
        points = POINTS[:1].double().clone().requires_grad_()

        def run(k, p, x):
            cam = Camera(k, p, 120, 160)
            return cam.project(x), cam.to_clip(x), cam.position

        assert torch.autograd.gradcheck(run, (K, pose, points))
