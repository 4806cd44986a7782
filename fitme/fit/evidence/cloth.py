"""A mask over nose and mouth: one colour, not that of skin, where lips and chin should be.

Lips are redder than the chin and beards leave them free, so that a colour that both share is cloth,
if it is none that the skin around the eyes has. Which pixels are cloth tells a graph cut, as it
does of hair.
"""

from __future__ import annotations

import cv2
import numpy as np

from fitme.fit.evidence.hair import hair_pixels

FEW = 40  # pixels of lips, chin, or skin around the eyes below which nothing is known
# Of 85 portraits, those whose lips and chin share a colour (none, or beards in shade) have at most
# 8 Lab units between it and the skin's; a surgical mask drawn over them has 36.
UNLIKE = 15.0  # Lab units of a and b between cloth and skin
ALIKE = 9.0  # Lab units within which pixels share a colour
SHARED = 0.85  # share of lips and of chin that has the cloth's colour
FREE = 0.7  # share of the skin around the eyes that has another colour; an eye patch leaves half
DARKEST = 0.5  # of the skin's lightness L; darker cloth cannot be told from a full beard
SHADE = 0.01  # of the crop: blur and shadow beside the cloth


def mouth_cloth(
    pixels: np.ndarray, inside: np.ndarray, lips: np.ndarray, chin: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """[n,n] bool: the cloth of a mask over the mouth; nowhere where there is none.

    pixels [n,n,3] bytes; inside [n,n] bool is the head, lips and chin are parts of its face that
    a mask covers, upper is skin that it leaves free, or most of it.
    """
    none = np.zeros(pixels.shape[:2], bool)
    if min(lips.sum(), chin.sum(), upper.sum()) < FEW:
        return none
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    cloth = np.median(lab[chin], 0)
    same = np.linalg.norm(lab[..., 1:] - cloth[1:], axis=-1) < ALIKE
    free = upper & ~same
    if min(same[lips].mean(), same[chin].mean()) < SHARED or free.sum() < FREE * upper.sum():
        return none
    skin = np.median(lab[free], 0)
    if np.linalg.norm(cloth[1:] - skin[1:]) < UNLIKE or cloth[0] < DARKEST * skin[0]:
        return none
    core = (lips | chin) & same
    found = hair_pixels(pixels, inside, free, (core,)) & inside
    _, labels = cv2.connectedComponents((found | core).astype(np.uint8), connectivity=8)
    found = np.isin(labels, np.unique(labels[core]))
    side = 2 * round(SHADE * len(pixels)) + 1
    return cv2.dilate(found.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
