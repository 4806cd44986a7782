"""Hair as it lies in one photo, whose colour is looked for."""

from __future__ import annotations

from dataclasses import dataclass

from fitme.fit.hair.evidence import SeenHair
from fitme.hair import Strands
from fitme.render.light import Light


@dataclass(frozen=True)
class Worn:
    """The hair as it lies in one photo."""

    seen: SeenHair
    strands: Strands
    light: Light
    curly: bool = False  # curls are seen as locks however short they are
