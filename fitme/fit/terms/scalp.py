"""The term that gives W the colour of hair on top of the head (`fitme.fit.evidence.scalp`)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.fit.evidence.scalp import log_mean
from fitme.fit.terms.base import Step

SPREAD = 0.5  # log albedo at which the loss bends


def scalp_loss(albedo: Tensor, crown: Tensor, cheeks: Tensor, contrast: Tensor) -> Tensor:
    """Cauchy loss of the log of the mean albedo [1,R,R,3] over `crown` [R,R] less that over
    `cheeks` [R,R], against `contrast` [3]. Of the contrast, as darker skin is no darker hair."""
    miss = (log_mean(albedo, crown) - log_mean(albedo, cheeks) - contrast) / SPREAD
    return torch.log1p(miss.square()).mean()


@dataclass(frozen=True)
class Scalp:
    """See `scalp_loss`."""

    weight: float
    crown: Tensor  # [R,R]
    cheeks: Tensor  # [R,R]
    contrast: Tensor  # [3]
    name: str = "scalp"

    def __call__(self, step: Step) -> Tensor:
        return scalp_loss(step.maps.diffuse_albedo, self.crown, self.cheeks, self.contrast)
