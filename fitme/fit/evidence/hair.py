"""Hair of the head: colours of this photo's skin and hair, and a graph cut.

GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) with the samples that an aligned head gives:
cheeks and nose are skin; what lies on the scalp and around the head above the chin is hair or wall,
as far as it does not look like skin.
"""

from __future__ import annotations

import cv2
import numpy as np

CROP_PIXELS = 256  # side of the crops in which hair is looked for
SAMPLES = 4000  # pixels per colour model
LIKE_SKIN = 3.0  # standard deviations within which a colour on the scalp says nothing
FEW = 40  # unlike pixels: below, the head is bald and the wall is skin-coloured
SEED = 0
UNUSED = (0, 0, 0, 0)  # rectangle, which masks replace


def hair_pixels(
    pixels: np.ndarray, inside: np.ndarray, skin: np.ndarray, others: tuple[np.ndarray, ...]
) -> np.ndarray:
    """[n,n] bool: what is more like `others` than like `skin`, along the picture's edges.

    pixels [n,n,3] bytes; inside is the head; skin and each of others are sure samples, of which
    others may contain skin too. All False where they contain nothing else.
    """
    others = tuple(_unlike(pixels, skin, where) for where in others)
    if skin.sum() < FEW or not any(where.sum() >= FEW for where in others):
        return np.zeros(pixels.shape[:2], bool)
    other, own = _models(pixels, skin, [where for where in others if where.sum() >= FEW])
    mask = np.full(pixels.shape[:2], cv2.GC_PR_FGD, np.uint8)
    mask[~inside] = cv2.GC_PR_BGD
    for where in others:
        mask[where & ~inside] = cv2.GC_BGD
    mask[skin] = cv2.GC_FGD
    cv2.grabCut(pixels, mask, UNUSED, other, own, 1, cv2.GC_EVAL_FREEZE_MODEL)
    return (mask == cv2.GC_BGD) | (mask == cv2.GC_PR_BGD)


def _unlike(pixels: np.ndarray, skin: np.ndarray, where: np.ndarray) -> np.ndarray:
    """`where` without what looks like skin: bald heads and walls of its colour say nothing."""
    values = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.float64)
    known = values[skin]
    if len(known) < FEW:
        return where & False
    spread = np.cov(known.T) + 9 * np.eye(3)
    miss = values - np.median(known, 0)
    distance = np.einsum("yxi,ij,yxj->yx", miss, np.linalg.inv(spread), miss)
    return where & (distance > LIKE_SKIN**2)


def _models(
    pixels: np.ndarray, skin: np.ndarray, others: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Mixtures of five Gaussians of what is not skin and of skin, as cv2.grabCut keeps them.

    Each of others counts the same, however large the wall is.
    """
    draws = np.random.default_rng(SEED)
    kinds = [pixels[mask] for mask in (*others, skin)]
    chosen = [kind[draws.integers(len(kind), size=SAMPLES)] for kind in kinds]
    strip = np.concatenate(chosen)[None]
    mask = np.full(strip.shape[:2], cv2.GC_BGD, np.uint8)
    mask[:, -SAMPLES:] = cv2.GC_FGD
    other, own = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(SEED)
    strip = np.ascontiguousarray(strip)
    cv2.grabCut(strip, mask, UNUSED, other, own, 0, cv2.GC_INIT_WITH_MASK)
    return other, own
