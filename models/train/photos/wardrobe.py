"""Which hair, beard, brows and lashes a synthetic person has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fitme.hair import HairColor, draw_hair_color
from fitme.models.train.photos.hair_pool import HairPool
from fitme.models.train.photos.hairdos import Growth
from fitme.models.train.photos.prop import Prop
from fitme.models.train.photos.skins import Skin
from fitme.segment.labels import Label

HAIRLESS, BEARDED, OWN_BROWS = 0.06, 0.24, 0.35  # shares of people; others' brows are painted
OWN_LASHES = 0.5  # of those with brows
DARK_SKIN = 0.16  # mean linear albedo of the cheeks below which hair is mostly black
BLACK = 6.0  # eumelanin


def draw_growths(
    rng: np.random.Generator, pool: HairPool, vertices: np.ndarray, skin: Skin,
    props: Sequence[Prop],
) -> list[Growth]:  # fmt: skip
    """Hair on vertices [V,3] of a head, metres; under a hat it lies flat."""
    color = hair_color(rng, skin)
    growths: list[Growth] = []

    def add(kind: str, own: HairColor) -> None:
        grown = pool.draw(kind, rng)
        growths.append(Growth(grown.strands.on(vertices), own, grown.label))

    if rng.random() > HAIRLESS:
        add("flat" if has_hat(props) else "hair", color)
    if rng.random() < BEARDED:
        add("beard", replace(color, pheomelanin=color.pheomelanin * 1.4, dyed=0.0))
    if rng.random() < OWN_BROWS:
        darker = replace(color, eumelanin=1.3 * color.eumelanin + 0.3, dyed=0.0)
        add("brows", darker)
        if rng.random() < OWN_LASHES:
            add("lashes", replace(darker, grey=0.0))
    return growths


def hair_color(rng: np.random.Generator, skin: Skin) -> HairColor:
    """Any colour; nearly always black or grey with dark skin."""
    color = draw_hair_color(rng)
    if skin.tone.mean() < DARK_SKIN and rng.random() < 0.9:
        color = replace(color, eumelanin=max(color.eumelanin, BLACK), dyed=0.5 * color.dyed)
    return color


def has_hat(props: Sequence[Prop]) -> bool:
    """Whether something lies on the top of the head."""
    return any(
        prop.label in (Label.OTHER, Label.CLOTHES) and prop.vertices[:, 1].mean() > 0.05
        for prop in props
    )
