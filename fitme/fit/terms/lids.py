"""How wide the eyes are open, by the edges of the lids that pictures show.

Landmarks of an upper lid are tied to where its lashes grow. What a picture shows is the lid's lower
edge, 0.4 to 1.4 mm below, the more the more the eye is shut: fits whose landmarks lay right had
openings too low by as much (five photos).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.session import Session
from fitme.fit.terms.base import Step
from fitme.head.lids import COLUMNS, lid_seams
from fitme.head.openings import LOWER, UPPER, height_of
from fitme.landmarks.face import FaceLandmarks

MIDDLE = slice(COLUMNS // 5, -(COLUMNS // 5))  # columns of a lid's edge: corners are unsure
# Interocular distances, by which landmarks of an upper lid lie above its edge: they are put to
# where lashes begin. Judged by eye on five photos, 0 to 0.012, most in two blurred ones; with
# 0.008 the lids of two narrow pairs of eyes cut the pupils.
LASHES = 0.004
BENDS = 3.0  # deviations beyond which an edge loses weight
IN_ENCODER = 10  # the encoder's points of the lids follow those of the irises
# Landmarks that the encoder's points of the lids are, in their order.
ENCODED = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,
    263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466,
)  # fmt: skip


@dataclass(frozen=True)
class Edge:
    """One lid: where it is on the head, and where P photos have it."""

    index: Tensor  # [M] vertices
    weights: Tensor  # [C,M] that make points of its edge
    contours: Tensor  # [P,K,2] pixels, along the eye and down
    lifted: float  # interocular distances that landmarks lie above the edge


@dataclass(frozen=True)
class LidEdges:
    """Robust mean square of the distances of lids' edges from where photos show them, and of the
    openings' widths between them, in units of `sigma` interocular distances."""

    weight: float
    sigma: float
    eyes: tuple[tuple[Edge, Edge], ...]  # upper and lower lid
    turned: Tensor  # [P,eyes,2,2] along an eye and down, as columns
    scale: Tensor  # [P] photo pixels
    name: str = "lids"

    @staticmethod
    def of(session: Session, weight: float, sigma: float, scale: Tensor) -> LidEdges | None:
        """The term for a session's photos; None for a head without lids that shut."""
        points = torch.stack([lid_points(seen.face) for seen in session.observations]).to(scale)
        eyes, turned = [], []
        for side, seam in enumerate(lid_seams(session.head)):
            upper, lower = points[:, list(UPPER[side])], points[:, list(LOWER[side])]
            along = F.normalize(upper[:, -1] - upper[:, 0], dim=-1)
            down = torch.stack([-along[:, 1], along[:, 0]], -1)
            turned.append(torch.stack([along, down], -1))
            first = Edge(seam.margin[0], seam.margin[1][MIDDLE], upper @ turned[-1], LASHES)
            second = Edge(seam.ridge[0], seam.ridge[1][MIDDLE], lower @ turned[-1], 0.0)
            eyes.append((first, second))
        if not eyes:
            return None
        return LidEdges(weight, sigma, tuple(eyes), torch.stack(turned, 1), scale)

    def __call__(self, step: Step) -> Tensor:
        assert step.vertices is not None
        camera, miss = step.session.camera(step.state, step.crops), []
        for side, eye in enumerate(self.eyes):
            below = []
            for edge in eye:
                points = camera.project(edge.weights @ step.vertices[:, edge.index])
                points = step.crops.in_photo(points) @ self.turned[:, side]
                off = torch.stack([
                    found[:, 1] - height_of(contour, found[:, 0].detach())
                    for found, contour in zip(points, edge.contours, strict=True)
                ])  # fmt: skip
                below.append(off / self.scale[:, None] - edge.lifted)
            miss += [*below, below[1] - below[0]]
        square = (torch.stack(miss) / self.sigma).square()
        return torch.log1p(square / BENDS**2).mean() * BENDS**2


def lid_points(face: FaceLandmarks) -> Tensor:
    """The landmarks [478,2], those of lids as the mean of both networks', of which the one draws
    wide eyes too wide and the other narrow ones."""
    points = face.points.clone()
    if face.encoded is not None and not face.derived:
        told = face.encoded.points[IN_ENCODER : IN_ENCODER + len(ENCODED)].to(points)
        points[list(ENCODED)] = (points[list(ENCODED)] + told) / 2
    return points
