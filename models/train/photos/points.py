"""The dense landmarks: points of the template, spread over the whole head.

Wood et al., "3D Face Reconstruction with Dense Landmarks" (ECCV 2022), use about 700. Here: the
irises, the rims of lids and lips (points that also `fitme.landmarks` knows), and vertices of the
skin spread by farthest-point sampling, closer where shape says more about a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.model import HeadModel

COUNT = 640
IRISES = tuple(range(468, 478))
LIDS = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,
    263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466,
)  # fmt: skip
LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
)  # fmt: skip
# How much closer points lie than on the skull: distances in the sampling are multiplied by these.
DENSER = {"face": 2.6, "ears": 2.4, "nose": 4.0, "brows": 3.2, "lids": 4.5, "neck": 1.0}


@dataclass(frozen=True)
class Points:
    """N points on the triangles of a head."""

    triangles: Tensor  # [N] int64
    barycentric: Tensor  # [N,3]
    mirror: Tensor  # [N] int64, of each point its mirror image

    def on(self, head: HeadModel, vertices: Tensor) -> Tensor:
        """[B,N,3] on vertices [B,V,3]."""
        corners = vertices[:, head.triangles[self.triangles]]
        return (corners * self.barycentric[None, :, :, None]).sum(2)


def choose_points(head: HeadModel, count: int = COUNT) -> Points:
    """`count` points, symmetric, the same ones every time. Raises ValueError for a count below
    that of irises, lids and lips."""
    tied = torch.tensor(IRISES + LIDS + LIPS)
    if count < len(tied) + 2:
        raise ValueError(f"count: wanted more than {len(tied) + 1}, got {count}")
    triangle = head.landmark_triangles[tied]
    barycentric = head.landmark_barycentric[tied]
    known = head.landmarks(head.mean[None])[0, tied]
    vertices = _spread(head, known, count - len(tied))
    corner, place = _corners(head, vertices)
    triangles = torch.cat([triangle, corner])
    weights = torch.cat([barycentric, torch.eye(3)[place]])
    points = Points(triangles, weights, torch.arange(count))
    at = points.on(head, head.mean[None])[0]
    flipped = at * at.new_tensor([-1.0, 1.0, 1.0])
    nearest = torch.cdist(flipped, at).argmin(1)
    return Points(triangles, weights, nearest)


def _spread(head: HeadModel, known: Tensor, count: int) -> Tensor:
    """Vertices [count] of the skin, in mirrored pairs, far from each other and from `known`."""
    skin = head.part_vertices(head.skin.name)
    usable = head.regions["mouth_inside"][skin] < 0.3
    usable &= head.regions["nostrils"][skin] < 0.5
    right = skin[usable & (head.mean[skin, 0] <= 1e-5)]
    right = right[head.mirror[head.mirror[right]] == right]
    at = head.mean[right]
    scale = torch.ones(len(right))
    for name, factor in DENSER.items():
        scale = torch.maximum(scale, 1 + (factor - 1) * head.regions[name][right])
    far = torch.cdist(at, known).amin(1)
    chosen: list[int] = []
    while len(chosen) < count:
        index = int((far * scale).argmax())
        vertex = int(right[index])
        middle = int(head.mirror[vertex]) == vertex
        if not middle and len(chosen) == count - 1:
            far[index] = 0
            continue
        chosen += [vertex] if middle else [vertex, int(head.mirror[vertex])]
        both = head.mean[chosen[-2:] if not middle else chosen[-1:]]
        far = torch.minimum(far, torch.cdist(at, both).amin(1))
    return torch.tensor(chosen)


def _corners(head: HeadModel, vertices: Tensor) -> tuple[Tensor, Tensor]:
    """A triangle [N] at each vertex and which of its corners [N] it is."""
    flat = head.triangles.flatten()
    first = torch.full((len(head.mean),), len(flat), dtype=torch.int64)
    first = first.scatter_reduce(0, flat, torch.arange(len(flat)), "amin")
    return first[vertices] // 3, first[vertices] % 3
