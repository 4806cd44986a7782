"""Dark lenses over both eyes: sunglasses.

The skin around an eye, its lids and its white are never all far darker than the cheeks, in deep-set
eyes under a lamp overhead neither; behind dark lenses they are, on both sides. What is that dark
around the eyes is the lenses, glints inside them too.
"""

from __future__ import annotations

import cv2
import numpy as np

# In 85 portraits at most 0.47 of the surroundings of the lighter eye is that dark (deep-set eyes
# under a lamp overhead; the next has 0.35), behind black lenses drawn over them all of it.
DARK = 0.2  # of the cheeks' luminance
COVERED = 0.75  # share of each eye's surroundings that must be that dark
DIM = 0.01  # of white: cheeks darker than this say nothing
FEW = 20  # pixels of an eye's surroundings, or of the cheeks, below which nothing is known
BLACK = 0.02  # of the cheeks' luminance: darker lenses count as so dark
SHADE = 0.012  # of the crop: blur and shadow beside a lens
REACH = 0.03  # of the crop: how far lenses may reach beyond brows and cheekbones


def dark_lenses(
    light: np.ndarray, lids: np.ndarray, cheeks: np.ndarray, around: np.ndarray
) -> np.ndarray:
    """[n,n] bool: the lenses of sunglasses; nowhere where there are none.

    light [n,n] is linear luminance; lids [n,n] bool are the surroundings of both eyes, cheeks
    bare skin, around what lenses may cover besides.
    """
    none = np.zeros(light.shape, bool)
    eyes = _eyes(lids)
    if eyes is None:
        return none
    both = eyes[0] | eyes[1]
    cheeks = cheeks & ~both
    if cheeks.sum() < FEW:
        return none
    skin = float(np.median(light[cheeks]))
    if skin < DIM or any((light[eye] < DARK * skin).mean() < COVERED for eye in eyes):
        return none
    lens = max(float(np.median(light[both])), BLACK * skin)
    side = len(light)
    window = cv2.dilate((_hull(around | lids)).astype(np.uint8), _disc(REACH * side)) > 0
    dark = (light < (lens * skin) ** 0.5) & window
    _, labels = cv2.connectedComponents(dark.astype(np.uint8), connectivity=8)
    touching = np.unique(labels[both & dark])
    found = np.isin(labels, touching[touching > 0])
    # Each side alone, as the bridge would span the nose.
    middle = np.mean([np.flatnonzero(eye.any(0)).mean() for eye in eyes])
    left = np.arange(side)[None] < middle
    whole = _hull(found & left) | _hull(found & ~left) | found
    return cv2.dilate(whole.astype(np.uint8), _disc(SHADE * side)) > 0


def _eyes(lids: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Two areas [n,n] bool around an eye each; None where one is hardly seen."""
    columns = np.flatnonzero(lids.any(0))
    if not len(columns):
        return None
    left = np.arange(len(lids))[None] < (columns[0] + columns[-1] + 1) / 2
    eyes = _hull(lids & left), _hull(lids & ~left)
    return eyes if min(eye.sum() for eye in eyes) >= FEW else None


def _hull(mask: np.ndarray) -> np.ndarray:
    """The convex hull [n,n] bool of a mask [n,n]; empty for an empty one."""
    hull = np.zeros(mask.shape, np.uint8)
    points = cv2.findNonZero(mask.astype(np.uint8))
    if points is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return hull > 0


def _disc(reach: float) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(reach) + 1,) * 2)
