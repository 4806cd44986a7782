"""Hair's colour from root to tip, and how much its locks differ, corrected until hair that is
drawn over the photos is as light there as theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.locks import with_locks
from fitme.fit.hair.tone import FEW, SURE, pigments
from fitme.fit.hair.worn import Worn
from fitme.hair import HairColor, draw_hair
from fitme.hair.color import BANDS, band_shares
from fitme.hair.finish import arc_lengths

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

ROUNDS, LOCKS_AT = 4, 2  # of drawing and correcting, and the one that finds locks
# Of the luminance and of the hue beside it, log: of all hair, and of a band against it; beyond,
# light and shadow are meant that the drawn hair has not.
MOST_DARK, MOST_LIGHT, MOST_HUE = 0.5, 1.0, 0.5
BAND_LIGHT, BAND_HUE = 0.3, 0.1
# No pigment of hair is greener or more purple than another: that is the light's
GREEN, MOST_GREEN = np.array([-1.0, 2.0, -1.0]), 0.0
DARK = 0.002  # linear radiance that is not told from black
LONG = 0.10  # metres of the usual strand from which bands differ
OWN = 0.45  # share of a pixel's light from which it counts for a band
SMOOTH_PX = 4.0  # standard deviation of what is no lock but the light on hair
CALMEST, WILDEST = 0.15, 0.9  # of the variation from strand to strand
SHORT_WILDEST, CURLY_WILDEST = 0.3, 0.6  # where there are no locks, and in short curls
LOCKS = (0.03, 0.10)  # metres of the usual strand over which locks come to be seen
ROOT_LIGHT = 0.05  # log: roots are no lighter than tips by more; more is light from above


def matched(wanted: Sequence[Floats], photos: Sequence[Worn], gray: bool = False) -> HairColor:
    """The colour with pigments, bands and a variation by which hair looks as in the photos, from
    a first guess of the albedos [3] that they want; `gray`: by its lightness alone."""
    color = pigments(wanted, gray)
    depth = [np.full(one.seen.known.shape, np.inf, np.float32) for one in photos]
    where = [_bands(one, color, far) for one, far in zip(photos, depth, strict=True)]
    factors: Floats = np.zeros((BANDS, 3))
    variation = color.variation
    locks = np.interp(max(_length(one) for one in photos), LOCKS, (0, 1))
    least = CURLY_WILDEST if any(one.curly for one in photos) else SHORT_WILDEST
    wildest = least + (WILDEST - least) * float(locks)
    if not any(mask.any() for masks in where for mask in masks):
        return color
    for turn in range(ROUNDS):
        if turn == 1 and wanted:  # pigments that are nearer to begin with
            mean = factors.mean(0)
            dyed = color.dyed > 0
            color = pigments([np.mean(wanted, 0) * np.exp(mean)], gray)
            color = color if dyed else replace(color, dye=None, dyed=0.0)
            factors = factors - mean
        color = replace(color, bands=_flat(factors), variation=variation)
        if turn == LOCKS_AT:
            color = with_locks(color, photos, [np.any(masks, 0) for masks in where])
        missing: Floats = np.zeros((BANDS, 3))
        pixels: Floats = np.zeros(BANDS)
        livelier = []
        for one, far, masks in zip(photos, depth, where, strict=True):
            drawn = draw_hair(one.strands, color, one.seen.camera, one.light, far)
            own = drawn.radiance / np.maximum(drawn.alpha[..., None], 0.1)
            for band, mask in enumerate(masks):
                if mask.sum() >= FEW:
                    ratio = _usual(one.seen.pixels[mask]) - _usual(own[mask])
                    missing[band] += ratio * mask.sum()
                    pixels[band] += mask.sum()
            all_of = np.any(masks, 0)
            if all_of.sum() >= 4 * FEW:
                livelier.append(_liveliness(one.seen.pixels, all_of) / _liveliness(own, all_of))
        factors = _bounded(factors + _filled(missing, pixels), gray)
        if livelier and turn >= LOCKS_AT:  # what locks explain is no variation
            variation = float(np.clip(variation * np.mean(livelier), CALMEST, wildest))
    return replace(color, bands=_flat(factors), variation=variation)


def _bands(one: Worn, color: HairColor, far: Floats) -> list[Mask]:
    """BANDS masks [n,n]: where the photo shows hair for sure, and drawn hair is of one band."""
    inner = cv2.erode((one.seen.hair * one.seen.known).astype(np.float32), np.ones((3, 3)))
    sure = (inner > SURE) & (one.seen.pixels.max(-1) < 0.97)
    shares, albedo = band_shares(one.strands), color.albedo(one.strands)
    if not _long(one):
        drawn = draw_hair(one.strands, albedo, one.seen.camera, one.light, far)
        mask = sure & (drawn.alpha > SURE)
        return [mask] * BANDS
    each: list[Floats] = []
    alpha: Floats = np.zeros(0, np.float32)
    for band in range(BANDS):
        part = np.ascontiguousarray(albedo * shares[..., band : band + 1])
        drawn = draw_hair(one.strands, part, one.seen.camera, one.light, far)
        each.append(drawn.radiance.sum(-1))
        alpha = drawn.alpha
    light = np.stack(each)
    share = light / np.maximum(light.sum(0), 1e-6)
    return [sure & (alpha > SURE) & (own > OWN) for own in share]


def _length(one: Worn) -> float:
    """Metres of the usual strand."""
    return float(np.median(arc_lengths(one.strands.points)[:, -1]))


def _long(one: Worn) -> bool:
    return _length(one) > LONG


def _filled(missing: Floats, pixels: Floats) -> Floats:
    """Mean log ratios [BANDS,3]; bands that are not seen follow those that are."""
    known = pixels >= FEW
    if not known.any():
        return np.zeros((BANDS, 3))
    mean = missing[known] / pixels[known][:, None]
    at = np.flatnonzero(known)
    return np.stack([np.interp(np.arange(BANDS), at, mean[:, c]) for c in range(3)], -1)


def _bounded(factors: Floats, gray: bool) -> Floats:
    """Log factors [BANDS,3] that no light can be the reason of."""
    whole = factors.mean(0, keepdims=True)
    factors = whole + _dark_roots(factors - whole)
    return _cut(whole, (-MOST_DARK, MOST_LIGHT), 0 if gray else MOST_HUE) + _cut(
        factors - whole, (-BAND_LIGHT, BAND_LIGHT), 0 if gray else BAND_HUE
    )


def _dark_roots(bands: Floats) -> Floats:
    """Log factors [BANDS,3] about zero whose lightness does not fall towards the tips by more than
    ROOT_LIGHT: the sun, dye and age make tips light, while lit crowns and shaded necks are light's.
    """
    light = bands.mean(-1)
    slope = float(np.polyfit(np.arange(BANDS), light, 1)[0])
    if slope >= -ROOT_LIGHT / (BANDS - 1):
        return bands
    allowed = -ROOT_LIGHT / (BANDS - 1) * (np.arange(BANDS) - 0.5 * (BANDS - 1))
    flat: Floats = bands - (light - allowed)[:, None]
    return flat


def _cut(factors: Floats, lights: tuple[float, float], most_hue: float) -> Floats:
    """Log factors [...,3] within limits of luminance and of hue."""
    light = factors.mean(-1, keepdims=True)
    hue = (factors - light).clip(-most_hue, most_hue)
    green = hue @ GREEN / (GREEN @ GREEN)
    hue = hue - (green - green.clip(-MOST_GREEN, MOST_GREEN))[..., None] * GREEN
    cut: Floats = light.clip(*lights) + hue
    return cut


def _usual(pixels: Floats) -> Floats:
    """Log colour [3] of pixels [N,3] as one sees it: as light as the mean log, for which glints
    hardly count; of the hue of the mean, for which shadows hardly count."""
    mean = np.log(pixels.mean(0).clip(0) + DARK)
    usual: Floats = mean - mean.mean() + np.log(pixels.clip(0) + DARK).mean()
    return usual


def _flat(factors: Floats) -> tuple[float, ...]:
    return tuple(float(round(value, 4)) for value in np.exp(factors).ravel())


def _liveliness(pixels: Floats, where: Mask) -> float:
    """Standard deviation of log luminance from lock to lock, of pixels [n,n,3]."""
    light = np.log(pixels.mean(-1).clip(0) + 0.01).astype(np.float32)
    inside = where.astype(np.float32)
    around = cv2.GaussianBlur(light * inside, (0, 0), SMOOTH_PX)
    around /= np.maximum(cv2.GaussianBlur(inside, (0, 0), SMOOTH_PX), 1e-3)
    return max(float(np.std((light - around)[where])), 1e-3)
