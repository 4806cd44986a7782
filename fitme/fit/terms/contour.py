"""The head's outline against that of the photo (HRN, arXiv 2302.14434, contour-aware loss).

HRN compares row by row; here each point of the photo's outline is compared with the nearest one of
the head's, so that ears and the jaw's underside count as its sides do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.fit.evidence.outline import outline
from fitme.fit.session import Session
from fitme.fit.terms.base import Step
from fitme.head.model import HeadModel

FAR = 0.35  # interocular distances: outlines farther apart do not belong together
FEWEST = 12  # points of an outline


@dataclass(frozen=True)
class Contour:
    """Mean square distance of the outlines in units of `sigma` interocular distances."""

    weight: float
    sigma: float
    edges: Tensor  # [E,2] vertices of the skin's edges
    sides: Tensor  # [E,2] the triangles beside each
    triangles: Tensor  # [T,3] of the skin
    observed: tuple[Tensor, ...]  # per photo [N,2] photo pixels
    scale: Tensor  # [P] photo pixels
    name: str = "contour"

    @staticmethod
    def of(session: Session, weight: float, sigma: float) -> Contour | None:
        """The term for a session's photos; None where no outline was seen."""
        head, found = session.head, []
        for seen in session.observations:
            encoded = seen.face.encoded
            points = torch.zeros(0, 2) if encoded is None else outline(encoded)
            found.append(points if len(points) >= FEWEST else points[:0])
        if not any(len(points) for points in found):
            return None
        edges, sides, triangles = skin_edges(head)
        scale = torch.tensor([seen.face.scale for seen in session.observations])
        return Contour(
            weight, sigma, edges, sides, triangles,
            tuple(points.to(head.device) for points in found), scale.to(head.device),
        )  # fmt: skip

    def __call__(self, step: Step) -> Tensor:
        assert step.vertices is not None
        camera = step.session.camera(step.state, step.crops)
        placed = step.crops.in_photo(camera.project(step.vertices))
        total, count = placed.new_zeros(()), 0
        for seen, points, scale in zip(self.observed, placed, self.scale, strict=True):
            if not len(seen):
                continue
            miss = ((seen - self._nearest(points, seen)) / scale).square().sum(-1)
            near = miss.detach() < FAR**2
            total = total + torch.where(near, miss, 0.0).sum() / self.sigma**2
            count += len(seen)
        return total / max(count, 1)

    def _nearest(self, points: Tensor, seen: Tensor) -> Tensor:
        """Of each of seen [N,2], the nearest middle [N,2] of an edge between a triangle that faces
        the camera and one that does not; points [V,2] are the projected vertices."""
        with torch.no_grad():
            corners = points[self.triangles]
            first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
            front = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0
            chosen = front[self.sides[:, 0]] != front[self.sides[:, 1]]
        if points.device.type == "cpu":
            rim = points[self.edges[chosen]].mean(1)
            with torch.no_grad():
                nearest = torch.cdist(seen, rim).argmin(1)
            return rim[nearest]
        with torch.no_grad():  # how many there are, the host would have to wait for
            away = torch.cdist(seen, points[self.edges].mean(1))
            nearest = away.masked_fill(~chosen, torch.inf).argmin(1)
        return points[self.edges[nearest]].mean(1)


def skin_edges(head: HeadModel) -> tuple[Tensor, Tensor, Tensor]:
    """Edges [E,2] of the skin that two triangles share, those triangles [E,2], and the skin's
    triangles [T,3]."""
    triangles = head.part_triangles(head.skin.name)
    count = len(triangles)
    ends = torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    owner = torch.arange(count, device=ends.device).repeat(3)
    low, high = ends.amin(1), ends.amax(1)
    key, order = (low * len(head.mean) + high).sort(stable=True)
    same = (key[1:] == key[:-1]).nonzero()[:, 0]
    pairs = torch.stack([order[same], order[same + 1]], 1)
    return ends[pairs[:, 0]], owner[pairs], triangles
