"""`lash_cards`: lashes as a mesh that follows the lids."""

from __future__ import annotations

from dataclasses import replace

from fitme.hair.brows import grow_lashes
from fitme.hair.card_atlas import LASH_STRIPS, CardAtlas, Wave, draw_atlas
from fitme.hair.card_styles import CardStyle, Layer
from fitme.hair.cards import HairCards, make_cards
from fitme.hair.color import HairColor
from fitme.hair.dressed import Dressed, strand_tones
from fitme.hair.lashes import has_lashes, hinge_of
from fitme.hair.styles import BrowStyle
from fitme.head.model import HeadModel

LASH_CARDS = CardStyle(
    "lashes", (Layer("lash", 1.0, 2, 0.0, 8.0, 0.0),), 760, 0.002, 4, 0.0011,
    facing=(0.0, 1.0, 0.0), on_skin=False,
)  # fmt: skip
ATLAS = (256, 256)  # pixels
FRAY = 0.04  # share of a lash's length: they begin in one line


def lash_cards(
    head: HeadModel, style: BrowStyle | None = None, seed: int = 0, detail: float = 1.0
) -> tuple[HairCards, CardAtlas]:
    """Lashes of all four lids on the mean shape of `head`, and what is drawn on them, in the
    darkest brown; `lashes` gives them a person's colour.

    `HairCards.on` puts them on a head of any identity and expression: roots stay on the skin of the
    lid's margin, and lashes turn about the eye with it.
    """
    made = lashes(head, HairColor(), style, seed, detail)
    return made.cards, made.atlas


def lashes(
    head: HeadModel, color: HairColor, style: BrowStyle | None = None, seed: int = 0,
    detail: float = 1.0,
) -> Dressed:  # fmt: skip
    """The same in a colour. Raises ValueError for a style without lashes or a head without eyes."""
    if not has_lashes(head):
        raise ValueError("lashes need a head with lids and two eyes")
    strands = grow_lashes(head, style or BrowStyle(), seed)
    tones = strand_tones(strands, color, seed)
    atlas = draw_atlas(LASH_STRIPS, tones, Wave(), ATLAS, seed, FRAY)
    cards = make_cards(strands, LASH_CARDS, atlas, seed, detail=detail)
    columns = cards.columns
    hinge = hinge_of(head, columns.points, columns.triangle, columns.barycentric)
    return Dressed(replace(cards, hinge=hinge), atlas)
