"""How one photo sees the head: pose, camera, expression and gaze."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fitme.camera import Camera, axis_angle_to_matrix, rigid
from fitme.head import HeadModel, gaze_rotation


@dataclass(frozen=True)
class View:
    """How one photo sees the head. The world is the head's own frame, in metres."""

    rotation: Tensor  # [1, 3] axis-angle, world to camera
    translation: Tensor  # [1, 3] metres
    focal: Tensor  # [1] photo pixels
    width: int
    height: int
    expression: Tensor  # [1, E] in 0..1
    gaze: Tensor  # [1, 2, 2] pitch and yaw of the left and right eye, radians

    def camera(self) -> Camera:
        """The camera of the whole photo; its principal point is the photo's centre."""
        zero = torch.zeros_like(self.focal)
        one = torch.ones_like(self.focal)
        rows = [
            self.focal, zero, one * self.width / 2,
            zero, self.focal, one * self.height / 2,
            zero, zero, one,
        ]  # fmt: skip
        matrix = torch.stack(rows, -1).reshape(-1, 3, 3)
        pose = rigid(axis_angle_to_matrix(self.rotation), self.translation)
        return Camera(matrix, pose, self.height, self.width)

    def detached(self) -> View:
        """The same view without gradients."""
        free: dict[str, Any] = {
            k: v.detach() for k, v in vars(self).items() if isinstance(v, Tensor)
        }
        return replace(self, **free)

    def posed(self, head: HeadModel, identity: Tensor) -> Tensor:
        """Vertices [1, V, 3] of an identity [1, K] with this view's expression and gaze."""
        return head.pose(head.shape(identity, self.expression), gaze=self.gaze)

    def to_dict(self, head: HeadModel) -> dict[str, Any]:
        """JSON-ready camera, head pose, expression and eye pose for `fit.json`."""
        camera = self.camera()
        weights = self.expression[0].tolist()
        pose = camera.world_to_camera[0]
        eyes = {
            side: {
                "pitch_deg": float(torch.rad2deg(self.gaze[0, k, 0])),
                "yaw_deg": float(torch.rad2deg(self.gaze[0, k, 1])),
                "rotation": gaze_rotation(self.gaze[:, k])[0].tolist(),
            }
            for k, side in enumerate(("left", "right"))
        }
        return {
            "width": self.width,
            "height": self.height,
            "K": camera.K[0].tolist(),
            "world_to_camera": pose.tolist(),
            "expression": dict(zip(head.expression_names, weights, strict=True)),
            "head_pose": head_angles(pose[:3, :3]) | {"distance_m": float(pose[:3, 3].norm())},
            "eye_pose": eyes,
        }


def head_angles(rotation: Tensor) -> dict[str, float]:
    """Yaw, pitch and roll of the head in degrees from a world-to-camera rotation [3, 3].

    0, 0, 0 faces the camera upright; positive yaw turns the nose to the image's right, positive
    pitch lifts it, positive roll tilts the top of the head to the image's right. Yaw and pitch
    are those of the nose; roll is about it, 0 where the line through the ears is level.
    """
    side, top, nose = rotation.unbind(1)
    yaw = torch.atan2(nose[0], -nose[2])
    pitch = torch.atan2(-nose[1], nose[[0, 2]].norm())
    roll = torch.atan2(side[1], -top[1])
    names = ("yaw_deg", "pitch_deg", "roll_deg")
    return {n: float(torch.rad2deg(v)) for n, v in zip(names, (yaw, pitch, roll), strict=True)}
