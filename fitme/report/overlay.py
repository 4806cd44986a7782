"""The contact picture: photo | wire overlay | render | two side views."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.avatar import Avatar
from fitme.camera import Camera, axis_angle_to_matrix
from fitme.color import linear_to_srgb
from fitme.light import Light
from fitme.photo import Photo
from fitme.render import RenderOutput

GRID = 40  # lines of the atlas across its tile
SIDE_YAW = (-45.0, 45.0)
BACKDROP = 0.18  # linear grey


def to_bytes(linear: Tensor) -> np.ndarray:
    """Linear RGB [H, W, 3] as display-encoded uint8."""
    return (linear_to_srgb(linear.clamp(0, 1)) * 255 + 0.5).to(torch.uint8).cpu().numpy()


def render_rgba(out: RenderOutput) -> np.ndarray:
    """A render [1, H, W] over nothing as straight-alpha RGBA uint8 [H, W, 4]."""
    alpha = out.alpha[0].clamp(0, 1)
    colour = to_bytes(out.color[0] / alpha.clamp_min(1e-4))
    return np.concatenate([colour, (alpha * 255 + 0.5).to(torch.uint8).cpu().numpy()], axis=-1)


def turned_camera(camera: Camera, centre: Tensor, yaw: float, pitch: float = 0.0) -> Camera:
    """The camera with the head at absolute yaw and pitch (degrees), no roll, same place.

    0, 0 faces the camera; positive yaw turns the nose to the image's right, positive pitch
    lifts it. `centre` [3] is the world point that stays where it is in the picture.
    """
    radians = [math.radians(a) for a in (yaw, pitch)]
    upright = centre.new_tensor([[1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]])
    about_y = axis_angle_to_matrix(centre.new_tensor([[0.0, radians[0], 0.0]]))[0]
    about_x = axis_angle_to_matrix(centre.new_tensor([[-radians[1], 0.0, 0.0]]))[0]
    rotation = upright @ about_y @ about_x
    seen = camera.transform(centre[None, None])[0, 0]
    pose = torch.eye(4).to(centre)
    pose[:3, :3] = rotation
    pose[:3, 3] = seen - rotation @ centre
    return Camera(camera.K, pose[None], camera.height, camera.width)


def head_window(avatar: Avatar, index: int, size: int, margin: float = 1.12) -> Camera:
    """A square camera window of `size` pixels around the whole head in photo `index`."""
    view = avatar.photos[index].view
    camera = view.camera()
    vertices = view.posed(avatar.head, avatar.identity)
    pixels = camera.project(vertices)[0]
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
    posed = seen.view.posed(avatar.head, avatar.identity)
    window = head_window(avatar, index, size)
    pixels = photo_window(photo, seen.view.camera(), window)
    out = avatar.render(window, seen.light, posed)
    over = out.color[0] + (1 - out.alpha[0]) * pixels
    centre = 0.5 * (posed[0].amin(0) + posed[0].amax(0))
    panels = [pixels, wire(out, pixels), over]
    for yaw in SIDE_YAW:
        side = avatar.render(turned_camera(window, centre, yaw), side_light(yaw), posed)
        panels.append(side.color[0] + (1 - side.alpha[0]) * BACKDROP)
    return np.concatenate([to_bytes(F.relu(panel)) for panel in panels], axis=1)


def side_light(yaw: float) -> Light:
    """The studio light, turned with the camera so that it still comes from the front."""
    return Light.preset("studio").rotated(
        axis_angle_to_matrix(torch.tensor([[0.0, -math.radians(yaw), 0.0]]))[0]
    )
