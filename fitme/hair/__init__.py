"""Hair as strands: grown on the head's scalp, styled, coloured, drawn."""

from fitme.hair.beard import grow_beard
from fitme.hair.brows import grow_brows, grow_lashes
from fitme.hair.color import HairColor, draw_hair_color
from fitme.hair.draw import HairImage, draw_hair
from fitme.hair.draws import draw_beard, draw_brows, draw_style
from fitme.hair.grow import grow
from fitme.hair.shadow import transmittance
from fitme.hair.strands import Kind, Strands
from fitme.hair.styles import PRESETS, BeardStyle, BrowStyle, HairStyle
from fitme.hair.worn import Hair

__all__ = [
    "PRESETS",
    "BeardStyle",
    "BrowStyle",
    "Hair",
    "HairColor",
    "HairImage",
    "HairStyle",
    "Kind",
    "Strands",
    "draw_beard",
    "draw_brows",
    "draw_hair",
    "draw_hair_color",
    "draw_style",
    "grow",
    "grow_beard",
    "grow_brows",
    "grow_lashes",
    "transmittance",
]
