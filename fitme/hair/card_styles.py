"""How cards are cut from hair: the layers of each sort, from inner to outer ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COVER = 2.0  # half-width of a card in standard deviations of its strands: cards overlap
# Cards that all triangles would make, and what 7.3 mm are of a card's half-width: measured on cards
# of the middle layer of three people's, long, to the chin and short
SHARES = ((560, 0.48), (790, 1.0), (4200, 2.5))


@dataclass(frozen=True)
class Layer:
    """One layer of cards. Lengths in metres, angles in degrees."""

    strips: str  # kind of strip
    share: float  # of the triangles
    columns: int  # vertices across
    raised: float  # from where the strands are
    twist: float  # standard deviation about the hair's direction
    curve: float  # of the half-width that the edges are bent down
    outer: float = 0.0  # share of the strands, the inner ones, that are left out
    single: float = 0.0  # half-width where a card is one strand
    cover: float = COVER  # half-width otherwise, in standard deviations of the card's strands


@dataclass(frozen=True)
class CardStyle:
    """How cards are cut from one sort of strands."""

    name: str
    layers: tuple[Layer, ...]
    triangles: int  # about how many at full detail
    segment: float  # metres of hair per quad
    most: int  # quads along a card
    least_half: float  # metres
    facing: tuple[float, float, float] | None = None  # instead of outwards
    on_skin: bool = True  # kept out of it


HAIR_CARDS = CardStyle(
    "hair",
    (
        Layer("dense", 0.22, 2, -0.0012, 4.0, 0.0),
        Layer("medium", 0.40, 2, 0.0004, 5.0, 0.0),
        Layer("sparse", 0.24, 2, 0.0014, 9.0, 0.0, outer=0.4),
        Layer("wispy", 0.14, 2, 0.0006, 30.0, 0.0, single=0.0018),
    ),
    16800, 0.014, 16, 0.0012,
)  # fmt: skip
STANDING = (  # layers of hair that stands on end, such as an afro: between its tips one looks in
    Layer("medium", 0.35, 2, -0.012, 15.0, 0.0),
    Layer("sparse", 0.50, 2, 0.0, 25.0, 0.0),
    Layer("wispy", 0.15, 2, 0.001, 40.0, 0.0, single=0.004),
)
BEARD_CARDS = CardStyle(
    "beard",
    (
        Layer("dense", 0.5, 2, 0.0, 12.0, 0.0),
        Layer("medium", 0.35, 2, 0.0004, 25.0, 0.0),
        Layer("sparse", 0.15, 2, 0.0008, 35.0, 0.0, outer=0.4),
    ),
    6000, 0.010, 4, 0.0010,
)  # fmt: skip


def quads_along(style: CardStyle, length: float, smooth: float) -> float:
    """How many quads a card of hair of `length` metres has at full detail; `smooth` as of
    `make_cards`."""
    if smooth > 0 and length / smooth < style.most / 3:
        return style.most  # bends as often as that
    return min(length / style.segment, style.most)


def strand_share(style: CardStyle, length: float, smooth: float) -> float:
    """Width of a strand as a share of its card's, beside that of hair as long as a bob's: cards of
    long hair are fewer and wider."""
    cards = max(style.triangles / (2 * quads_along(style, length, smooth)), 1)
    return float(np.exp(np.interp(np.log(cards), *np.log(SHARES).T)))
