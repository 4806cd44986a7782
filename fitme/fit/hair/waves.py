"""Waves laid over a style that was found without them, where the photos' hair is wavy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fitme.fit.hair.score import drawn_waves
from fitme.fit.hair.search import Found, Search
from fitme.hair import HairStyle

# Radius in metres, turns per metre and order of waves that are compared with the photos: locks of 4
# to 6 cm, as the measure looks at 2 cm at a time
WAVES = ((0.003, 18.0, 0.7), (0.005, 18.0, 0.7), (0.0035, 25.0, 0.6))
# Locks as they are worn, over those, and their order: worn as compared the example photo's hair
# looks crimped; its own locks are 8 to 10 cm
LONGER, WIDER, WORN_ORDER = 2.3, 1.4, 0.8
TIGHTNESS = 0.7  # of clumps, so that a wave is seen as one
LEAST = 0.05  # metres of hair on top from which it waves
# By how much nearer waves must come to the photos' (see `score.wanted_waves`): straight hair of 5
# photos reads 0.03 to 0.08, drawn straight hair up to 0.09, the waves of the example photo 0.20
NEARER = 0.015


def with_waves(search: Search, found: Found) -> Found:
    """The same style with those waves that are most like the photos', or as it is: outlines are
    mended later, and what waves cost of them says nothing."""
    style = found.style
    if style.curl_radius > 0 or style.tie != "none" or style.top < LEAST:
        return found
    tight = max(style.tightness, TIGHTNESS)
    waved = [
        replace(style, curl_radius=radius, curl_turns=turns, curl_order=order, tightness=tight)
        for radius, turns, order in WAVES
    ]
    misses = [_miss(search, one) for one in (style, *waved)]
    best = int(np.argmin(misses))
    if misses[best] > misses[0] - NEARER:
        return found
    radius, turns, _ = WAVES[best - 1]
    worn = replace(
        waved[best - 1],
        curl_radius=WIDER * radius, curl_turns=turns / LONGER, curl_order=WORN_ORDER,
    )  # fmt: skip
    return replace(found, style=worn, cost=search.cost(worn))


def _miss(search: Search, style: HairStyle) -> float:
    """How far the waves of a style are from the photos', as surely as they are told."""
    each = []
    for seen, drawn, (wanted, sure) in zip(
        search.seen, search.drawn(style), search.waves, strict=True
    ):
        own = drawn_waves(seen, drawn)
        each.append(0.0 if own is None else sure * abs(own - wanted))
    return float(np.mean(each))
