"""Landmarks with exact truth: a head that a known camera sees, anywhere in its picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.fit.align import Aligned
from fitme.head.model import HeadModel
from fitme.head.view import View, head_rotation
from fitme.landmarks.face import FaceLandmarks
from fitme.render.camera import axis_angle_to_matrix, matrix_to_axis_angle

FACE = torch.tensor([0.0, 0.0034, 0.0974])  # middle of the mean head's landmarks, metres


@dataclass(frozen=True)
class Shot:
    """A face in a picture: where, how far, through which lens, and what was cut out of it."""

    width: int
    height: int
    focal: float  # pixels
    at: tuple[float, float]  # pixels, of the middle of the face
    distance: float  # metres
    box: tuple[int, int, int, int] | None = None  # left, top, right, bottom of what was kept

    @property
    def size(self) -> tuple[int, int]:
        if self.box is None:
            return self.width, self.height
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    @property
    def ray(self) -> Tensor:
        """Direction [3] of the face from the camera."""
        x, y = self.at[0] - self.width / 2, self.at[1] - self.height / 2
        ray = torch.tensor([x / self.focal, y / self.focal, 1.0])
        return ray / ray.norm()

    def view(self, head: HeadModel, yaw: float = 0.0, pitch: float = 0.0) -> View:
        """The whole picture's view of a head turned by so many degrees away from the camera."""
        rotation = along(self.ray) @ head_rotation(yaw, pitch)
        place = self.ray * self.distance - rotation @ FACE
        return View(
            matrix_to_axis_angle(rotation)[None].float(), place[None], torch.tensor([self.focal]),
            self.width, self.height, torch.zeros(1, len(head.expression_names)),
            torch.zeros(1, 2, 2),
        )  # fmt: skip

    def face(
        self, head: HeadModel, identity: Tensor, yaw: float = 0.0, pitch: float = 0.0
    ) -> FaceLandmarks:
        """The landmarks in pixels of what was kept."""
        view = self.view(head, yaw, pitch)
        points = view.camera().project(head.landmarks(view.posed(head, identity)))[0]
        return FaceLandmarks(points - torch.tensor(self.box[:2] if self.box else (0, 0)))


def along(ray: Tensor) -> Tensor:
    """Rotation [3, 3] of an upright camera that looks along a direction [3]."""
    x = torch.nn.functional.normalize(torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), ray), dim=0)
    return torch.stack([x, torch.linalg.cross(ray, x), ray], 1)


def degrees_between(one: Tensor, other: Tensor) -> float:
    """Angle of the rotation [3, 3] between two."""
    cosine = (float((one.T @ other).trace()) - 1) / 2
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def turn_error(found: Aligned, wanted: View) -> float:
    """Degrees between the head's rotations, each relative to the ray to its face.

    A part cut out of a picture is seen along another ray, so only this can be compared there.
    """
    local = []
    for view in (found.view, wanted):
        rotation = axis_angle_to_matrix(view.rotation)[0]
        ray = torch.nn.functional.normalize(view.translation[0] + rotation @ FACE, dim=0)
        local.append(along(ray).T @ rotation)
    return degrees_between(*local)
