"""What hair, beards and brows are made from, in plain units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fitme.hair.hairline import own_hairline
from fitme.hair.outline import PLACES

Tie = Literal["none", "pony", "bun", "braid", "braids", "cornrows"]


@dataclass(frozen=True)
class HairStyle:
    """Hair of the head. Lengths in metres, angles in degrees, the rest shares 0..1 unless told."""

    top: float = 0.06  # length by region
    sides: float = 0.03
    back: float = 0.04
    nape: float = 0.02
    layers: float = 0.25  # by what share lengths vary
    hem: float | None = None  # height y below which hair is cut straight; None: not
    part: float | None = None  # x of the parting, positive is the person's left; None: no parting
    fringe: float = 0.0  # length of the hair that falls over the forehead; 0: none
    fringe_width: float = 35.0  # degrees to each side
    fringe_sweep: float = 0.0  # -1..1, to the person's right or left
    # How far a swept fringe goes on across the forehead into the hair of that side; 0: it ends on
    # the forehead
    fringe_across: float = 0.0
    swept_back: float = 0.0
    forward: float = 0.0
    lift: float = 0.35  # how steeply hair leaves the skin
    volume: float = 0.010  # metres between the skin and the outer surface
    weight: float = 0.5  # how soon it falls
    hold: float = 0.3  # how closely it follows the head
    clumps: int = 250
    tightness: float = 0.5  # of the clumps
    curl_radius: float = 0.0  # metres
    curl_turns: float = 20.0  # per metre
    curl_order: float = 0.7  # 1: neighbouring curls run in step, 0: each for itself
    frizz: float = 0.15
    flyaways: float = 0.15
    tie: Tie = "none"
    tie_height: float = 0.04  # y of a tie at the back
    tail: float = 0.25  # metres beyond the tie
    face: float = 0.0  # of the sides that fall forward over temples and cheeks
    tuck: float = 0.0  # of the sides combed behind the ears
    front: float = 0.5  # of long sides that lie in front of the shoulders
    raised: float = 0.0  # metres by which the hairline is higher (lower when negative)
    recession: float = 0.15  # of the temples
    peak: float = 0.2  # widow's peak
    low_nape: float = 0.0  # metres
    # A person's own line, which takes the place of raised, recession and peak: metres by which it
    # lies further in, see `hairline.own_hairline`.
    hairline: tuple[float, ...] | None = None
    # Metres by which hair stands further out than it would, seen from the front, see
    # `fitme.hair.outline`.
    outline: tuple[float, ...] | None = None
    mess: float = 0.0  # how far tufts stand and lie each its own way, as no comb has been through
    thin_crown: float = 0.0
    bald: float = 0.0  # 1: a ring only
    fade: float = 0.0  # of the sides towards the ears and the nape
    density: float = 1.0
    thickness: float = 1.0  # of the single hair, 1 on average

    def __post_init__(self) -> None:
        if min(self.top, self.sides, self.back, self.nape) <= 0 or self.clumps < 1:
            raise ValueError("lengths and the number of clumps must be positive")
        if self.hairline is not None:
            own_hairline(self.hairline, self.low_nape)
        if self.outline is not None and len(self.outline) != len(PLACES):
            raise ValueError(f"outline: wanted {len(PLACES)} numbers, got {len(self.outline)}")


@dataclass(frozen=True)
class BeardStyle:
    """Beard and moustache, lengths in metres, shares 0..1."""

    chin: float = 0.010
    cheeks: float = 0.006
    moustache: float = 0.008
    sideburns: float = 0.005
    neck: float = 0.003
    # which parts grow
    has_chin: float = 1.0
    has_cheeks: float = 1.0
    has_moustache: float = 1.0
    has_soul_patch: float = 1.0
    density: float = 0.9
    patchy: float = 0.2
    curl_radius: float = 0.001
    curl_turns: float = 60.0
    frizz: float = 0.4
    tidy: float = 0.5  # how sharp its outline is
    part: float = 0.3  # how far the moustache is combed to the sides


@dataclass(frozen=True)
class BrowStyle:
    """Brows and lashes."""

    density: float = 0.8
    length: float = 0.008  # metres
    thickness: float = 1.0  # of the single hair
    mess: float = 0.3
    taper: float = 0.5  # how thin the outer end is
    narrow: float = 0.0  # 1: plucked to a line
    lash_length: float = 0.008  # metres
    lash_density: float = 0.7


PRESETS: dict[str, HairStyle] = {
    "buzz": HairStyle(
        top=0.006, sides=0.004, back=0.004, nape=0.003, lift=0.6, volume=0.002, clumps=4000,
        tightness=0.0, weight=0.0, hold=0.0, frizz=0.3, flyaways=0.0, fade=0.3,
    ),
    "crop": HairStyle(
        top=0.035, sides=0.012, back=0.015, nape=0.006, forward=0.7, lift=0.45, volume=0.008,
        fade=0.6, clumps=500, tightness=0.55,
    ),
    "fringe_crop": HairStyle(
        top=0.07, sides=0.03, back=0.035, nape=0.012, fringe=0.055, fringe_width=45, forward=0.6,
        lift=0.5, volume=0.018, layers=0.3, clumps=220, tightness=0.65,
    ),
    "short_curly": HairStyle(
        top=0.075, sides=0.025, back=0.03, nape=0.012, forward=0.2, lift=0.7, volume=0.016,
        weight=0.3, hold=0.2, fade=0.3, clumps=420, tightness=0.75, curl_radius=0.005,
        curl_turns=38, curl_order=0.15, frizz=0.3, layers=0.35,
    ),
    "side_part": HairStyle(
        top=0.075, sides=0.025, back=0.03, nape=0.012, part=0.03, swept_back=0.35, lift=0.5,
        volume=0.014, hold=0.5, fade=0.3, clumps=200, tightness=0.5,
    ),
    "swept_back": HairStyle(
        top=0.12, sides=0.06, back=0.08, nape=0.04, swept_back=1.0, lift=0.5, volume=0.014,
        hold=0.7, clumps=200, recession=0.4,
    ),
    "quiff": HairStyle(
        top=0.07, sides=0.015, back=0.02, nape=0.008, swept_back=0.6, lift=0.85, volume=0.012,
        weight=0.2, hold=0.25, fade=0.6, clumps=250, tightness=0.6,
    ),
    "short_bob": HairStyle(
        top=0.15, sides=0.10, back=0.10, nape=0.04, hem=-0.02, part=0.03, fringe=0.0, lift=0.45,
        volume=0.030, layers=0.2, weight=0.75, face=0.2, clumps=220,
    ),
    "bob": HairStyle(
        top=0.24, sides=0.20, back=0.17, nape=0.08, hem=-0.062, part=0.02, fringe=0.0, lift=0.25,
        volume=0.020, layers=0.12, weight=0.9, face=0.35,
    ),
    "fringe_bob": HairStyle(
        top=0.24, sides=0.20, back=0.17, nape=0.08, hem=-0.065, fringe=0.085, fringe_width=42,
        lift=0.3, volume=0.022, layers=0.08, weight=0.9, face=0.5, clumps=200,
    ),
    "long_straight": HairStyle(
        top=0.46, sides=0.40, back=0.38, nape=0.30, part=0.0, lift=0.2, volume=0.014, layers=0.15,
        weight=1.0, face=0.35, clumps=160, tightness=0.4, low_nape=0.005,
    ),
    "long_wavy": HairStyle(
        top=0.44, sides=0.38, back=0.36, nape=0.28, part=0.03, lift=0.35, volume=0.024, layers=0.3,
        weight=0.9, face=0.4, curl_radius=0.010, curl_turns=11, curl_order=0.4,
        clumps=120, tightness=0.65,
    ),
    "long_back": HairStyle(
        top=0.42, sides=0.36, back=0.36, nape=0.28, swept_back=0.8, tuck=0.8, lift=0.5,
        volume=0.022, layers=0.25, weight=0.8, hold=0.5, face=0.0, front=0.1, curl_radius=0.004,
        curl_turns=9, clumps=150, tightness=0.5,
    ),
    "curly": HairStyle(
        top=0.22, sides=0.20, back=0.20, nape=0.12, lift=0.6, volume=0.045, layers=0.35,
        weight=0.45, curl_radius=0.009, curl_turns=30, curl_order=0.3, clumps=420, tightness=0.85,
        frizz=0.25, flyaways=0.4, face=0.3, hold=0.1,
    ),
    "afro": HairStyle(
        top=0.085, sides=0.075, back=0.08, nape=0.04, lift=1.0, volume=0.0, layers=0.15, weight=0.0,
        hold=0.0, curl_radius=0.0035, curl_turns=110, curl_order=0.0, clumps=900, tightness=0.35,
        frizz=0.8, flyaways=0.2,
    ),
    "pony_tail": HairStyle(
        top=0.3, sides=0.3, back=0.3, nape=0.3, tie="pony", tie_height=0.06, tail=0.26,
        volume=0.008, lift=0.15, clumps=200, tightness=0.3, swept_back=1.0,
    ),
    "bun": HairStyle(
        top=0.3, sides=0.3, back=0.3, nape=0.3, tie="bun", tie_height=0.075, tail=0.035,
        volume=0.007, lift=0.15, clumps=200, tightness=0.3, swept_back=1.0,
    ),
    "braids": HairStyle(
        top=0.3, sides=0.3, back=0.3, nape=0.3, tie="braids", part=0.0, tail=0.24, volume=0.007,
        lift=0.15, clumps=200, tightness=0.3,
    ),
    "cornrows": HairStyle(
        top=0.3, sides=0.3, back=0.3, nape=0.3, tie="cornrows", tie_height=0.0, tail=0.12,
        volume=0.004, lift=0.1, clumps=60, tightness=0.0, swept_back=1.0, frizz=0.1, flyaways=0.05,
    ),
    "receding": HairStyle(
        top=0.03, sides=0.02, back=0.025, nape=0.01, raised=0.012, recession=0.9, thin_crown=0.6,
        density=0.8, forward=0.2, lift=0.4, volume=0.006,
    ),
    "ring": HairStyle(
        top=0.02, sides=0.018, back=0.02, nape=0.01, bald=1.0, density=0.85, lift=0.35,
        volume=0.006,
    ),
    "eye_sweep": HairStyle(
        top=0.20, sides=0.12, back=0.12, nape=0.06, part=-0.035, fringe=0.15, fringe_width=40,
        fringe_sweep=0.75, lift=0.35, volume=0.016, layers=0.25, weight=0.7, face=0.5, clumps=150,
        tightness=0.6,
    ),
}  # fmt: skip
"""Named styles for tests and pictures."""
