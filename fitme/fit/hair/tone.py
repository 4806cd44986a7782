"""The pigments that give grown hair the colour that the photos show, under their own lights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.evidence import SeenHair
from fitme.hair import HairColor, Strands, draw_hair
from fitme.hair.color import GREY
from fitme.render.light import Light
from fitme.segment.labels import Label

Floats = NDArray[np.floating[Any]]

# Albedos for which hair is drawn, to read between what a photo's radiance means.
ALBEDOS = (0.006, 0.03, 0.12, 0.35, 0.9)
SURE = 0.85  # probability of hair, and opacity of the drawn one, of pixels that count
FEW = 30  # such pixels: below, the photo says nothing
TRIMMED = (8, 94)  # percentiles between which pixels count: no glints, no gaps to the background
# Of the log albedo: a miss by this much costs one. Pigments are more saturated than photos
# show hair, so that lightness counts most.
SPREAD_CHROMA, SPREAD_LIGHT = 0.25, 0.15
USUAL_PHEOMELANIN, SPREAD_PHEOMELANIN = 0.35, 1.3  # of it against eumelanin, log spread
GREY_COSTS = 0.6  # for a whole head of it: fair hair is more common than grey with a tint
UNNATURAL = 0.45  # log albedo by which no hair has more green than red, or more blue than green
USUAL = HairColor(3.0, 0.6)  # where no photo says anything


def wanted_albedo(
    seen: SeenHair, strands: Strands, light: Light, label: Label = Label.HAIR
) -> Floats | None:
    """[3]: the linear albedo with which these strands, as posed in the photo, are as light as its
    hair; None where too little of it is seen."""
    depth = np.full(seen.known.shape, np.inf, np.float32)
    shown = [
        draw_hair(
            strands, np.full((*strands.points.shape[:2], 3), albedo, np.float32), seen.camera,
            light, depth,
        )
        for albedo in ALBEDOS
    ]  # fmt: skip
    inner = cv2.erode((seen.labels[label] * seen.known).astype(np.float32), np.ones((3, 3)))
    where = (inner > SURE) & (shown[0].alpha > SURE) & (seen.pixels.max(-1) < 0.97)
    if where.sum() < FEW:
        where = (inner > SURE) & (seen.pixels.max(-1) < 0.97)
        if where.sum() < FEW:
            return None
        drawn = [middle(one.radiance[one.alpha > SURE]) for one in shown]
    else:
        drawn = [middle(one.radiance[where]) for one in shown]
    photo = middle(seen.pixels[where])
    levels = np.log(np.maximum(np.array(drawn), 1e-5))
    found = [
        np.interp(np.log(max(photo[c], 1e-5)), levels[:, c], np.log(ALBEDOS)) for c in range(3)
    ]
    return np.exp(np.array(found))


def middle(values: Floats) -> Floats:
    """Mean [3] of colours [N,3] whose luminance is neither among the highest nor the lowest."""
    light = values.mean(-1)
    low, high = np.percentile(light, TRIMMED)
    middle: Floats = values[(light >= low) & (light <= high)].mean(0)
    return middle


def pigments(wanted: Sequence[Floats], gray: bool = False) -> HairColor:
    """The most plausible colour of albedos [3] that the photos want; `gray`: of their lightness
    alone, as the photos have no colour."""
    if not wanted:
        return USUAL
    log = np.log(np.mean(wanted, 0))
    best, least = USUAL, np.inf
    for eumelanin in np.geomspace(0.08, 10, 29):
        for pheomelanin in np.geomspace(0.04, 3.5, 14):
            plain = np.asarray(HairColor(eumelanin, pheomelanin).plain(), np.float64)
            ratio = np.log(pheomelanin / (USUAL_PHEOMELANIN * eumelanin + 0.1))
            prior = 0.5 * (ratio / SPREAD_PHEOMELANIN) ** 2
            for grey in (0.0, 0.25, 0.5, 0.75, 1.0):
                lost = grey if grey in (0.0, 1.0) else 0.15 + 0.7 * grey
                miss = log - np.log(plain + lost * (GREY - plain))
                light = miss.mean()
                chroma = 0.0 if gray else float(np.square((miss - light) / SPREAD_CHROMA).sum())
                cost = (light / SPREAD_LIGHT) ** 2 + chroma + prior + GREY_COSTS * grey
                if cost < least:
                    least, best = cost, HairColor(float(eumelanin), float(pheomelanin), float(grey))
    if not gray and max(log[1] - log[0], log[2] - log[1]) > UNNATURAL:
        red, green, blue = (float(value) for value in np.exp(log))
        return HairColor(best.eumelanin, best.pheomelanin, 0.0, dye=(red, green, blue), dyed=1.0)
    return best
