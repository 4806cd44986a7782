"""Random views: from a selfie at arm's length to a portrait lens across the room."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fitme.head.view import head_rotation
from fitme.models.encoder.starts import FACE_MIDDLE
from fitme.render.camera import Camera, axis_angle_to_matrix, intrinsics, rigid

NEAREST, FARTHEST = 0.28, 3.0  # metres from the lens to the middle of the head
HEAD_HEIGHT = 0.19  # metres, chin to hairline of the mean head: sets the scale of a crop
CROP = 2.5  # heights of the face across a synthetic photo; training cuts 0.8 of it
SCALES = (0.85, 1.25)
ASIDE = 0.10  # of the crop: how far the face lies from its middle, standard deviation
OFF_AXIS = 16.0  # degrees from the lens' axis, at most


@dataclass(frozen=True)
class SeenFrom:
    """A square crop out of a photo."""

    camera: Camera  # of the crop
    yaw: float  # degrees
    pitch: float
    roll: float
    distance: float  # metres


def draw_view(vertices: Tensor, rng: np.random.Generator, size: int) -> SeenFrom:
    """A view of a head [V,3] in a crop of `size` pixels."""
    frontal = rng.random()
    yaw = rng.normal(0, 16) if frontal < 0.72 else rng.uniform(-80, 80)
    pitch = rng.normal(0, 9) if frontal < 0.9 else rng.uniform(-32, 32)
    roll = rng.normal(0, 7) if rng.random() < 0.85 else rng.uniform(-40, 40)
    distance = math.exp(rng.uniform(math.log(NEAREST), math.log(FARTHEST)))
    aside, around = rng.uniform(0, OFF_AXIS), rng.uniform(0, 2 * math.pi)
    if distance > 1.0:
        aside *= 0.6
    tangent = math.tan(math.radians(aside))
    axis = np.array([tangent * math.cos(around), tangent * math.sin(around), 1.0])
    centre = _middle(vertices)
    turned = torch.tensor([0.0, 0.0, math.radians(roll)])
    rotation = axis_angle_to_matrix(turned) @ head_rotation(float(yaw), float(pitch))
    place = torch.from_numpy(axis * distance / np.linalg.norm(axis)).float()
    translation = place - rotation @ centre
    span = HEAD_HEIGHT * CROP / rng.uniform(*SCALES)  # metres across the crop at the head's depth
    focal = size * float(place[2]) / span
    wanted = np.array([size / 2, size / 2]) + rng.normal(0, ASIDE, 2).clip(-0.2, 0.2) * size
    lens = intrinsics(focal, size, size)
    seen = focal * place[:2] / place[2]
    lens[0, 0, 2], lens[0, 1, 2] = (float(w - s) for w, s in zip(wanted, seen, strict=True))
    camera = Camera(lens, rigid(rotation[None], translation[None]), size, size)
    return SeenFrom(camera, float(yaw), float(pitch), float(roll), distance)


def _middle(vertices: Tensor) -> Tensor:
    """[3], between chin and hairline in depth and height, whatever the neck does."""
    return vertices.new_tensor([float(vertices[:, 0].mean()), *FACE_MIDDLE[1:]])
