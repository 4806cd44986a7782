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


def head_mesh(head: HeadModel, vertices: Tensor, reached: Tensor | None = None) -> Mesh:
    """The renderer's mesh for vertices [B,V,3] of a head, metres; `reached` [1 or B,V,L]: how much
    of each directional light reaches a vertex."""
    occlusion, transfer = head.occlusion, head.transfer
    index, visible = mouth_visibility(head, vertices)
    if len(index):
        occlusion = occlusion.index_copy(0, index, visible)
        if transfer is not None:
            lit = visible[:, None] * transfer[1, index]
            transfer = torch.stack([transfer[0].index_copy(0, index, lit), transfer[1]])
    return Mesh(
        vertices, head.triangles, head.uv, head.uv_triangles, head.part, occlusion, transfer,
        reached,
    )  # fmt: skip


@torch.no_grad()
def mouth_visibility(head: HeadModel, vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Indices [N] of the mouth's inside in vertices [B,V,3], and their ambient visibility [N] in
    0..1: that of the head model, which is of a shut mouth, or what comes in between open lips.
    None of either for shut lips."""
    none = head.mirror[:0], head.occlusion[:0]
    if len(head.landmark_triangles) < LANDMARKS:
        return none
    lips = head.landmarks(vertices)[:, INNER_LIPS]
    height = (lips[:, 0, 1] - lips[:, 1, 1]).mean().clamp_min(0)
    parts = [part for role in INSIDE for part in head.parts_with(role)]
    if float(height) <= 0 or not parts:
        return none
    index = torch.cat([head.part_vertices(part.name) for part in parts]).unique()
    depth = (lips[..., 2].amin(1, keepdim=True) - vertices[:, index, 2]).mean(0)
    share = OPENED * height / (height + NARROW * depth.clamp_min(0))
    return index, torch.maximum(head.occlusion[index], share)
