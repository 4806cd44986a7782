"""A head as the renderer takes it."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.landmarks.face import LANDMARKS
from fitme.render import Mesh

INNER_LIPS = (13, 14)  # landmarks: the middles of the upper and the lower lip's edge
INSIDE = (Role.MOUTH, Role.TEETH, Role.TONGUE)
OPENED = 0.9  # of the surround that an open mouth's front sees
NARROW = 2.2  # how much faster than a slit of its height the mouth's surround narrows inwards


def head_mesh(head: HeadModel, vertices: Tensor) -> Mesh:
    """The renderer's mesh for vertices [B,V,3] of a head, metres."""
    occlusion = mouth_occlusion(head, vertices)
    return Mesh(vertices, head.triangles, head.uv, head.uv_triangles, head.part, occlusion)


@torch.no_grad()
def mouth_occlusion(head: HeadModel, vertices: Tensor) -> Tensor:
    """Ambient visibility [V] in 0..1 of vertices [B,V,3]: that of the head model, which is of a
    shut mouth, and inside of open lips what comes in between them."""
    if head.occlusion is None or len(head.landmark_triangles) < LANDMARKS:
        return head.occlusion
    lips = head.landmarks(vertices)[:, INNER_LIPS]
    height = (lips[:, 0, 1] - lips[:, 1, 1]).mean().clamp_min(0)
    if float(height) <= 0:
        return head.occlusion
    visible = head.occlusion.clone()
    for role in INSIDE:
        for part in head.parts_with(role):
            index = head.part_vertices(part.name)
            depth = (lips[..., 2].amin(1, keepdim=True) - vertices[:, index, 2]).mean(0)
            share = OPENED * height / (height + NARROW * depth.clamp_min(0))
            visible[index] = torch.maximum(visible[index], share)
    return visible
