"""How one photo sees the head: pose, camera, expression and gaze."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel, gaze_rotation
from fitme.render.camera import Camera, axis_angle_to_matrix, matrix_to_axis_angle, rigid
from fitme.runtime.input_files import mapping, number, numbers

FACING_PITCH_DEG = -6.5
"""Pitch of the template's own axes at which a person faces the camera.

The template looks up: the median pitch of its +Z axis over fits of 23 photos, most of people who
face the camera, is -6.7 degrees. Every angle of a head that a user sees or gives is relative to
this one; the numbers in cameras and meshes are not touched by it.
"""

_SIDES, _GAZE = ("left", "right"), ("pitch", "yaw")
MAX_PHOTO_SIDE = 1 << 16  # pixels


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

    def posed(self, head: HeadModel, identity: Tensor) -> Tensor:
        """Vertices [1, V, 3] of an identity [1, K] with this view's expression and gaze."""
        return Geometry(head, identity).vertices(self.expression, self.gaze)

    def to_dict(self, head: HeadModel) -> dict[str, Any]:
        """JSON-ready camera, head pose, expression and eye pose for `fit.json`."""
        camera = self.camera()
        weights = self.expression[0].tolist()
        pose = camera.world_to_camera[0]
        eyes = {
            side: {
                "pitch_deg": math.degrees(self.gaze[0, k, 0]),
                "yaw_deg": math.degrees(self.gaze[0, k, 1]),
                "rotation": gaze_rotation(self.gaze[:, k])[0].tolist(),
            }
            for k, side in enumerate(_SIDES)
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

    @staticmethod
    def from_dict(data: Mapping[str, Any], head: HeadModel) -> View:
        """The inverse of `to_dict`. Raises ValueError naming what is missing or cannot be."""
        sides = [data.get(name) for name in ("width", "height")]
        if not all(type(n) is int and 0 < n <= MAX_PHOTO_SIDE for n in sides):
            raise ValueError(f"width and height are {sides}, which is no size of a photo")
        width, height = (int(n) for n in sides if n is not None)
        K, pose = numbers(data, "K", (3, 3)), numbers(data, "world_to_camera", (4, 4))
        focal, rotation = K[0, 0], pose[:3, :3]
        middle = focal.new_tensor([width / 2, height / 2])
        wanted = torch.zeros(3, 3).index_put_((torch.arange(2), torch.arange(2)), focal)
        wanted[:2, 2], wanted[2, 2] = middle, 1.0
        if focal <= 0 or not torch.allclose(K, wanted, atol=1e-2):
            raise ValueError("K is no camera about the middle of the photo")
        rigid_error = (rotation @ rotation.T - torch.eye(3)).abs().max()
        if rigid_error > 1e-3 or torch.linalg.det(rotation) < 0:
            raise ValueError("world_to_camera is not rigid")
        weights, eyes = mapping(data, "expression"), mapping(data, "eye_pose")
        if set(weights) != set(head.expression_names):
            raise ValueError("expression does not have the names of the head model")
        gaze = [
            [math.radians(number(mapping(eyes, side), f"{axis}_deg")) for axis in _GAZE]
            for side in _SIDES
        ]
        return View(
            rotation=matrix_to_axis_angle(rotation)[None],
            translation=pose[None, :3, 3],
            focal=focal[None],
            width=width,
            height=height,
            expression=torch.tensor([[number(weights, n) for n in head.expression_names]]),
            gaze=torch.tensor([gaze]),
        )


def head_rotation(yaw: float, pitch: float = 0.0) -> Tensor:
    """World-to-camera rotation [3, 3] of an upright head at absolute angles in degrees.

    0, 0 is a person who faces the camera; positive yaw turns the nose to the image's right,
    positive pitch lifts it. The inverse of `head_angles`.
    """
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    turn = torch.tensor([[0.0, math.radians(yaw), 0.0]])
    lift = torch.tensor([[-math.radians(pitch + FACING_PITCH_DEG), 0.0, 0.0]])
    return upright @ axis_angle_to_matrix(turn)[0] @ axis_angle_to_matrix(lift)[0]


def head_angles(rotation: Tensor) -> dict[str, float]:
    """Yaw, pitch and roll of the head in degrees from a world-to-camera rotation [3, 3].

    0, 0, 0 faces the camera upright; positive yaw turns the nose to the image's right, positive
    pitch lifts it, positive roll tilts the top of the head to the image's right. Yaw and pitch
    are those of the face's direction, `FACING_PITCH_DEG` off the template's +Z; roll is about it,
    0 where the line through the ears is level.
    """
    facing = rotation.new_tensor([math.radians(FACING_PITCH_DEG), 0.0, 0.0])
    side, top, nose = (rotation @ axis_angle_to_matrix(facing)).unbind(1)
    yaw = torch.atan2(nose[0], -nose[2])
    pitch = torch.atan2(-nose[1], nose[[0, 2]].norm())
    roll = torch.atan2(side[1], -top[1])
    names = ("yaw_deg", "pitch_deg", "roll_deg")
    return {n: float(torch.rad2deg(v)) for n, v in zip(names, (yaw, pitch, roll), strict=True)}
