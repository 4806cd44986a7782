"""One part of a head as a mesh with the morph targets that move it."""

from __future__ import annotations

import math

import numpy as np
import torch

from fitme.export.mesh import ExportMaterial, ExportMesh
from fitme.head.geometry import Geometry
from fitme.head.model import EYE_LOOK_DEGREES, gaze_rotation
from fitme.head.parts import Part, Role
from fitme.head.view import View

MORPH_THRESHOLD = 1e-5  # metres; inner parts leave out the shapes that do not move them


def part_mesh(
    geometry: Geometry,
    part: Part,
    material: ExportMaterial,
    normals: np.ndarray | None = None,
    view: View | None = None,
    uv_1: np.ndarray | None = None,
    joint_weights: np.ndarray | None = None,
) -> ExportMesh:
    """One part of a shape as a mesh, neutral, with the ARKit morph targets that move it.

    `normals` [V, 3], second texture coordinates `uv_1` [V, 2] and `joint_weights` [V, 6] are of all
    vertices of the head; normals replace those of the mesh, which a level of detail with few
    triangles needs. With a `view` the file opens with that photo's expression and gaze.
    """
    head = geometry.head
    chosen = (head.part == part.index).cpu()
    triangles = head.triangles.cpu()[chosen]
    uv_triangles = head.uv_triangles.cpu()[chosen]
    used, local = triangles.unique(return_inverse=True)
    used_uv, local_uv = uv_triangles.unique(return_inverse=True)
    at_rest = geometry.vertices()
    neutral = at_rest[0].cpu()
    pivot = (0.0, 0.0, 0.0)
    weights: dict[str, float] = {}
    rotation = (0.0, 0.0, 0.0, 1.0)
    if part.role is Role.EYE:
        centre = head.eye_centres(at_rest)[0, part.side].cpu()
        pivot = tuple(float(c) for c in centre)  # type: ignore[assignment]
        morphs = eye_look_offsets(neutral[used] - centre, part.side)
        if view is not None:
            rotation = gaze_quaternion(view.gaze[0, part.side])
    else:
        offsets = geometry.expression_offsets()[:, used].cpu()
        keep = [
            part.is_skin or bool(shape.norm(dim=-1).max() > MORPH_THRESHOLD) for shape in offsets
        ]
        morphs = {
            n: shape.numpy()
            for n, shape, kept in zip(head.expression_names, offsets, keep, strict=True)
            if kept
        }
        if view is not None:
            worn = zip(head.expression_names, view.expression[0].tolist(), strict=True)
            weights = {shape: weight for shape, weight in worn if shape in morphs}
    return ExportMesh(
        name=part.name,
        vertices=neutral[used].numpy(),
        triangles=local.numpy(),
        uv=head.uv.cpu()[used_uv].numpy(),
        uv_triangles=local_uv.numpy(),
        material=material,
        morph_targets=morphs,
        pivot=pivot,
        normals=None if normals is None else normals[used.numpy()],
        uv_1=None if uv_1 is None else uv_1[used.numpy()],
        weights=weights,
        rotation=rotation,
        joint_weights=None if joint_weights is None else joint_weights[used.numpy()],
    )


def gaze_quaternion(gaze: torch.Tensor) -> tuple[float, float, float, float]:
    """Quaternion x, y, z, w of an eye's rotation from pitch (up) and yaw (to +X), radians [2]."""
    pitch, yaw = (float(angle) / 2 for angle in gaze)  # yaw after pitch: q_y * q_x, pitch about -X
    x, y = -math.sin(pitch), math.sin(yaw)
    w_x, w_y = math.cos(pitch), math.cos(yaw)
    return (w_y * x, y * w_x, -y * x, w_y * w_x)


def eye_look_offsets(local: torch.Tensor, side: int) -> dict[str, np.ndarray]:
    """eyeLook* offsets [V, 3] of an eyeball from points relative to its centre.

    The straight line to the fully turned eye, the left (side 0) or the right (1). "In" is towards
    the nose: -X for the left eye.
    """
    word, towards_nose = (("Left", -1.0), ("Right", 1.0))[side]
    turns = {
        "Down": (-1.0, 0.0),
        "In": (0.0, towards_nose),
        "Out": (0.0, -towards_nose),
        "Up": (1.0, 0.0),
    }
    out = {}
    for direction, (pitch, yaw) in turns.items():
        angle = math.radians(EYE_LOOK_DEGREES[direction])
        rotation = gaze_rotation(torch.tensor([[pitch * angle, yaw * angle]]))[0]
        out[f"eyeLook{direction}{word}"] = (local @ rotation.T - local).numpy()
    return out
