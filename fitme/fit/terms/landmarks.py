"""Terms that compare where the head's landmarks lie with where they were seen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.fit.align import OPENINGS
from fitme.fit.terms.base import Step
from fitme.runtime.constants import indices


def landmarks(
    projected: Tensor, observed: Tensor, scale: Tensor, weight: Tensor, sigma: float
) -> Tensor:
    """Robust mean squared deviation of landmarks [P,N,2] in units of `sigma` interocular
    distances; scale [P] in pixels, weight [N]."""
    miss = (projected - observed) / scale[:, None, None]
    square = miss.square().sum(-1) / sigma**2
    return (weight * torch.log1p(square / 9) * 9).mean()


def openings(
    projected: Tensor, observed: Tensor, scale: Tensor, pairs: tuple[tuple[int, int], ...],
    sigma: float,
) -> Tensor:  # fmt: skip
    """Mean square of how much wider or narrower lips and lids stand than landmarks [P,N,2] show, in
    units of `sigma` interocular distances; scale [P] in pixels. The distance between two near
    points is seen better than where they are (DECA, arXiv 2012.04012, section 4.2)."""
    first, second = indices(tuple(pairs), projected).T
    gaps = [points[:, first] - points[:, second] for points in (projected, observed)]
    miss = (gaps[0] - gaps[1]) / scale[:, None, None] / sigma
    return torch.log1p(miss.square().sum(-1) / 9).mean() * 9


@dataclass(frozen=True)
class Landmarks:
    """See `landmarks`."""

    weight: float
    sigma: float
    observed: Tensor  # [P,N,2] photo pixels
    scale: Tensor  # [P] photo pixels, `FaceLandmarks.scale`
    name: str = "landmark"

    def __call__(self, step: Step) -> Tensor:
        trust = step.session.head.landmark_weight
        return landmarks(step.landmarks, self.observed, self.scale, trust, self.sigma)


@dataclass(frozen=True)
class Openings:
    """See `openings`."""

    weight: float
    sigma: float
    observed: Tensor  # [P,N,2] photo pixels
    scale: Tensor  # [P] photo pixels
    pairs: tuple[tuple[int, int], ...] = OPENINGS
    name: str = "opening"

    def __call__(self, step: Step) -> Tensor:
        return openings(step.landmarks, self.observed, self.scale, self.pairs, self.sigma)
