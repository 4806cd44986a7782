"""Fixed sets of points on the head from which hairs and marks start.

They are drawn on the triangles, not on the texels, so they are the same at every resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.models.train.synth_atlas import Atlas, sample
from fitme.models.train.synth_landmarks import Landmarks
from fitme.models.train.synth_random import Stream


@dataclass(frozen=True)
class Pool:
    """N points, uniform over an area of the surface."""

    uv: Tensor  # [N,2]
    xyz: Tensor  # [N,3] mm

    def to(self, device: torch.device | str) -> Pool:
        return Pool(self.uv.to(device), self.xyz.to(device))

    def scattered(self, stream: Stream, name: str, atlas: Atlas, spread: float) -> Tensor:
        """uv [B,N,2] with every point moved by about `spread` mm along the surface, so that two
        faces share no pattern."""
        move = stream.normal(name, len(self.uv), 3) * spread
        inverse = sample(atlas.uv_per_mm.flatten(2), self.uv).unflatten(-1, (2, 3))
        return self.uv + (inverse * move[:, :, None]).sum(-1)


def _draw(head: HeadModel, keep: Tensor, count: int, seed: int) -> Pool:
    """`count` points on the head's triangles whose middle is kept ([T] bool)."""
    chosen = (head.part == head.part_names.index("head")).nonzero()[:, 0][keep]
    corners = head.mean[head.triangles[chosen]] * 1000
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = torch.linalg.cross(edge1, edge2).norm(dim=-1)
    stream = Stream(torch.tensor([seed]))
    # Stratified along the summed area: even cover with fewer clumps than independent points.
    steps = (torch.arange(count) + stream.uniform("stratum", count)[0]) / count
    which = torch.searchsorted(area.double().cumsum(0) / area.double().sum(), steps.double())
    which = which.clamp_max(len(chosen) - 1)
    u, v = stream.uniform("corner", 2, count)[0]
    flip = u + v > 1
    u, v = torch.where(flip, 1 - u, u)[:, None], torch.where(flip, 1 - v, v)[:, None]
    uv = head.uv[head.uv_triangles[chosen[which]]]
    xyz = corners[which]
    mixed = [c[:, 0] * (1 - u - v) + c[:, 1] * u + c[:, 2] * v for c in (uv, xyz)]
    # Shuffled, so that leaving out the last ones thins the points evenly.
    order = stream.uniform("order", count)[0].argsort()
    return Pool(mixed[0][order].contiguous(), mixed[1][order].contiguous())


def _middles(head: HeadModel) -> Tensor:
    """Middle of the head's triangles [T,3] in mm."""
    return head.mean[head.part_triangles("head")].mean(1) * 1000


def _region(head: HeadModel, name: str) -> Tensor:
    return head.regions[name][head.part_triangles("head")].mean(1) > 0.5


def beard_pool(head: HeadModel, p: Landmarks, count: int = 26000) -> Pool:
    """Lower face and upper neck, front of the ears."""
    m = _middles(head)
    keep = (m[:, 1] < p.ear[1] + 12) & (m[:, 1] > p.chin[1] - 60) & (m[:, 2] > p.ear[2] + 5)
    keep &= (m[:, 1] < p.nose_base[1] + 8) | (m[:, 0].abs() > p.mouth_corner[0] + 8)
    inner = _region(head, "nostrils") | _region(head, "mouth_inside") | _region(head, "lips")
    return _draw(head, keep & ~inner & ~_region(head, "ears"), count, 11)


def skin_pool(head: HeadModel, count: int = 2600) -> Pool:
    """The frontal face without lips, lids and nostrils."""
    keep = _region(head, "face")
    for name in ("lips", "nostrils", "mouth_inside", "lids", "brows"):
        keep &= ~_region(head, name)
    return _draw(head, keep, count, 12)
