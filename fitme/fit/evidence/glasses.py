"""Rims of glasses: what is thin, long and far darker than its surroundings (a closing less the
picture, Serra 1982) between brows and cheekbones, where such lines run below both eyes or across
the nose.
"""

from __future__ import annotations

import cv2
import numpy as np

THICKEST, SHORTEST = 0.04, 0.06  # of the crop: rims' width and length
STRETCH = 0.04  # of the crop: what of a rim's length lies below an eye
ACROSS = 0.8  # share of the columns between the eyes that the bridge of glasses darkens
DARK_RIM = 0.25  # how much darker than its surroundings a rim is
RIM_SHADE = 0.01  # of the crop: blur and shadow beside a rim


def rims(
    pixels: np.ndarray, where: np.ndarray, below: np.ndarray, bridge: np.ndarray
) -> np.ndarray:
    """[n,n] in 0..1: thin dark lines of pixels [n,n,3] bytes within `where` [n,n], if there are
    some on both sides in its part `below` [n,n], or one all across its part `bridge` [n,n]."""
    side = len(pixels)
    light = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(THICKEST * side / 2) + 1,) * 2)
    around = cv2.morphologyEx(light, cv2.MORPH_CLOSE, disc)
    dark = around - light > DARK_RIM * around
    across = (dark & bridge).any(0).sum() >= ACROSS * max(1, bridge.any(0).sum())
    if not (across or _on_both_sides(_long(dark & below, STRETCH * side), below)):
        return np.zeros(light.shape, np.float32)
    near = np.ones((2 * round(RIM_SHADE * side) + 1,) * 2, np.uint8)
    wide = cv2.dilate(_long(dark & where, SHORTEST * side).astype(np.uint8), near)
    return cv2.blur(wide.astype(np.float32), (3, 3))


def _on_both_sides(mask: np.ndarray, area: np.ndarray) -> bool:
    """Whether a mask [n,n] within an area [n,n] has columns left and right of the area's middle."""
    columns = np.flatnonzero(mask.any(0))
    if not len(columns):
        return False
    left = columns < np.flatnonzero(area.any(0)).mean()
    return bool(left.any() and not left.all())


def _long(mask: np.ndarray, least: float) -> np.ndarray:
    """The connected pieces of a mask [n,n] that reach over `least` pixels."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    extent = boxes[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(1)
    extent[0] = 0  # the rest
    return (extent >= least)[labels]
