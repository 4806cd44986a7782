"""What a term is, and what a step shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

from fitme.fit.descent import Losses
from fitme.fit.observation import Crops, display
from fitme.fit.session import Session
from fitme.fit.settings import PriorSettings
from fitme.fit.state import FitState
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.render import RenderOutput

COARSE = 8  # texels over which pivot and hue are averaged: fine detail is what tuning is for


@dataclass(frozen=True)
class Step:
    """What one step of a stage has drawn. P photos, crops of n pixels, maps of R texels."""

    session: Session
    state: FitState
    crops: Crops
    out: RenderOutput
    weight: Tensor  # [P,n,n] how much each pixel counts
    maps: ReflectanceMaps  # [1,R,R,.]
    signal: Tensor | None = None  # [1,C,R,R] of the generator, while it is tuned
    vertices: Tensor | None = None  # [P,V,3], where the geometry moves

    @cached_property
    def rendered(self) -> Tensor:
        """The render as the losses compare it, display-encoded [P,n,n,3]."""
        return display(self.out.color, self.crops.some_gray)

    @property
    def target(self) -> Tensor:
        """The photos likewise."""
        return self.crops.display

    @cached_property
    def coarse_signal(self) -> Tensor:
        """The generator's signal averaged over COARSE texels."""
        assert self.signal is not None
        return F.avg_pool2d(self.signal, COARSE)

    @cached_property
    def landmarks(self) -> Tensor:
        """The head's landmarks [P,N,2] in photo pixels."""
        assert self.vertices is not None
        head = self.session.head
        camera = self.session.camera(self.state, self.crops)
        return self.crops.in_photo(camera.project(head.landmarks(self.vertices)))


class Term(Protocol):
    """A loss. `name` is what logs and `fit.json` call it."""

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> float: ...

    def __call__(self, step: Step) -> Tensor:
        """The loss before its weight, a scalar."""
        ...


def weighted(terms: Sequence[Term], step: Step) -> Losses:
    """The terms by name, each times its weight."""
    return {term.name: term.weight * term(step) for term in terms}


def priors(weights: PriorSettings, state: FitState) -> Losses:
    """The state's regularizers by name, each times its weight."""
    return {name: getattr(weights, name) * value for name, value in state.regularizer().items()}
