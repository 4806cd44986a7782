"""How cards are cut from hair: the layers of each sort, from inner to outer ones."""

from __future__ import annotations

from dataclasses import dataclass

COVER = 2.0  # half-width of a card in standard deviations of its strands: cards overlap


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
    15500, 0.018, 15, 0.0012,
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
