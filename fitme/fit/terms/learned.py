"""Terms by trained networks, where they were downloaded."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from fitme.fit.observation import Crops
from fitme.fit.session import Session
from fitme.fit.terms.base import Step, Term
from fitme.learned import LearnedLosses, LearnedTarget


@dataclass
class _Found:
    """The networks' losses of the latest step, which run once for both terms."""

    losses: LearnedLosses
    target: LearnedTarget
    step: Step | None = None
    values: dict[str, Tensor] = field(default_factory=dict)

    def of(self, step: Step) -> dict[str, Tensor]:
        if self.step is not step:
            rendered, weight = step.rendered.clamp(0, 1), step.weight.clamp(0, 1)
            self.step, self.values = step, self.losses.terms(rendered, self.target, weight)
        return self.values


@dataclass(frozen=True)
class Learned:
    """One of `LearnedLosses.terms`."""

    name: str
    weight: float
    key: str  # what `LearnedLosses` calls it
    found: _Found

    def __call__(self, step: Step) -> Tensor:
        return self.found.of(step)[self.key]


def learned(session: Session, crops: Crops) -> list[Term]:
    """What the crops look like to the networks that are there, if any are."""
    losses, settings = session.models.learned, session.settings.terms
    if not losses:
        return []
    points = crops.from_photo(session.landmarks(crops))
    found = _Found(losses, losses.target(crops.display.clamp(0, 1), points))
    terms: list[Term] = []
    if losses.perceptual is not None:
        terms.append(Learned("lpips", settings.lpips, "lpips", found))
    if losses.identity is not None:  # "identity" is the shape's regularizer here
        terms.append(Learned("recognition", settings.recognition, "identity", found))
    return terms
