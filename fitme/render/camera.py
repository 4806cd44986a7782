"""Pinhole cameras and rotations.

OpenCV convention: x right, y down, z forward; pixel centres lie at +0.5, so the image covers
[0, width] x [0, height] and pixel (row 0, column 0) has its centre at (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.runtime.constants import constant

NEAR = 0.05  # metres; points nearer than this are clipped
FAR = 50.0


@dataclass(frozen=True)
class Camera:
    """B pinhole cameras that share one image size."""

    K: Tensor  # [B,3,3] intrinsics in pixels
    world_to_camera: Tensor  # [B,4,4] rigid
    height: int
    width: int

    def __post_init__(self) -> None:
        _check_shape("K", self.K, (3, 3))
        _check_shape("world_to_camera", self.world_to_camera, (4, 4))
        if self.height < 1 or self.width < 1:
            raise ValueError(f"image size must be positive, got {self.height}x{self.width}")

    @property
    def batch(self) -> int:
        return max(self.K.shape[0], self.world_to_camera.shape[0])

    @property
    def position(self) -> Tensor:
        """Camera centres in the world [B,3]: -R^T t."""
        rotation, translation = self.world_to_camera[:, :3, :3], self.world_to_camera[:, :3, 3]
        return -(rotation.transpose(1, 2) @ translation[..., None])[..., 0]

    def transform(self, points: Tensor) -> Tensor:
        """World [B,N,3] -> camera space [B,N,3]."""
        rotation, translation = self.world_to_camera[:, :3, :3], self.world_to_camera[:, :3, 3]
        return points @ rotation.transpose(1, 2) + translation[:, None]

    def project(self, points: Tensor) -> Tensor:
        """World [B,N,3] -> pixels [B,N,2]; meaningful for points in front of the camera."""
        image = self.transform(points) @ self.K.transpose(1, 2)
        return image[..., :2] / image[..., 2:3]

    def clip_matrix(self, near: float = NEAR, far: float = FAR) -> Tensor:
        """[B,4,4] world -> clip. x/w = -1..1 is left..right, y/w = -1 is the TOP image row,
        z/w = -1..1 is near..far, w is the depth along the optical axis."""
        k = self.K
        row_x = 2.0 / self.width * k[:, 0] - k[:, 2]
        row_y = 2.0 / self.height * k[:, 1] - k[:, 2]
        zero = torch.zeros_like(k[:, 0, :1])  # filled in where k is: nothing to bring there
        row_z = torch.cat([zero, zero, zero + (far + near) / (far - near)], dim=1)
        linear = torch.stack([row_x, row_y, row_z, k[:, 2]], dim=1)  # [B,4,3]
        offset = torch.cat([zero, zero, zero - 2.0 * far * near / (far - near), zero], dim=1)
        return torch.cat([linear, offset[..., None]], dim=2) @ self.world_to_camera

    def to_clip(self, points: Tensor, near: float = NEAR, far: float = FAR) -> Tensor:
        """World [B,N,3] -> homogeneous clip coordinates [B,N,4], see `clip_matrix`."""
        matrix = self.clip_matrix(near, far)
        return points @ matrix[:, :, :3].transpose(1, 2) + matrix[:, None, :, 3]

    def resized(self, height: int, width: int) -> Camera:
        """The same view in an image of another size; the image plane [0,width] is stretched."""
        scale = torch.tensor(
            [width / self.width, height / self.height, 1.0],
            dtype=self.K.dtype,
            device=self.K.device,
        )
        return replace(self, K=self.K * scale[None, :, None], height=height, width=width)

    def cropped(self, x0: float, y0: float, w: int, h: int) -> Camera:
        """The window whose top-left corner (not pixel centre) is (x0, y0)."""
        shift = torch.eye(3, dtype=self.K.dtype, device=self.K.device)
        shift[0, 2], shift[1, 2] = -x0, -y0
        return replace(self, K=shift @ self.K, height=h, width=w)

    def to(self, device: torch.device | str) -> Camera:
        return replace(self, K=self.K.to(device), world_to_camera=self.world_to_camera.to(device))


def _check_shape(name: str, value: Tensor, tail: tuple[int, int]) -> None:
    if value.ndim != 3 or tuple(value.shape[1:]) != tail:
        raise ValueError(f"{name}: wanted [B,{tail[0]},{tail[1]}], got {list(value.shape)}")


def intrinsics(focal: Tensor | float, height: int, width: int) -> Tensor:
    """K [B,3,3] from the focal length in pixels (a number or [B]); centred principal point."""
    f = (
        torch.as_tensor(focal, dtype=torch.get_default_dtype())
        if not isinstance(focal, Tensor)
        else focal
    )
    f = f.reshape(-1)
    zero, one = torch.zeros_like(f), torch.ones_like(f)
    rows = [f, zero, one * (width / 2), zero, f, one * (height / 2), zero, zero, one]
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def focal_from_fov(fov_degrees: float, size: int) -> float:
    """Focal length in pixels of a full field of view across `size` pixels."""
    return size / (2.0 * math.tan(math.radians(fov_degrees) / 2.0))


def look_at(eye: Tensor, target: Tensor, up: Tensor | None = None) -> Tensor:
    """world_to_camera [B,4,4] of cameras at eye [B,3] that look at target [B,3]; `up` [B,3]
    (default +Y) points to the top of the image."""
    if up is None:
        up = eye.new_tensor([0.0, 1.0, 0.0])
    up = up.expand_as(eye)
    forward = F.normalize(target - eye, dim=-1)
    right = F.normalize(torch.linalg.cross(forward, up), dim=-1)
    down = torch.linalg.cross(forward, right)
    rotation = torch.stack([right, down, forward], dim=1)
    return rigid(rotation, -(rotation @ eye[..., None])[..., 0])


def perspective(eye: Tensor, target: Tensor, fov_degrees: float, height: int, width: int) -> Camera:
    """Cameras at eye [B,3] looking at target [B,3] with a vertical field of view."""
    focal = focal_from_fov(fov_degrees, height)
    K = intrinsics(eye.new_full((eye.shape[0],), focal), height, width)
    return Camera(K, look_at(eye, target.expand_as(eye)), height, width)


def rigid(rotation: Tensor, translation: Tensor) -> Tensor:
    """[B,3,3], [B,3] -> [B,4,4]."""
    top = torch.cat([rotation, translation[..., None]], dim=-1)
    bottom = constant((0.0, 0.0, 0.0, 1.0), top).expand(top.shape[0], 1, 4)
    return torch.cat([top, bottom], dim=1)


def rotation_towards(direction: Tensor) -> Tensor:
    """Rotations [...,3,3] that take +Z to directions [...,3] before the camera, the shortest
    way."""
    x, y, z = (direction / direction.norm(dim=-1, keepdim=True)).unbind(-1)
    first = torch.stack([1 - x**2 / (1 + z), -x * y / (1 + z), -x], -1)
    third = torch.stack([x, y, z], -1)
    return torch.stack([first, torch.linalg.cross(third, first), third], -1)


def skew(vector: Tensor) -> Tensor:
    """[...,3] -> [...,3,3] with skew(a) @ b = a x b."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return torch.stack(rows, dim=-1).reshape(*vector.shape[:-1], 3, 3)


