"""Strands as a silhouette in a photo's window, hidden by the head and by a bust below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fitme.fit.hair.kernels import splat
from fitme.hair import Strands
from fitme.hair.bust import before_bust
from fitme.head.model import HeadModel
from fitme.render.camera import Camera
from fitme.render.depth import depth_of

Floats = NDArray[np.floating[Any]]

BIAS = 0.004  # metres behind the skin that hair still counts: skin lies on it in coarse pixels
OPACITY = 0.9  # of a strand across its own width


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
    depth = depth_of(torch.from_numpy(vertices)[None].float(), head.triangles, camera)
    return Stage(
        camera, before_bust(depth, strands.moved, camera), np.isfinite(depth), strands.moved
    )


def _matrices(camera: Camera) -> tuple[Floats, Floats]:
    matrix = camera.world_to_camera[0].double().cpu().numpy()
    return matrix, camera.K[0].double().cpu().numpy()
