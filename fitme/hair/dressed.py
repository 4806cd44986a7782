"""`dress`: all the cards that a person's hair is in a game, with the atlas of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.card_atlas import (
    HAIR_STRIPS,
    TUFT_STRIPS,
    CardAtlas,
    StripKind,
    Wave,
    atlas_width,
    draw_atlas,
)
from fitme.hair.card_styles import BEARD_CARDS, HAIR_CARDS, CardStyle, strand_share
from fitme.hair.cards import HairCards, make_cards
from fitme.hair.color import HairColor
from fitme.hair.finish import arc_lengths
from fitme.hair.locks import ALONG, lightness
from fitme.hair.strands import Kind, Strands
from fitme.hair.styles import HairStyle
from fitme.hair.worn import Hair
from fitme.head.model import HeadModel

Floats = NDArray[np.floating[Any]]

DETAIL = (1.0, 0.5, 0.2)  # share of the triangles at levels of detail 0, 1, 2
ATLAS_SIDE = 2048  # pixels across the strips: a strand is two of them wide, or 0.15 mm
HALF_CARD = 0.007  # metres, usual half-width of a card
ROOT_FRAY = 0.003  # metres over which the strands of a strip begin
FEW_TURNS = 2.5  # along hair, that cards bend themselves: more would be zigzags
TONES = 96  # strands whose colours an atlas is drawn with


@dataclass(frozen=True)
class Dressed:
    """Cards and what is drawn on them."""

    cards: HairCards
    atlas: CardAtlas


def hair_of_head(
    hair: Hair, head: HeadModel, *, level: int = 0, side: int = ATLAS_SIDE
) -> list[Dressed]:
    """Cards of hair and beard on the mean shape of `head`; put them on a person's with
    `HairCards.on`. The same hair gives the same cards."""
    if not hair:
        return []
    mean = head.mean.detach().cpu().numpy().astype(np.float32)
    strands = hair.strands(head, mean)
    out = []
    kinds: list[tuple[Kind, CardStyle, tuple[StripKind, ...]]] = [
        (Kind.HAIR, HAIR_CARDS, HAIR_STRIPS), (Kind.BEARD, BEARD_CARDS, TUFT_STRIPS),
    ]  # fmt: skip
    for kind, style, strips in kinds:
        own = strands.of_kind(kind)
        if len(own) == 0:
            continue
        wave, smooth = _wave(hair.style, own) if kind == Kind.HAIR else (Wave(), 0.0)
        height = side if kind == Kind.HAIR else side // 2
        light = own_lightness(own, hair.color) if kind == Kind.HAIR else None
        tones = strand_tones(own, hair.color, hair.seed, light)
        length = float(np.median(arc_lengths(own.points)[:, -1]))
        root = min(ROOT_FRAY / max(length, 1e-6), 0.3)
        share = strand_share(style, length, smooth) if kind == Kind.HAIR else 1.0
        size = height, atlas_width(length, wave, height // 2)
        atlas = draw_atlas(strips, tones, wave, size, hair.seed, root, share, light is not None)
        cards = make_cards(
            own, style, atlas, hair.seed, detail=DETAIL[level], smooth=smooth, lightness=light
        )
        out.append(Dressed(cards, atlas))
    return out


def own_lightness(strands: Strands, color: HairColor) -> Floats | None:
    """By how much [N] the locks of strands are lighter, log; None where none are told apart."""
    if color.locks is None:
        return None
    locks = np.asarray(color.locks, np.float32).reshape(-1, ALONG)
    mean: Floats = lightness(strands, arc_lengths(strands.points), locks).mean(1)
    return mean


def strand_tones(
    strands: Strands, color: HairColor, seed: int, light: Floats | None = None
) -> Floats:
    """Linear albedo [TONES,K,3] along strands drawn from these, by how `light` [N] they are."""
    random = np.random.default_rng(seed)
    index = random.integers(0, len(strands), TONES, np.int32)
    chosen = strands.take(index if light is None else index[np.argsort(light[index])])
    # straight ones of the usual length, as those of a strip are
    arc = arc_lengths(strands.points)[:, -1]
    along = np.linspace(0, float(np.median(arc)), 8, dtype=np.float32)
    points = np.zeros((TONES, 8, 3), np.float32)
    points[..., 0] = along
    return color.albedo(replace(chosen.resampled(8), points=points))


def _wave(style: HairStyle | None, strands: Strands) -> tuple[Wave, float]:
    """Curls for the strips, and the length in metres over which cards leave them out."""
    if style is None or style.curl_radius <= 0:
        return Wave(), 0.0
    length = float(np.median(arc_lengths(strands.points)[:, -1]))
    turns = style.curl_turns * length
    if turns < FEW_TURNS:
        return Wave(), 0.0
    size = float(np.clip(style.curl_radius / HALF_CARD / 2, 0.05, 0.22))
    return Wave(size, min(turns, 12.0), style.curl_order), 1 / style.curl_turns
