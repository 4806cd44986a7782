"""What sits on the head: beanies, caps, hats, helmets, bands, turbans, head scarves, hoods,
headphones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fitme.head.model import HeadModel
from fitme.models.train.photos import hats, headphones, wraps
from fitme.models.train.photos.kinds import draw_kind
from fitme.models.train.photos.measures import Measures
from fitme.models.train.photos.prop import Array, Prop

Rng = np.random.Generator

# How often what is on the head in photos of people with something on the head; set by eye.
CHANCE = {
    "cap": 0.25, "beanie": 0.15, "brimmed hat": 0.14, "head scarf": 0.14, "headphones": 0.1,
    "hood": 0.07, "headband": 0.06, "helmet": 0.04, "turban": 0.05,
}  # fmt: skip


def draw_headwear(
    rng: Rng,
    head: HeadModel,
    vertices: Array,
    *,
    kind: str | None = None,
    measures: Measures | None = None,
) -> list[Prop]:
    """One thing on vertices [V,3] of a head, metres; kind: a key of CHANCE, None draws one.
    `measures` are the head's, if already taken."""
    measures = measures or Measures.of(head, vertices)
    return _KINDS[draw_kind(rng, CHANCE, kind)](rng, measures)


_KINDS: dict[str, Callable[[Rng, Measures], list[Prop]]] = {
    "cap": hats.cap,
    "beanie": hats.beanie,
    "brimmed hat": hats.brimmed,
    "head scarf": wraps.head_scarf,
    "headphones": headphones.headphones,
    "hood": wraps.hood,
    "headband": hats.headband,
    "helmet": hats.helmet,
    "turban": hats.turban,
}
