"""Hands at the face, and what people hold before it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fitme.head.model import HeadModel
from fitme.models.train.photos import gestures, things
from fitme.models.train.photos.kinds import draw_kind
from fitme.models.train.photos.measures import Measures
from fitme.models.train.photos.prop import Array, Prop

Rng = np.random.Generator

# How often, among photos with something held; set by eye.
CHANCE = {
    "chin": 0.14, "cheek": 0.12, "finger": 0.1, "mouth": 0.08, "forehead": 0.06, "hair": 0.07,
    "both cheeks": 0.05, "before the face": 0.06, "microphone": 0.17, "held microphone": 0.08,
    "phone": 0.04, "cup": 0.03,
}  # fmt: skip


def draw_held(
    rng: Rng,
    head: HeadModel,
    vertices: Array,
    skin_rgb: Array,
    *,
    kind: str | None = None,
    measures: Measures | None = None,
) -> list[Prop]:
    """Something held at vertices [V,3] of a head, metres, by hands of the linear colour skin_rgb
    [3]; kind: a key of CHANCE, None draws one.
    `measures` are the head's, if already taken."""
    measures = measures or Measures.of(head, vertices)
    return _KINDS[draw_kind(rng, CHANCE, kind)](rng, measures, np.asarray(skin_rgb))


_KINDS: dict[str, Callable[[Rng, Measures, Array], list[Prop]]] = {
    "chin": gestures.at_chin,
    "cheek": gestures.at_cheek,
    "finger": gestures.finger,
    "mouth": gestures.over_mouth,
    "forehead": gestures.at_forehead,
    "hair": gestures.in_hair,
    "both cheeks": gestures.both_cheeks,
    "before the face": gestures.before,
    "microphone": things.microphone,
    "held microphone": things.held_microphone,
    "phone": things.phone,
    "cup": things.cup,
}
