"""A head as the renderer takes it."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.head.openings import lid_visibility
from fitme.head.parts import Role
from fitme.landmarks.face import LANDMARKS
from fitme.render import Mesh
from fitme.runtime.constants import constant, indices
from fitme.runtime.kept import kept_with

# Landmarks: the middles of the upper and the lower lip's edge, and the inner corners.
INNER_LIPS = (13, 14, 78, 308)
INSIDE = (Role.MOUTH, Role.TEETH, Role.TONGUE)
LIPS_M = 0.002  # of lips' insides behind what they open: they lie in each other's way
BRIGHT = 0.45  # mean albedo of teeth, gums and lips' insides, for light thrown to and fro


def head_mesh(head: HeadModel, vertices: Tensor, reached: Tensor | None = None) -> Mesh:
    """The renderer's mesh for vertices [B,V,3] of a head, metres; `reached` [1 or B,V,L]: how much
    of each directional light reaches a vertex."""
    occlusion, transfer = head.occlusion, head.transfer
    index, visible = mouth_visibility(head, vertices)
    if len(index):
        known = occlusion[index]
        occlusion = occlusion.index_copy(0, index, visible)
        if transfer is not None:
            more = ((visible - known) / (1 - known).clamp_min(1e-6)).clamp(0, 1)
            lit = torch.lerp(transfer[0, index], transfer[1, index], more[:, None])
            transfer = torch.stack([transfer[0].index_copy(0, index, lit), transfer[1]])
    occlusion, transfer = between_lids(head, vertices, occlusion, transfer)
    return Mesh(
        vertices, head.triangles, head.uv, head.uv_triangles, head.part, occlusion, transfer,
        reached,
    )  # fmt: skip


def between_lids(
    head: HeadModel, vertices: Tensor, occlusion: Tensor, transfer: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Visibility [V] and transfer [2,V,9] with what comes in between the lids of vertices [B,V,3]
    on the eyeballs; the head model's own are of the mean head's eyes, without lashes."""
    eyes, share = lid_visibility(head, vertices)
    if len(eyes):
        occlusion = occlusion.index_copy(0, eyes, share)
        if transfer is not None:
            lit = transfer[1, eyes] * share[:, None]
            transfer = torch.stack([transfer[0].index_copy(0, eyes, lit), transfer[1]])
    return occlusion, transfer


@torch.no_grad()
def mouth_visibility(head: HeadModel, vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Indices [N] of the mouth's inside and of the lips in vertices [B,V,3], and their ambient
    visibility [N] in 0..1: that of the head model, which is of a shut mouth, or what comes in
    between open lips. N is 0 for a head without, and on the CPU for shut lips; a GPU is not asked
    whether they are.

    A patch that faces the gap between two edges sees (sin u + sin l) / 2 of the light that would
    fall on it, u and l the angles from straight ahead up to the one and down to the other (view
    factor of an endless slit); that the lips have corners takes away what an ellipse of half width
    b has less at a depth d, b / sqrt(b^2 + d^2). Light thrown to and fro comes on top.
    """
    none = head.mirror[:0], head.occlusion[:0]
    if len(head.landmark_triangles) < LANDMARKS:
        return none
    index, behind = in_the_mouth(head)
    edges = head.landmarks(vertices)[:, indices(INNER_LIPS, vertices)].mean(0)  # [4,3]
    height = edges[0, 1] - edges[1, 1]
    if not len(index) or (vertices.device.type == "cpu" and float(height) <= 0):
        return none
    points = vertices[:, index].mean(0)
    middle, wide = edges[2:].mean(0), 0.5 * (edges[2] - edges[3]).norm()
    aside = ((points[:, :1] - middle[0]) / wide.clamp_min(1e-6)).square().clamp_max(1)
    # Edges of the lips beside a point, [N,2] each: lips lie around the teeth, and meet at corners.
    line = torch.lerp(edges[:2, 1:], middle[1:], aside[..., None])
    rise = (line[..., 0] - points[:, 1:2]) * constant((1.0, -1.0), points)
    depth = (line[..., 1] - points[:, 2:]).clamp_min(0) + behind[:, None]
    sine = rise / (rise.square() + depth.square()).clamp_min(1e-12).sqrt()
    across = wide / (wide.square() + depth.amin(-1).square()).clamp_min(1e-12).sqrt()
    share = 0.5 * sine.sum(-1).clamp_min(0) * across
    share = share / (1 - BRIGHT * (1 - share))
    return index, torch.maximum(head.occlusion[index], share * (height > 0))


def in_the_mouth(head: HeadModel) -> tuple[Tensor, Tensor]:
    """Vertices [N] of the mouth's inside and of the lips, and how far [N], metres, the latter count
    as behind where they are; looked up once."""
    return kept_with(head, in_the_mouth, lambda: _in_the_mouth(head))


def _in_the_mouth(head: HeadModel) -> tuple[Tensor, Tensor]:
    inside = head.vertices_with(INSIDE)
    lips = head.regions.get("lips", torch.zeros_like(head.occlusion)) > 0
    lips[inside] = False
    lips = lips.nonzero()[:, 0]
    behind = torch.cat([torch.zeros(len(inside)), torch.full((len(lips),), LIPS_M)])
    return torch.cat([inside, lips]), behind.to(head.occlusion)
