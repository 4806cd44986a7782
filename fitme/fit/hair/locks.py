"""Which locks of drawn hair are lighter or darker in the photos, place by place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.worn import Worn
from fitme.hair import HairColor, draw_hair
from fitme.hair.finish import arc_lengths
from fitme.hair.locks import ALONG, SIDE, along, spots

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

ROUNDS = 3  # of drawing and correcting
GAIN = 1.3  # of what is missing, that is added: each place is seen through others
BEHIND = 0.004  # metres behind the surface of drawn hair up to which a hair is seen
FIRM = 1.0  # points of hair that are seen from which a place is believed
FAINTER = 0.7  # of what is seen elsewhere, where nothing is seen
DARK = 0.004  # linear radiance that is hardly told from black
MOST = 1.1  # of the log of a place's lightness


def with_locks(color: HairColor, photos: Sequence[Worn], masks: Sequence[Mask]) -> HairColor:
    """The colour with locks as light as those of the photos, where `masks` [n,n] say that hair is
    drawn on hair; what is not seen is as on the other side of the head."""
    total = np.zeros((SIDE * SIDE, ALONG), np.float32)
    seen = np.zeros_like(total)
    for _ in range(ROUNDS):
        missing = np.zeros_like(total)
        seen = np.zeros_like(total)
        for one, mask in zip(photos, masks, strict=True):
            _collect(one, mask, color, missing, seen)
        total = (total + GAIN * missing / (seen + FIRM)).clip(-MOST, MOST)
        color = _with(color, total)
    return _with(color, _filled(total, seen / (seen + FIRM)))


def _with(color: HairColor, locks: Floats) -> HairColor:
    return replace(color, locks=tuple(float(round(value, 2)) for value in locks.ravel().tolist()))


def _collect(one: Worn, mask: Mask, color: HairColor, missing: Floats, seen: Floats) -> None:
    """Adds log ratios of photo and drawn hair, and how many points saw each place."""
    camera, strands = one.seen.camera, one.strands
    far = np.full(mask.shape, np.inf, np.float32)
    drawn = draw_hair(strands, color, camera, one.light, far)
    own = drawn.radiance.mean(-1) / np.maximum(drawn.alpha, 0.1)
    ratio = np.log(one.seen.pixels.mean(-1).clip(0) + DARK) - np.log(own + DARK)
    pose = camera.world_to_camera[0].double().cpu().numpy()
    at = strands.points @ pose[:3, :3].T + pose[:3, 3]
    image = at @ camera.K[0].double().cpu().numpy().T
    pixel = np.floor(image[..., :2] / np.maximum(image[..., 2:], 1e-6)).astype(np.int64)
    inside = ((pixel >= 0) & (pixel < len(mask))).all(-1)
    x, y = np.moveaxis(pixel.clip(0, len(mask) - 1), -1, 0)
    shown = inside & mask[y, x] & (at[..., 2] < drawn.depth[y, x] + BEHIND)
    values = np.where(shown, ratio[y, x], 0.0)
    place, share = spots(strands)
    down = along(arc_lengths(strands.points))
    for corner in range(place.shape[1]):
        for k in range(ALONG):
            weight = share[:, corner, None] * down[..., k] * shown
            for target, amount in ((missing, (weight * values).sum(1)), (seen, weight.sum(1))):
                target[:, k] += np.bincount(place[:, corner], amount, SIDE * SIDE)


def _filled(locks: Floats, sure: Floats) -> Floats:
    """The map [SIDE*SIDE,ALONG] in which places that no photo shows are as elsewhere along the
    same hair, or fainter as on the other side of the head, or as in front."""
    grid, known = (v.reshape(SIDE, SIDE, ALONG) for v in (locks, sure))
    whole = known.sum(-1, keepdims=True)
    same = (grid * known).sum(-1, keepdims=True) / np.maximum(whole, 1e-6)
    grid = known * grid + (1 - known) * same
    known = np.maximum(known, known.max(-1, keepdims=True))
    for axis in (0, 1):  # from side to side, then from the front to the back
        grid = known * grid + (1 - known) * FAINTER * np.flip(grid, axis)
        known = np.maximum(known, np.flip(known, axis))
    return grid.reshape(-1, ALONG)
