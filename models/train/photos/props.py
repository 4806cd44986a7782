"""Everything that one person in a synthetic photo wears and holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fitme.head.model import HeadModel
from fitme.models.train.photos.eyewear import draw_glasses
from fitme.models.train.photos.garments import draw_garment
from fitme.models.train.photos.headwear import draw_headwear
from fitme.models.train.photos.held import draw_held
from fitme.models.train.photos.masks import draw_mask
from fitme.models.train.photos.measures import Measures
from fitme.models.train.photos.prop import Array, Prop


@dataclass(frozen=True)
class Frequencies:
    """How often a person has what, each in 0..1. The garment is always there."""

    glasses: float = 0.30
    sunglasses: float = 0.04
    headwear: float = 0.15
    held: float = 0.15
    mask: float = 0.04


def draw_props(
    rng: np.random.Generator,
    head: HeadModel,
    vertices: Array,
    skin_rgb: Array,
    *,
    frequencies: Frequencies = Frequencies(),
    turn: float | None = None,
    wide: bool | None = None,
) -> list[Prop]:
    """Clothes, and by chance glasses, headwear, a mask and things held.

    vertices [V,3] of the head, metres; skin_rgb [3] linear, of neck and hands; turn: degrees of
    the body's yaw against the head, None draws within +-25; wide: a man's or a woman's shoulders.
    """
    eyes, top, held, mask = rng.random(4)
    if turn is None:
        turn = float(np.clip(rng.normal(0, 9), -25, 25))
    measures = Measures.of(head, vertices)
    props = draw_garment(rng, head, vertices, skin_rgb, turn=turn, wide=wide, measures=measures)
    if eyes < frequencies.glasses + frequencies.sunglasses:
        dark = bool(eyes >= frequencies.glasses)
        props += draw_glasses(rng, head, vertices, sunglasses=dark, measures=measures)
    if top < frequencies.headwear:
        props += draw_headwear(rng, head, vertices, measures=measures)
    if mask < frequencies.mask:
        props += draw_mask(rng, head, vertices, measures=measures)
    if held < frequencies.held:
        props += draw_held(rng, head, vertices, skin_rgb, measures=measures)
    return props
