"""Strands as a silhouette in a photo's window, hidden by the head and by a bust below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fitme.fit.hair.kernels import nearest_balls, splat
from fitme.hair import Strands
from fitme.hair.collision import BUST
from fitme.head.model import HeadModel
from fitme.render.backends.registry import get_backend
from fitme.render.camera import FAR, NEAR, Camera

Floats = NDArray[np.floating[Any]]

BIAS = 0.004  # metres behind the skin that hair still counts: skin lies on it in coarse pixels
OPACITY = 0.9  # of a strand across its own width
BALL = 0.007  # metres, radius and half the distance of the balls that make up the bust


@dataclass(frozen=True)
class Silhouette:
    """Hair in a window of n x n pixels."""

    alpha: Floats  # [n,n] in 0..1
    course: Floats  # [n,n,2] cosine and sine of twice the angle of the nearest hair, 0 for none


@dataclass(frozen=True)
class Stage:
    """What hair is drawn before: the depth of head and bust in a window."""

    camera: Camera
    depth: Floats  # [n,n] metres along the axis, inf where nothing is
    head: Floats  # [n,n] bool: the head itself
    moved: Floats  # [4,3] from the mean head to this one, see `Strands.moved`

    def draw(self, strands: Strands) -> Silhouette:
        """The silhouette of strands that lie on the posed head."""
        size = (self.camera.height, self.camera.width)
        left, nearest = np.ones(size, np.float32), np.full(size, np.inf, np.float32)
        course = np.zeros((*size, 2), np.float32)
        matrix, intrinsics = _matrices(self.camera)
        splat(
            strands.points, strands.half_width, matrix, intrinsics, self.depth, BIAS, OPACITY,
            left, nearest, course,
        )  # fmt: skip
        return Silhouette(1 - left, course)


def make_stage(head: HeadModel, vertices: Floats, camera: Camera, strands: Strands) -> Stage:
    """The window with a head of vertices [V,3] and the bust that moves along with `strands`."""
    backend = get_backend(None, "cpu")
    clip = camera.to_clip(torch.from_numpy(vertices)[None].float())
    size = (camera.height, camera.width)
    flat = backend.depth(clip, head.triangles.cpu().int(), size)[0].double().numpy()
    near, far = NEAR, FAR
    own = 2 * far * near / (far + near - np.where(np.isfinite(flat), flat, 0) * (far - near))
    depth = np.where(np.isfinite(flat), own, np.inf).astype(np.float32)
    covered = np.isfinite(depth)
    balls = bust_points() @ strands.moved[:3] + strands.moved[3]
    matrix, intrinsics = _matrices(camera)
    nearest_balls(balls.astype(np.float32), BALL, matrix, intrinsics, depth)
    return Stage(camera, depth, covered, strands.moved)


def bust_points() -> Floats:
    """Points [N,3] on the capsules of `fitme.hair.collision.BUST`, in the mean head's frame."""
    points = []
    for start, end, first, last in BUST:
        a, b = np.array(start), np.array(end)
        axis = b - a
        long = float(np.linalg.norm(axis))
        along = axis / long
        across = np.cross(along, [0.0, 0.0, 1.0])
        across /= np.linalg.norm(across)
        other = np.cross(along, across)
        for t in np.arange(-first, long + last, 1.4 * BALL):
            s = np.clip(t / long, 0, 1)
            radius = first + (last - first) * s
            beyond = max(-t, t - long, 0.0)
            ring = np.sqrt(max(radius**2 - beyond**2, 0.0))
            turn = np.arange(0, 2 * np.pi, max(1.4 * BALL / max(ring, BALL), 0.05))
            circle = np.cos(turn)[:, None] * across + np.sin(turn)[:, None] * other
            points.append(a + t * along + ring * circle)
    half = np.concatenate(points)
    return np.concatenate([half, half * [-1, 1, 1]]).astype(np.float32)


def _matrices(camera: Camera) -> tuple[Floats, Floats]:
    matrix = camera.world_to_camera[0].double().cpu().numpy()
    return matrix, camera.K[0].double().cpu().numpy()
