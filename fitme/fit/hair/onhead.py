"""What a photo shows of hair and skin at the vertices of the head."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.evidence import SeenHair
from fitme.hair.scalp import Scalp
from fitme.segment.labels import Label

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

FACING = (0.15, 0.45)  # cosine towards the camera over which a vertex comes to count
HIDDEN = 0.006  # metres behind what is seen there from which a vertex is hidden


def in_window(
    points: Floats, normals: Floats, seen: SeenHair
) -> tuple[Ints, Ints, NDArray[np.bool_], Floats, Floats]:
    """Column and row of N points [N,3] in the window, whether they are inside of it, cosine of
    their normals [N,3] towards the camera, and depth in metres."""
    pose = seen.camera.world_to_camera[0].double().numpy()
    at = points @ pose[:3, :3].T + pose[:3, 3]
    toward = -((normals @ pose[:3, :3].T) * at).sum(-1) / np.linalg.norm(at, axis=-1)
    flat = at @ seen.camera.K[0].double().numpy().T
    pixel = np.floor(flat[:, :2] / np.maximum(flat[:, 2:], 1e-6)).astype(np.int64)
    inside = ((pixel >= 0) & (pixel < len(seen.known))).all(-1)
    x, y = pixel.clip(0, len(seen.known) - 1).T
    return x, y, inside, toward, at[:, 2]


def shown_on_head(
    scalp: Scalp, points: Floats, seen: SeenHair, depth: Floats
) -> tuple[Floats, Floats]:
    """How surely [V] a photo shows skin, and hair, at each posed vertex [V,3]; zeros where it is
    not seen. `depth` [n,n] is that of head and bust in the window."""
    x, y, inside, toward, away = in_window(points, scalp.normals, seen)
    sure = np.clip((toward - FACING[0]) / (FACING[1] - FACING[0]), 0, 1) * inside
    sure = sure * (away < depth[y, x] + HIDDEN) * seen.known[y, x]
    return sure * seen.labels[Label.SKIN, y, x], sure * seen.labels[Label.HAIR, y, x]


def lean_on_head(points: Floats, normals: Floats, seen: SeenHair) -> Floats:
    """How far hair at N points leans to the person's left on its way down, -1..1: the sine of twice
    its angle to the head's own axis, times how sure its course is."""
    return _turned(points, normals, seen)[1]


def level_on_head(points: Floats, normals: Floats, seen: SeenHair) -> Floats:
    """How level hair at N points runs, -1 (along the head's own axis) to 1 (across it), times how
    sure its course is."""
    return _turned(points, normals, seen)[0]


def _turned(points: Floats, normals: Floats, seen: SeenHair) -> tuple[Floats, Floats]:
    """The course [N], [N] of hair at points, as if the head's own axis were upright."""
    x, y, *_ = in_window(points, normals, seen)
    course = seen.course[y, x]
    up = seen.camera.world_to_camera[0].double().numpy()[:2, 1]  # the head's axis in the picture
    roll = 2 * np.arctan2(up[0], -up[1])
    level: Floats = course[:, 0] * np.cos(roll) + course[:, 1] * np.sin(roll)
    lean: Floats = course[:, 1] * np.cos(roll) - course[:, 0] * np.sin(roll)
    return level, lean
