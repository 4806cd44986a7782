"""How far the silhouette of a style is from the hair that a photo shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.evidence import SeenHair
from fitme.fit.hair.silhouette import Silhouette
from fitme.segment.labels import Label

Floats = NDArray[np.floating[Any]]

# What a pixel costs that hair is drawn over while the photo shows something else: hair over a face
# is the worst; ears are half covered by many; a real person's shoulders are not our bust.
WRONG = {
    Label.BACKGROUND: 1.0, Label.SKIN: 1.6, Label.EARS: 0.4, Label.NECK: 1.2, Label.BROWS: 1.5,
    Label.EYES: 2.5, Label.LIPS: 2.5, Label.MOUTH: 2.5, Label.BEARD: 1.0, Label.CLOTHES: 0.5,
}  # fmt: skip
UNTOLD = 0.2  # where the photo says nothing: hair may be there, but not for nothing
COURSE = 0.12  # weight of hair that runs another way, for hair that runs across
LEAST_AREA = 0.04  # of the window: cropped heads are not judged by a handful of pixels


def wrong_hair(seen: SeenHair) -> Floats:
    """[n,n]: what hair drawn there costs."""
    cost = np.zeros_like(seen.known)
    for label, weight in WRONG.items():
        cost += weight * seen.labels[label]
    return cost * seen.known + UNTOLD * (1 - seen.known)


def mismatch(seen: SeenHair, wrong: Floats, drawn: Silhouette) -> float:
    """0 for the same hair; 1 for no hair where there is some, or as much of it elsewhere."""
    hair = seen.hair * seen.known
    missed = float((hair * (1 - drawn.alpha)).sum())
    extra = float((wrong * drawn.alpha).sum())
    area = float(hair.sum()) + LEAST_AREA * hair.size
    both = hair * drawn.alpha
    along = (seen.course * drawn.course).sum(-1)
    sure = np.linalg.norm(seen.course, axis=-1)
    astray = float((both * (sure - along)).sum() / (2 * float((both * sure).sum()) + 1e-6))
    return (missed + extra) / area + COURSE * astray
