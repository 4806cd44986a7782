"""The encoder's dense landmarks, each with its own uncertainty (Wood et al., "3D Face
Reconstruction with Dense Landmarks", ECCV 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.fit.session import Session
from fitme.fit.terms.base import Step
from fitme.segment.encoder import EncodedFace

BENDS = 3.0  # deviations beyond which a point loses weight


@dataclass(frozen=True)
class Dense:
    """Robust mean square of the points' distances in units of `widen` times their spreads."""

    weight: float
    widen: float
    corners: Tensor  # [N,3] vertices around each point
    barycentric: Tensor  # [N,3]
    observed: Tensor  # [P,N,2] photo pixels
    spread: Tensor  # [P,N] photo pixels; infinite in photos that the encoder did not see
    name: str = "dense"

    @staticmethod
    def of(session: Session, weight: float, widen: float) -> Dense | None:
        """The term for a session's photos; None where the encoder saw none of them."""
        encoded = [seen.face.encoded for seen in session.observations]
        known = [one for one in encoded if one is not None]
        if not known:
            return None
        head = session.head
        triangles = known[0].triangles.to(head.device)
        points = torch.stack([_points(one, known[0]) for one in encoded])
        spread = torch.stack([_spread(one, known[0]) for one in encoded])
        return Dense(
            weight, widen, head.triangles[triangles], known[0].barycentric.to(head.device),
            points.to(head.device), spread.to(head.device),
        )  # fmt: skip

    def __call__(self, step: Step) -> Tensor:
        assert step.vertices is not None
        points = (step.vertices[:, self.corners] * self.barycentric[None, ..., None]).sum(2)
        camera = step.session.camera(step.state, step.crops)
        placed = step.crops.in_photo(camera.project(points))
        miss = (placed - self.observed) / (self.widen * self.spread)[..., None]
        square = miss.square().sum(-1) / BENDS**2
        return (torch.log1p(square) * BENDS**2).mean()


def _points(encoded: EncodedFace | None, like: EncodedFace) -> Tensor:
    return torch.zeros_like(like.points) if encoded is None else encoded.points


def _spread(encoded: EncodedFace | None, like: EncodedFace) -> Tensor:
    return torch.full_like(like.spread, float("inf")) if encoded is None else encoded.spread
