"""Light that comes in between the lids, for any person's eyes in any pose."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.landmarks.face import LANDMARKS
from fitme.runtime.constants import indices

# Landmarks of the lids' edges from the smaller x to the larger: of the left eye, of the right.
UPPER = (
    (362, 398, 384, 385, 386, 387, 388, 466, 263), (33, 246, 161, 160, 159, 158, 157, 173, 133),
)  # fmt: skip
LOWER = (
    (362, 382, 381, 380, 374, 373, 390, 249, 263), (33, 7, 163, 144, 145, 153, 154, 155, 133),
)  # fmt: skip
# What of a lid stands before the eyeball, metres. A margin is about 2 mm thick and slants; lashes
# stand farther out, before the upper half of what light there is. Looked at on portraits.
UPPER_M, LOWER_M = 0.0034, 0.0012
ABOVE = 0.6  # of the light over an eye comes from above the horizontal
THROWN = 0.3  # albedo of lids and white, for light thrown to and fro


@torch.no_grad()
def lid_visibility(head: HeadModel, vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Indices [N] of the eyeballs in vertices [B,V,3] and their ambient visibility [N] in 0..1; N
    is 0 for a head without.

    As between lips (`mouth_visibility`), a point sees the sines of the angles up to the one edge
    and down to the other, seen from as deep as lids are thick.
    """
    if len(head.landmark_triangles) < LANDMARKS or len(head.eye_ring) < 2:
        return head.mirror[:0], head.occlusion[:0]
    marks = head.landmarks(vertices).mean(0)
    found, shares = [], []
    for eye in head.parts_with(Role.EYE):
        index = head.part_vertices(eye.name)
        points = vertices[:, index].mean(0)
        up = height_of(marks[indices(UPPER[eye.side], vertices)], points[:, 0]) - points[:, 1]
        down = points[:, 1] - height_of(marks[indices(LOWER[eye.side], vertices)], points[:, 0])
        share = ABOVE * _sine(up, UPPER_M) + (1 - ABOVE) * _sine(down, LOWER_M)
        share = share.clamp(0, 1)
        found.append(index)
        shares.append(share / (1 - THROWN * (1 - share)))
    return torch.cat(found), torch.cat(shares)


def _sine(rise: Tensor, depth: float) -> Tensor:
    return rise / (rise.square() + depth * depth).sqrt()


def height_of(edge: Tensor, x: Tensor) -> Tensor:
    """y [N] of an edge [K,3], whose x grow, at x [N]; level beyond its ends."""
    start, end = edge[:-1], edge[1:]
    wide = (end[:, 0] - start[:, 0]).clamp_min(1e-6)
    share = ((x[:, None] - start[:, 0]) / wide).clamp(0, 1)
    return edge[0, 1] + share @ (end[:, 1] - start[:, 1])
