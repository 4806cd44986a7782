"""Teeth that touch their neighbours, as in most mouths.

The crowns of the head model's mean taper from their widest ring to the neck, and between two of
them one looks into the dark. Each ring of a crown is widened sideways until it reaches the line on
which the tooth meets its neighbour; at the tips it keeps its rounded corners. The gum between them
is painted (`fitme/reflectance/mouth.py`). Teeth hardly change their form from person to person, so
the same offsets serve everybody.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.runtime.kept import kept_with

COLUMNS, QUADRANTS = 8, 4  # from the midline; upper left and right, lower left and right
#: Rings and vertices in each, by column from the midline, as `models/train/mouth.py` makes them:
#: a vertex at the tip, then ring after ring towards the neck.
RINGS = (9, 9, 9, 7, 7, 7, 7, 7)
SECTORS = (18, 18, 18, 14, 14, 12, 12, 10)
CUTTING = 3  # columns of teeth that cut
ARCH_Z = 0.055  # metres: the middle of both jaws' arches
WIDEST_M = (0.0022, 0.0034)  # below the tips of cutting and chewing teeth: from there on they touch
SLIMMER, NECK_M = 0.07, (0.005, 0.011)  # by how much a crown is slimmer at its neck; where that is
OVERLAP_M = 0.00004  # of neighbours where they touch: nothing is seen between them


@dataclass(frozen=True)
class Crowns:
    """What is added to the teeth of every person."""

    vertices: Tensor  # [N] int64
    offsets: Tensor  # [N,3] metres


@dataclass(frozen=True)
class _Crown:
    """One tooth on the mean head: where its vertices start, and its frame."""

    start: int
    rings: Tensor  # [R,S,3], from the tip to the neck
    tip: Tensor  # [3]
    axis: Tensor  # [3] unit, from the tip to the root


def crowns(head: HeadModel) -> Crowns | None:
    """Those of a head model, from its mean, made once; None for teeth that are made otherwise."""
    return kept_with(head, crowns, lambda: _crowns(head))


def _crowns(head: HeadModel) -> Crowns | None:
    parts = head.parts_with(Role.TEETH)
    if not parts:
        return None
    index = head.part_vertices(parts[0].name)
    counts = [1 + rings * sectors for rings, sectors in zip(RINGS, SECTORS, strict=True)]
    if len(index) != QUADRANTS * sum(counts) or int(index[-1] - index[0]) != len(index) - 1:
        return None
    points, start = head.mean[index], 0
    moved = torch.zeros_like(points)
    jaws: list[list[_Crown]] = []
    for _ in range(QUADRANTS):
        row = []
        for count, rings, sectors in zip(counts, RINGS, SECTORS, strict=True):
            own = points[start : start + count]
            row.append(_crown(own, start, rings, sectors))
            start += count
        jaws.append(row)
    for left, right in (jaws[:2], jaws[2:]):
        arch = [*reversed(right), *left]
        for place, tooth in enumerate(arch):
            before = arch[place - 1] if place else None
            after = arch[place + 1] if place + 1 < len(arch) else None
            cutting = min(place, len(arch) - 1 - place) >= COLUMNS - CUTTING
            wider = _widened(tooth, before, after, WIDEST_M[0 if cutting else 1])
            first = tooth.start + 1
            moved[first : first + wider.shape[0] * wider.shape[1]] = wider.flatten(0, 1)
    return Crowns(index, moved)


def _crown(points: Tensor, start: int, rings: int, sectors: int) -> _Crown:
    """From a tooth's own vertices [1+R*S,3]."""
    grid = points[1:].view(rings, sectors, 3)
    middles = grid.mean(1)
    return _Crown(start, grid, points[0], F.normalize(middles[-1] - middles[rings // 3], dim=0))


def _widened(tooth: _Crown, before: _Crown | None, after: _Crown | None, widest: float) -> Tensor:
    """What is added to a crown's rings, [R,S,3]; beyond the last tooth there is no neighbour."""
    here = tooth.rings.mean((0, 1))
    ends = [one.rings.mean((0, 1)) if one else here for one in (before, after)]
    side = ends[1] - ends[0]
    side = F.normalize(side - (side @ tooth.axis) * tooth.axis, dim=0)
    across, depth = (tooth.rings - here) @ side, (tooth.rings - tooth.tip) @ tooth.axis
    depth = depth.mean(1)
    low, high = across.amin(1), across.amax(1)
    slim = 1 - SLIMMER * smoothstep(*NECK_M, depth)
    slim = slim * (depth >= widest)
    bounds = []
    for own, neighbour, sign in ((low, before, -1.0), (high, after, 1.0)):
        reach = (sign * own).amax()
        wanted = torch.maximum(sign * own, slim * reach)
        if neighbour is not None:
            met, along = _contact(tooth, neighbour, side * sign)
            line = met + along * ((depth[:, None] - (met - tooth.tip) @ tooth.axis)
                                  / (along @ tooth.axis))  # fmt: skip
            target = (sign * (line - here) @ side) + OVERLAP_M
            wanted = torch.maximum((sign * own / reach).clamp_max(1), slim) * target
        bounds.append(sign * wanted)
    share = (across - low[:, None]) / (high - low)[:, None]
    new = bounds[0][:, None] + share * (bounds[1] - bounds[0])[:, None]
    return (new - across)[..., None] * side


def _contact(tooth: _Crown, neighbour: _Crown, towards: Tensor) -> tuple[Tensor, Tensor]:
    """A point [3] of the line on which two crowns meet, and its direction [3]; `towards` [3] points
    from the first to the second."""
    own, other = tooth.rings.flatten(0, 1), neighbour.rings.flatten(0, 1)
    met = 0.5 * (own[(own @ towards).argmax()] + other[(other @ towards).argmin()])
    return met, F.normalize(tooth.axis + neighbour.axis, dim=0)