def axis_angle_to_matrix(vector: Tensor) -> Tensor:
    """Rotation vector [...,3] (radians) -> [...,3,3]; Rodrigues' formula
    I + sin(a)/a W + (1-cos(a))/a^2 W^2, with its series near zero, so that the gradient at
    the identity is finite and exact."""
    square = (vector * vector).sum(-1)[..., None, None]
    small = square < 1e-4
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    first = torch.where(small, 1.0 - square / 6.0 * (1.0 - square / 20.0), torch.sin(angle) / angle)
    half = torch.sin(angle / 2.0) / angle
    second = torch.where(small, 0.5 - square / 24.0 * (1.0 - square / 30.0), 2.0 * half * half)
    cross = skew(vector)
    eye = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return eye + first * cross + second * (cross @ cross)


def matrix_to_axis_angle(rotation: Tensor) -> Tensor:
    """[...,3,3] -> [...,3] of at most pi, the inverse of `axis_angle_to_matrix`, also at half
    turns: through the unit quaternion q, whose 4 q q^T is linear in the matrix."""
    m = rotation.double()
    ((xx, xy, xz), (yx, yy, yz), (zx, zy, zz)) = (row.unbind(-1) for row in m.unbind(-2))
    w = torch.stack([1 + xx + yy + zz, zy - yz, xz - zx, yx - xy], -1)
    x = torch.stack([zy - yz, 1 + xx - yy - zz, xy + yx, xz + zx], -1)
    y = torch.stack([xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy], -1)
    z = torch.stack([yx - xy, xz + zx, yz + zy, 1 - xx - yy + zz], -1)
    outer = torch.stack([w, x, y, z], -2)
    largest = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None]
    q = F.normalize(outer.take_along_dim(largest, -2)[..., 0, :], dim=-1)
    q = torch.where(q[..., :1] < 0, -q, q)
    sine = q[..., 1:].norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sine, q[..., :1])
    return (q[..., 1:] * torch.where(sine < 1e-9, 2.0, angle / sine.clamp_min(1e-9))).to(rotation)
