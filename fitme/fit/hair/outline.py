"""The outline of hair in the photos, as metres by which it stands out from a style's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.evidence import SeenHair
from fitme.fit.hair.search import Found, Search
from fitme.fit.hair.silhouette import Silhouette, Stage
from fitme.hair.outline import PLACES, rays
from fitme.segment.labels import Label

Floats = NDArray[np.floating[Any]]

ROUNDS = 3
LEAST, MOST, MOST_LOW = -0.012, 0.060, 0.020  # metres; the last below the ears, where ends fly
# Cropped sides stand out by no more: labels take what is behind an ear for hair
SHORT, BESIDE, MOST_SHORT = 0.04, 60.0, 0.006
LOW = 120.0  # place from which hair is below the ears
STEP = 0.002  # metres between the samples of a ray
LONGEST = 0.22  # metres
# Weights of a difference between neighbours, and of standing out where no photo shows it, against
# what the photos show
RIDGE, UNSEEN = 0.375, 0.02
DEPTH = -0.01  # metres: z of the mean head at which the outline lies
FROM_SIDE = 0.6  # cosine between the face and the camera from which its left and right are seen


def with_outline(search: Search, found: Found) -> Found:
    """The same style standing out as in the photos, if it fits better so."""
    best, values = found, np.asarray(found.style.outline or np.zeros(len(PLACES)), np.float64)
    for _ in range(ROUNDS):
        silhouettes = list(search.drawn(best.style))
        missing = [
            _missing(*one) for one in zip(search.seen, search.stages, silhouettes, strict=True)
        ]
        known: NDArray[np.bool_] = np.isfinite(missing)
        if not known.any():
            break
        mean = np.where(known, missing, 0).sum(0) / np.maximum(known.sum(0), 1)
        most = np.where(np.abs(PLACES) > LOW, MOST_LOW, MOST)
        if found.style.sides < SHORT:
            most = np.where(np.abs(PLACES) > BESIDE, MOST_SHORT, most)
        values = (values + _smooth(mean, np.asarray(known.any(0)))).clip(LEAST, most)
        outline = tuple(float(round(value, 5)) for value in values)
        style = replace(best.style, outline=outline)
        cost = search.cost(style) + found.cost - search.plain_cost(found.style)
        if cost >= best.cost:
            break
        best = Found(style, cost, found.preset, found.steps)
    return best


def _missing(seen: SeenHair, stage: Stage, drawn: Silhouette) -> Floats:
    """[P] metres by which a photo's hair goes on beyond the drawn one at PLACES, NaN unseen."""
    pose = stage.camera.world_to_camera[0].double().numpy() @ _homogeneous(stage.moved)
    if -(pose[2, :3] @ [0.0, 0.0, 1.0]) / np.linalg.norm(pose[2, :3]) < FROM_SIDE:
        return np.full(len(PLACES), np.nan)
    away = np.arange(0.03, LONGEST, STEP)
    flat = rays(away)
    points = np.concatenate([flat, np.full((*flat.shape[:2], 1), DEPTH)], -1)
    at = points @ pose[:3, :3].T + pose[:3, 3]
    image = at @ stage.camera.K[0].double().numpy().T
    pixel = np.floor(image[..., :2] / image[..., 2:]).astype(np.int64)
    size = len(seen.known)
    inside = ((pixel >= 0) & (pixel < size)).all(-1)
    x, y = pixel.clip(0, size - 1)[..., 0], pixel.clip(0, size - 1)[..., 1]
    known = inside & (seen.known[y, x] > 0.5)
    face = seen.label(Label.SKIN, Label.EARS, Label.BEARD)[y, x]
    photo = known & (seen.hair[y, x] > 0.5)
    own = (drawn.alpha[y, x] > 0.5) | stage.head[y, x]
    result = np.full(len(PLACES), np.nan)
    for k in range(len(PLACES)):
        if not photo[k].any():
            continue
        # the outermost hair, and skin where hair ends inside of it
        last = int(np.flatnonzero(photo[k]).max())
        end = int(np.flatnonzero(own[k]).max()) if own[k].any() else 0
        if not known[k, : min(max(last, end) + 3, len(away))].all():
            continue
        if face[k, last + 1 :].max(initial=0.0) > 0.5:
            continue
        result[k] = (last - end) * STEP
    return result


def _homogeneous(moved: Floats) -> Floats:
    """[4,4] for columns of what `Strands.moved` [4,3] says for rows."""
    matrix = np.eye(4)
    matrix[:3] = moved.T
    return matrix


def _smooth(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Values [P] as the smoothest ones near those that are known; others are as those of the
    other side."""
    mirrored = ~known & known[::-1]
    values = np.where(mirrored, values[::-1], values)
    weight = (known | mirrored).astype(float)
    bend = np.diff(np.eye(len(values)), axis=0)
    matrix = np.diag(weight + UNSEEN) + RIDGE * bend.T @ bend
    smooth: Floats = np.linalg.solve(matrix, weight * values)
    return smooth
