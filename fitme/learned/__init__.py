"""Losses and measures from trained networks that do not come with fitme. All are optional.

    losses = LearnedLosses.load(device, progress.note)           # says in one line what is off
    target = losses.target(photo, landmarks)                     # once per photo
    for name, value in losses.terms(rendered, target, weight).items():  # "lpips", "identity"
        loss = loss + weights[name] * value

`fitme models` (or `fitme.learned.store`) brings the networks into the cache.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitme.learned.identity import FaceFeatures, load_identity, similarity
    from fitme.learned.losses import LearnedLosses, LearnedTarget
    from fitme.learned.perceptual import Perceptual, load_perceptual

__all__ = [
    "FaceFeatures",
    "LearnedLosses",
    "LearnedTarget",
    "Perceptual",
    "load_identity",
    "load_perceptual",
    "similarity",
]

_HOME = {  # imported at first use: `fitme models` needs the list of models, but not torch
    "FaceFeatures": "identity",
    "LearnedLosses": "losses",
    "LearnedTarget": "losses",
    "Perceptual": "perceptual",
    "load_identity": "identity",
    "load_perceptual": "perceptual",
    "similarity": "identity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fitme.learned' has no attribute {name!r}")
    return getattr(import_module(f"fitme.learned.{_HOME[name]}"), name)
