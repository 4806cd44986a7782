"""How far the silhouette of a style is from the hair that a photo shows."""

from __future__ import annotations

from typing import Any

import cv2
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
WAVES = 0.4  # weight of hair that is more or less wavy, for the difference of `_waves`
# `_waves` of straight hair in photos beyond that of drawn hair: where their course is of coherence
# CLEAR, and how that grows with less of it (four photos); below UNSURE[0] nothing is told.
NOISE, CLEAR, NOISIER, UNSURE = 0.035, 0.86, 0.5, (0.50, 0.65)
FINE_PX, WAVE_PX = 1.0, 4.0  # standard deviations of what is one course, and of its surroundings
INNER, FEW = 0.6, 200  # of hair in a pixel, and number of such pixels, that waves are looked for in
LEAST_AREA = 0.04  # of the window: cropped heads are not judged by a handful of pixels


def wrong_hair(seen: SeenHair) -> Floats:
    """[n,n]: what hair drawn there costs."""
    cost = np.zeros_like(seen.known)
    for label, weight in WRONG.items():
        cost += weight * seen.labels[label]
    return cost * seen.known + UNTOLD * (1 - seen.known)


def wanted_waves(seen: SeenHair) -> tuple[float, float]:
    """How far the photo's hair strays from its own course within some 2 cm, 0 for straight hair,
    and how surely this is seen, 0..1."""
    hair = (seen.hair * seen.known).astype(np.float32)
    inner = cv2.erode(hair, np.ones((5, 5))) > INNER
    if inner.sum() < FEW:
        return 0.0, 0.0
    sure = float(np.linalg.norm(seen.course, axis=-1)[inner].mean())
    waves = float(_waves(seen.course, hair)[inner].mean())
    waves -= NOISE + NOISIER * max(CLEAR - sure, 0.0)
    return max(waves, 0.0), float(np.clip((sure - UNSURE[0]) / (UNSURE[1] - UNSURE[0]), 0, 1))


def drawn_waves(seen: SeenHair, drawn: Silhouette) -> float | None:
    """What `wanted_waves` says of drawn hair, where it lies on the photo's; None for too little."""
    both = (seen.hair * seen.known * drawn.alpha).astype(np.float32)
    inner = both > INNER
    return float(_waves(drawn.course, both)[inner].mean()) if inner.sum() >= FEW else None


def _waves(course: Floats, hair: Floats) -> Floats:
    """[n,n]: circular variance of a course [n,n,2] around each pixel, of hair [n,n] alone."""
    own = cv2.GaussianBlur((course * hair[..., None]).astype(np.float32), (0, 0), FINE_PX)
    size = np.linalg.norm(own, axis=-1)
    unit = own / np.maximum(size, 1e-6)[..., None]
    weight = np.minimum(size, 1.0)
    mean = cv2.GaussianBlur(unit * weight[..., None], (0, 0), WAVE_PX)
    spread = np.linalg.norm(mean, axis=-1) / np.maximum(
        cv2.GaussianBlur(weight, (0, 0), WAVE_PX), 1e-6
    )
    waves: Floats = 1 - spread
    return waves


def mismatch(
    seen: SeenHair, wrong: Floats, drawn: Silhouette, waves: tuple[float, float] = (0.0, 0.0)
) -> float:
    """0 for the same hair; 1 for no hair where there is some, or as much of it elsewhere; `waves`
    is what `wanted_waves` says of the photo."""
    hair = seen.hair * seen.known
    missed = float((hair * (1 - drawn.alpha)).sum())
    extra = float((wrong * drawn.alpha).sum())
    area = float(hair.sum()) + LEAST_AREA * hair.size
    both = hair * drawn.alpha
    along = (seen.course * drawn.course).sum(-1)
    sure = np.linalg.norm(seen.course, axis=-1)
    astray = float((both * (sure - along)).sum() / (2 * float((both * sure).sum()) + 1e-6))
    cost = (missed + extra) / area + COURSE * astray
    own = drawn_waves(seen, drawn) if waves[1] > 0 else None
    if own is not None:
        cost += WAVES * waves[1] * abs(own - waves[0])
    return cost
