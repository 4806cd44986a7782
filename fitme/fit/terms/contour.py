"""The head's outline against that of the photo (HRN, arXiv 2302.14434, contour-aware loss).

HRN compares row by row; here each point of the photo's outline is compared with the nearest of
the head's, so that ears and the jaw's underside count as its sides do. Where the jaw ends before
the neck is seen by its labels, and is the head's outline or, where skin runs on, the template's own
border of the neck.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.fit.evidence.outline import jaw_line, neck_sides, outline
from fitme.fit.session import Session
from fitme.fit.terms.base import Step
from fitme.head.model import HeadModel
from fitme.landmarks.face import FaceLandmarks

FAR = 0.35  # interocular distances: outlines farther apart do not belong together
FEWEST = 12  # points of an outline
# Of a distance at the jaw, where labels are less sure than before a background (IoU of necks 85 %).
# As 1, dlib's distance of one of nine photos grew from 0.33 to 0.42 (with 0.6 to 0.39).
JAW = 0.6


@dataclass(frozen=True)
class Borders:
    """What was seen in a photo, in its pixels."""

    outline: Tensor  # [N,2] of head and neck
    jaw: Tensor  # [M,2] of the face before the neck

    @staticmethod
    def of(face: FaceLandmarks) -> Borders:
        """Empty where the encoder saw nothing."""
        none = torch.zeros(0, 2)
        if face.encoded is None:
            return Borders(none, none)
        parts = (outline(face.encoded), neck_sides(face), jaw_line(face.encoded))
        rim, sides, jaw = (points if len(points) >= FEWEST else none for points in parts)
        return Borders(torch.cat([rim, sides]), jaw)

    def to(self, device: torch.device) -> Borders:
        """The same on another device."""
        return Borders(self.outline.to(device), self.jaw.to(device))

    def __len__(self) -> int:
        return len(self.outline) + len(self.jaw)


@dataclass(frozen=True)
class Contour:
    """Mean square distance of the outlines in units of `sigma` interocular distances."""

    weight: float
    sigma: float
    edges: Tensor  # [E,2] vertices of the skin's edges
    sides: Tensor  # [E,2] the triangles beside each
    triangles: Tensor  # [T,3] of the skin
    neck: Tensor  # [E] bool, edges across the border of face and neck
    observed: tuple[Borders, ...]  # per photo
    scale: Tensor  # [P] photo pixels
    name: str = "contour"

    @staticmethod
    def of(session: Session, weight: float, sigma: float) -> Contour | None:
        """The term for a session's photos; None where no outline was seen."""
        head = session.head
        observed = tuple(Borders.of(seen.face).to(head.device) for seen in session.observations)
        if not any(map(len, observed)):
            return None
        edges, sides, triangles = skin_edges(head)
        below = head.regions.get("neck", torch.zeros_like(head.mean[:, 0])) > 0.5
        scale = torch.tensor([seen.face.scale for seen in session.observations])
        return Contour(
            weight, sigma, edges, sides, triangles, below[edges[:, 0]] != below[edges[:, 1]],
            observed, scale.to(head.device),
        )  # fmt: skip

    def __call__(self, step: Step) -> Tensor:
        assert step.vertices is not None
        camera = step.session.camera(step.state, step.crops)
        placed = step.crops.in_photo(camera.project(step.vertices))
        total, count = placed.new_zeros(()), 0
        for seen, points, scale in zip(self.observed, placed, self.scale, strict=True):
            if not len(seen):
                continue
            miss = (self._missed(points, seen) / scale).square().sum(-1)
            near = miss.detach() < FAR**2
            total = total + torch.where(near, miss, 0.0).sum() / self.sigma**2
            count += len(seen)
        return total / max(count, 1)

    def _missed(self, points: Tensor, seen: Borders) -> Tensor:
        """From the points that were seen to the nearest of the head, [N+M,2]: to the middles of
        edges between a triangle that faces the camera and one that does not, for the jaw also of
        edges on the border of the neck that face it, and `JAW` of the way. points [V,2] are the
        projected vertices."""
        with torch.no_grad():
            corners = points[self.triangles]
            first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
            front = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0
            one, other = front[self.sides[:, 0]], front[self.sides[:, 1]]
            rim = one != other
            border = rim | (self.neck & one & other)
        return torch.cat(
            [
                seen.outline - _nearest(points, self.edges, rim, seen.outline),
                JAW * (seen.jaw - _nearest(points, self.edges, border, seen.jaw)),
            ]
        )


def _nearest(points: Tensor, edges: Tensor, among: Tensor, seen: Tensor) -> Tensor:
    """The middles [N,2] of the edges `among` [E] all edges [E,2] of points [V,2] that are nearest
    to seen [N,2]."""
    if not len(seen):
        return seen
    if points.device.type == "cpu":
        edges = edges[among]
    with torch.no_grad():
        away = torch.cdist(seen, points[edges].mean(1))
        if points.device.type != "cpu":  # how many there are, the host would have to wait for
            away = away.masked_fill(~among, torch.inf)
        nearest = away.argmin(1)
    return points[edges[nearest]].mean(1)


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
