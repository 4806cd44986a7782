"""The colour of hair, from the pigments in it.

Absorption per unit of eumelanin (0.419, 0.697, 1.37) and pheomelanin (0.187, 0.4, 1.05) for R, G,
B after E. d'Eon et al., "An energy-conserving hair reflectance model", EGSR 2011; the colour of a
tuft goes with the root of the absorption, as light is scattered many times in it (Chiang et al.,
"A practical and controllable hair and fur model", 2016, whose factor is larger: theirs is the
single hair's).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.locks import ALONG, COUNT, lightness
from fitme.hair.strands import Kind, Strands

Floats = NDArray[np.floating[Any]]

EUMELANIN = np.array([0.419, 0.697, 1.37])
PHEOMELANIN = np.array([0.187, 0.4, 1.05])
GREY = np.array([0.48, 0.465, 0.435])  # linear albedo of hair without pigment
DEPTH = 2.0  # factor of the root of the absorption
LIGHTEST = 0.95  # of any albedo
FLOOR = 0.006  # of the albedo: black hair reflects this much
DARKER = {Kind.BEARD: 1.1, Kind.BROW: 1.6, Kind.LASH: 3.0}  # pigment beside that of the head
# Of a lighter lock, for R, G, B: less pigment is less of its colour too
LOCK_HUE = np.array([0.95, 1.0, 1.08], np.float32)
BANDS = 4  # places from root to tip whose colour can be given
TIP_ARC = 0.12  # metres from the root to where tips have lightened by most of it


@dataclass(frozen=True)
class HairColor:
    """Amounts of pigment (black hair has 8 of eumelanin, blond 0.4), shares 0..1."""

    eumelanin: float = 2.0
    pheomelanin: float = 0.5
    grey: float = 0.0  # share of strands without pigment
    variation: float = 0.25  # of the pigment from strand to strand
    dark_roots: float = 0.15
    light_tips: float = 0.15
    dye: tuple[float, float, float] | None = None  # linear albedo
    dyed: float = 0.0  # share of strands
    # Factors of the albedo of hair on the head, R, G, B of the root and so on to the tip
    bands: tuple[float, ...] | None = None
    # Of hair on the head: the logarithm by which its albedo is higher, see `fitme.hair.locks`
    locks: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.locks is not None and len(self.locks) != COUNT:
            raise ValueError(f"locks: wanted {COUNT} numbers, got {len(self.locks)}")
        if self.bands is not None and len(self.bands) != 3 * BANDS:
            raise ValueError(f"bands: wanted {3 * BANDS} factors, got {len(self.bands)}")

    def plain(self) -> Floats:
        """The linear albedo [3] of the average strand without grey or dye."""
        sigma = self.eumelanin * EUMELANIN + self.pheomelanin * PHEOMELANIN
        return (np.exp(-DEPTH * np.sqrt(sigma)) + FLOOR).astype(np.float32)

    def albedo(self, strands: Strands) -> Floats:
        """Linear albedo [N,K,3] of every point; depends on the strands alone."""
        steps = np.sqrt((np.diff(strands.points, axis=1) ** 2).sum(-1))
        arc = np.concatenate([np.zeros_like(steps[:, :1]), np.cumsum(steps, 1)], 1)
        out = 1 - np.exp(-arc / TIP_ARC)
        pigment = np.exp(self.variation * strands.tone)[:, None]
        for kind, darker in DARKER.items():
            pigment = np.where((strands.kind == kind)[:, None], darker * pigment, pigment)
        pigment = pigment * (1 + self.dark_roots * np.exp(-arc / 0.02))
        pigment = pigment * (1 - self.light_tips * out)
        sigma = self.eumelanin * EUMELANIN + self.pheomelanin * PHEOMELANIN
        colour = np.exp(-DEPTH * np.sqrt(pigment[..., None] * sigma)) + FLOOR
        draws = _hashed(strands.tone)
        if self.grey > 0:
            # a grey head is no mixture of black and white only: most hairs have lost some pigment
            lost = ((self.grey - draws[:, 0]) * 2 + 0.5).clip(self.grey**2, 1)
            late = np.isin(strands.kind, [Kind.BROW, Kind.LASH])  # these keep theirs for long
            lost = np.where(late, 0.35 * lost, lost)[:, None, None]
            colour = colour + lost * (GREY - colour)
        if self.dye is not None:
            dyed = (draws[:, 1] < self.dyed)[:, None] * out
            colour = colour + dyed[..., None] * (np.array(self.dye) - colour)
        own = (strands.kind == Kind.HAIR)[:, None, None]
        if self.locks is not None:
            lighter = lightness(strands, arc, np.asarray(self.locks, np.float32).reshape(-1, ALONG))
            colour = np.where(own, colour * np.exp(lighter[..., None] * LOCK_HUE), colour)
            colour = colour.clip(0, LIGHTEST)
        if self.bands is not None:
            share = band_shares(strands)
            factor = share @ np.asarray(self.bands, np.float32).reshape(BANDS, 3)
            colour = np.where(own, colour * factor, colour).clip(0, LIGHTEST)
        return colour.astype(np.float32)


def band_shares(strands: Strands) -> Floats:
    """[N,K,BANDS]: how much each band, evenly spaced from root to tip, counts at each point."""
    steps = np.sqrt((np.diff(strands.points, axis=1) ** 2).sum(-1))
    arc = np.concatenate([np.zeros_like(steps[:, :1]), np.cumsum(steps, 1)], 1)
    at = arc / np.maximum(arc[:, -1:], 1e-6) * (BANDS - 1)
    shares: Floats = (1 - np.abs(at[..., None] - np.arange(BANDS))).clip(0, 1).astype(np.float32)
    return shares


def _hashed(tone: Floats) -> Floats:
    """Two numbers [N,2] in 0..1 that go with each tone but do not follow it."""
    spread = np.stack([tone * 9157.3, tone * 3571.9 + 0.37], -1)
    return (spread - np.floor(spread)).astype(np.float32)


def draw_hair_color(random: np.random.Generator) -> HairColor:
    """A colour as people have: half of them dark, with blond, red, grey and dyed hair."""
    kind = random.choice(
        ["black", "dark", "brown", "light", "blond", "red", "grey", "dyed"],
        p=[0.22, 0.20, 0.18, 0.11, 0.11, 0.05, 0.09, 0.04],
    )
    eumelanin, pheomelanin = {
        "black": (random.uniform(5, 11), random.uniform(0, 0.5)),
        "dark": (random.uniform(3, 5.5), random.uniform(0.1, 0.9)),
        "brown": (random.uniform(1.5, 3.2), random.uniform(0.4, 1.4)),
        "light": (random.uniform(0.75, 1.6), random.uniform(0.3, 1.0)),
        "blond": (random.uniform(0.12, 0.75), random.uniform(0.12, 0.6)),
        "red": (random.uniform(0.4, 1.5), random.uniform(1.4, 3.2)),
        "grey": (random.uniform(0.6, 7), random.uniform(0, 0.4)),
        "dyed": (random.uniform(0.3, 5), random.uniform(0.1, 0.6)),
    }[str(kind)]
    grey = random.uniform(0.35, 1.0) if kind == "grey" else max(0.0, random.uniform(-0.5, 0.35))
    dye: tuple[float, float, float] | None = None
    share = 0.0
    if kind == "dyed":
        hue = random.random(3)
        dye = (0.03 + 0.55 * hue[0] ** 2, 0.03 + 0.55 * hue[1] ** 2, 0.03 + 0.55 * hue[2] ** 2)
        share = float(random.choice([1.0, random.uniform(0.15, 0.6)]))
    elif random.random() < 0.15:  # highlights
        light = random.uniform(0.25, 0.5)
        dye, share = (light, 0.68 * light, 0.36 * light), random.uniform(0.1, 0.5)
    return HairColor(
        float(eumelanin), float(pheomelanin), float(grey), float(random.uniform(0.12, 0.45)),
        float(random.uniform(0, 0.4)), float(random.uniform(0, 0.45)), dye, float(share),
    )  # fmt: skip
