"""Lips that meet when nothing opens them, whatever the person's mouth is like.

The lips of the head model's mean just touch, and those of many identities stand a tenth of a
millimetre apart: from a little above or below one looks between them on teeth and the dark behind.
Per person both are moved towards each other as far as makes them overlap, in every expression
alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.columns import lowest, smoothed
from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.runtime.kept import kept_with

JAW = "jawOpen"
COLUMNS = 25  # along the mouth, at which its lips are measured
LOWER, UPPER = 0.35, 0.15  # travel of the open jaw over the lips' most: beyond, within
OVERLAP_M = 0.0006  # by which lips overlap: one then looks between them from no height
MOST_M = 0.0025  # both together are moved by no more: a mouth that is shaped open stays open
REACH_M = (0.0005, 0.006)  # from the seam: what moves with it, what stays
ENDS = 0.12  # of the mouth's width, in which the movement ends


@dataclass(frozen=True)
class LipSeam:
    """Where the lips meet; C columns along it, N vertices near it."""

    vertices: Tensor  # [N] int64
    near: Tensor  # [N,C] how much of each column's movement a vertex takes
    share: Tensor  # [N] and of that, upwards: 0.5 at the lower lip's edge, -0.5 at the upper one's
    upper: tuple[Tensor, Tensor]  # vertices [M] and their weights [C,M]: the upper lip's edge
    lower: tuple[Tensor, Tensor]  # the lower lip's

    def gap(self, rest: Tensor) -> Tensor:
        """Height between the lips' edges of vertices [V,3], metres [C]; below 0 they overlap."""
        (upper, edge), (lower, top) = self.upper, self.lower
        return (edge @ rest[upper] - top @ rest[lower])[:, 1]

    def correction(self, rest: Tensor) -> Tensor:
        """What is added to `vertices` [N,3] of a person at rest [V,3] for lips that meet."""
        wanted = (self.gap(rest) + OVERLAP_M).clamp(0, MOST_M)
        wanted = torch.maximum(smoothed(wanted, torch.ones_like(wanted)), wanted)
        moved = rest.new_zeros(len(self.vertices), 3)
        moved[:, 1] = self.share * (self.near @ wanted)
        return moved


def lip_seam(head: HeadModel) -> LipSeam | None:
    """Where the lips of a head model meet, from its mean, looked for once; None for one without
    lips or a jaw."""
    return kept_with(head, lip_seam, lambda: _seam(head))


def _seam(head: HeadModel) -> LipSeam | None:
    if JAW not in head.expression_names or not bool((head.regions.get("lips", _NONE) > 0.5).any()):
        return None
    rest, lips = head.mean, head.regions["lips"] > 0.5
    travel = -head.expression[head.expression_index(JAW)][:, 1]
    travel = travel / travel[lips].amax().clamp_min(1e-6)
    upper, lower = (lips & (travel < UPPER)), (lips & (travel > LOWER))
    if not bool(upper.any()) or not bool(lower.any()):
        return None
    upper, lower = upper.nonzero()[:, 0], lower.nonzero()[:, 0]
    left, right = (
        torch.stack([getattr(rest[side, 0], end)() for side in (upper, lower)])
        for end in ("amin", "amax")
    )
    share = torch.linspace(0.0, 1.0, COLUMNS).to(rest)
    start, end = left.amax(), right.amin()
    columns = start + (end - start) * share
    edge, top = lowest(rest[upper], columns, -1), lowest(rest[lower], columns, 1)
    line = 0.5 * (edge @ rest[upper] + top @ rest[lower])
    distance = torch.cdist(rest[:, :2], line[:, :2]).amin(1)
    soft = torch.zeros_like(distance)
    for role in (Role.SKIN, Role.MOUTH):
        for part in head.parts_with(role):
            soft[head.part_vertices(part.name)] = 1
    soft = soft * smoothstep(REACH_M[1], REACH_M[0], distance)
    soft = soft * (rest[:, 2] > line[:, 2].amin() - REACH_M[1])
    sign = smoothstep(UPPER, LOWER, travel) - 0.5
    vertices = (soft > 0).nonzero()[:, 0]
    place = ((rest[vertices, 0] - start) / (end - start)).clamp(0, 1)
    index = torch.arange(COLUMNS, device=rest.device)
    near = (1 - (place[:, None] * (COLUMNS - 1) - index).abs()).clamp_min(0)
    inside = smoothstep(0.0, ENDS, torch.minimum(place, 1 - place))
    return LipSeam(
        vertices, near * inside[:, None], (sign * soft)[vertices], (upper, edge), (lower, top)
    )


_NONE = torch.zeros(1)
