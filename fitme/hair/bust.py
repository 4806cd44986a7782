"""What hair below the neck is hidden by: the bust of `fitme.hair.collision`, which is not drawn."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.collision import BUST
from fitme.hair.kernels_bust import nearest_balls
from fitme.render.camera import Camera

Floats = NDArray[np.floating[Any]]

BALL = 0.007  # metres, radius and half the distance of the balls that make up the bust


def before_bust(depth: Floats, moved: Floats, camera: Camera, deeper: float = 0.0) -> Floats:
    """Depth [H,W] metres of a camera of batch 1 in front of the bust, `deeper` metres behind its
    surface; `moved` [4,3] as of `Strands`."""
    balls = bust_points() @ moved[:3] + moved[3]
    matrix = camera.world_to_camera[0].double().cpu().numpy()
    bust = np.full(depth.shape, np.inf, np.float32)
    intrinsics = camera.K[0].double().cpu().numpy()
    nearest_balls(balls.astype(np.float32), BALL, matrix, intrinsics, bust)
    nearer: Floats = np.minimum(depth, bust + np.float32(deeper))
    return nearer


@cache
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
