"""The contact picture: photo | wire overlay | render | two side views."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.avatar.relight import relit
from fitme.head.view import head_rotation
from fitme.image.photo import Photo
from fitme.render import RenderOutput
from fitme.render.camera import Camera
from fitme.render.light import Light
from fitme.render.picture import BACKDROP, over, to_bytes
from fitme.report.views import folded

GRID = 40  # lines of the atlas across its tile
SIDE_YAW = (-45.0, 45.0)
MARGIN, HAIR_MARGIN = 1.12, 1.3  # side of a window over the bare head's, without and with hair
PANELS = 3 + len(SIDE_YAW)


def turned_camera(camera: Camera, centre: Tensor, yaw: float, pitch: float = 0.0) -> Camera:
    """The camera with the head at absolute yaw and pitch (degrees), no roll, same place.

    The angles are those of `head_rotation`; `centre` [3] is the world point that stays where it is
    in the picture.
    """
    rotation = head_rotation(yaw, pitch).to(centre)
    seen = camera.transform(centre[None, None])[0, 0]
    pose = torch.eye(4).to(centre)
    pose[:3, :3] = rotation
    pose[:3, 3] = seen - rotation @ centre
    return Camera(camera.K, pose[None], camera.height, camera.width)


def head_window(avatar: Avatar, index: int, size: int) -> Camera:
    """A square camera window of `size` pixels around the whole head in photo `index`."""
    margin = HAIR_MARGIN if avatar.hair else MARGIN
    view = avatar.photos[index].view
    camera = view.camera()
    pixels = camera.project(avatar.posed(index))[0]
    low, high = pixels.amin(0), pixels.amax(0)
    side = float((high - low).max()) * margin
    left, top = ((low + high) / 2 - side / 2).tolist()
    matrix = camera.K.clone()
    matrix[:, 0, 2] -= left
    matrix[:, 1, 2] -= top
    matrix[:, :2] *= size / side
    return Camera(matrix, camera.world_to_camera, size, size)


def photo_window(photo: Photo, whole: Camera, window: Camera) -> Tensor:
    """The photo's pixels [size, size, 3] in a window cut from its camera; black outside."""
    scale = float(whole.K[0, 0, 0] / window.K[0, 0, 0])
    left = float(whole.K[0, 0, 2] - window.K[0, 0, 2] * scale)
    top = float(whole.K[0, 1, 2] - window.K[0, 1, 2] * scale)
    side = round(window.width * scale)
    return photo.crop(round(left), round(top), side, side, (window.width, window.height)).pixels


def wire(out: RenderOutput, photo: Tensor) -> Tensor:
    """The photo [H, W, 3] with the lines of the head's atlas drawn over it."""
    grid = out.uv[0] * GRID
    cell = torch.floor(grid).long()
    index = (cell[..., 0] * 1000 + cell[..., 1]) * 10 + out.part[0]
    edge = torch.zeros_like(index, dtype=torch.bool)
    edge[:, 1:] |= index[:, 1:] != index[:, :-1]
    edge[1:] |= index[1:] != index[:-1]
    colour = photo.new_tensor([0.05, 0.9, 0.25])
    strength = edge.float()[..., None] * 0.7
    return photo * (1 - strength) + colour * strength


def overlay_picture(avatar: Avatar, photo: Photo, index: int = 0, size: int = 512) -> np.ndarray:
    """photo | wire overlay | render | two side views, uint8 [size, 5 * size, 3]."""
    seen = avatar.photos[index]
    posed = avatar.posed(index)
    avatar = folded(avatar, posed)
    window = head_window(avatar, index, size)
    pixels = photo_window(photo, seen.view.camera(), window)
    out = avatar.render(window, seen.light, posed)
    centre = 0.5 * (posed[0].amin(0) + posed[0].amax(0))
    panels = [pixels, wire(out, pixels), over(out, pixels)]
    for yaw in SIDE_YAW:
        camera = turned_camera(window, centre, yaw)
        panels.append(over(relit(avatar, camera, posed, Light.preset("studio")), BACKDROP))
    return np.concatenate([to_bytes(F.relu(panel)) for panel in panels], axis=1)
