"""Terms that hold the tuned generator to its pivot (Roich et al., arXiv 2106.05744), and both sides
of the face to each other. Signals are [1,C,R,R], see `ReflectanceMaps.from_signal`."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fitme.fit.terms.base import Step
from fitme.models.stylegan2 import mirror_signal

NEAR = 0.1  # weight of the pivot where texels were seen


def mirror_difference(signal: Tensor, weight: Tensor) -> Tensor:
    """Mean L1 between signals [B,C,R,R] and their detached mirror images where `weight` [R,R]."""
    mirrored = mirror_signal(signal.detach())
    return ((signal - mirrored).abs().mean(1) * weight).sum() / weight.sum().clamp_min(1)


@dataclass(frozen=True)
class Mirror:
    """See `mirror_difference`: what was not seen looks like the other side."""

    weight: float
    unseen: Tensor  # [R,R] not seen, the mirror image seen
    name: str = "mirror"

    def __call__(self, step: Step) -> Tensor:
        assert step.signal is not None
        return mirror_difference(step.signal, self.unseen)


@dataclass(frozen=True)
class Pivot:
    """Mean L1 of how far the smoothed signal has moved, most where no photo shows it."""

    weight: float
    coarse: Tensor  # [1,C,R/8,R/8] the pivot's signal, smoothed
    away: Tensor  # [R/8,R/8] share not seen
    name: str = "pivot"

    def __call__(self, step: Step) -> Tensor:
        return (moved(step, self.coarse).abs().mean(1) * (NEAR + self.away)).mean()


@dataclass(frozen=True)
class Hue:
    """Mean L1 of how far the smoothed diffuse albedo's chroma has moved, make-up left out."""

    weight: float
    coarse: Tensor  # [1,C,R/8,R/8]
    bare: Tensor  # [R/8,R/8] neither brows nor lips
    name: str = "hue"

    def __call__(self, step: Step) -> Tensor:
        change = moved(step, self.coarse)
        hue = change[:, :3] - change[:, :3].mean(1, keepdim=True)
        return (hue.abs().mean(1) * self.bare).mean()


def moved(step: Step, coarse: Tensor) -> Tensor:
    """The step's signal, smoothed, less the pivot's."""
    return step.coarse_signal - coarse
