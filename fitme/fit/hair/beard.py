"""Beards long enough to leave the face's outline; shorter ones stay painted in the skin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.evidence import SeenHair
from fitme.hair import BeardStyle
from fitme.segment.labels import Label

Floats = NDArray[np.floating[Any]]

SURE = 0.5  # probability of beard
CHIN = (0.0, -0.083, 0.075)  # metres on the mean head: the lowest of the chin, near the front
ACROSS = 0.03  # metres to each side of it in which a beard's length is read
LONG = 0.010  # metres below the chin from which strands are grown
HIDDEN = 0.012  # metres of a beard's length that lies before the chin
LONGEST = 0.25
DENSE = 0.6  # share of the strip above the chin that must be beard as well


def beard_of(seen: Sequence[SeenHair], chins: Sequence[Floats]) -> BeardStyle | None:
    """The beard that hangs below the chin in most of the photos, or None. `chins` [3] are where
    CHIN is on the posed heads, metres."""
    lengths = [_length(one, chin) for one, chin in zip(seen, chins, strict=True)]
    length = float(np.median(lengths))
    if length < LONG:
        return None
    length = min(length + HIDDEN, LONGEST)
    return BeardStyle(
        chin=length, cheeks=min(0.5 * length, 0.03), moustache=min(0.3 * length, 0.014),
        sideburns=0.008, neck=0.004, density=1.0, patchy=0.05,
    )  # fmt: skip


def _length(seen: SeenHair, chin: Floats) -> float:
    """Metres by which the photo's beard hangs below the chin [3]; 0 for none that is dense."""
    camera = seen.camera
    pose = camera.world_to_camera[0].double().numpy()
    focal, middle = float(camera.K[0, 0, 0]), camera.K[0, :2, 2].double().numpy()
    at = pose[:3, :3] @ chin + pose[:3, 3]
    down = -pose[:3, :3][:2, 1]
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    place, scale = focal * at[:2] / at[2] + middle, focal / at[2]
    beard = seen.labels[Label.BEARD] * seen.known
    rows, columns = np.mgrid[: len(beard), : len(beard)] + 0.5
    away = (np.stack([columns, rows], -1) - place) / scale
    along, across = away @ down, away @ np.array([-down[1], down[0]])
    strip = np.abs(across) < ACROSS
    above = strip & (along < 0) & (along > -0.02)
    if not above.any() or float((beard[above] > SURE).mean()) < DENSE:
        return 0.0
    steps = np.arange(0.0, LONGEST, 0.004)
    for step in steps:
        band = strip & (along >= step) & (along < step + 0.006) & (np.abs(across) < 0.6 * ACROSS)
        if not band.any() or float((beard[band] > SURE).mean()) < 0.5:
            return float(step)
    return float(steps[-1])
