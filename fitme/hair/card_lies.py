"""How hair lies that cards are cut from: on end, across the face, further out than the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.card_frames import Surroundings
from fitme.hair.card_paths import Paths
from fitme.hair.cover import cover
from fitme.hair.guides import unit
from fitme.hair.strands import Strands

Floats = NDArray[np.floating[Any]]

UPRIGHT = 0.93  # of its height that it keeps then
BOWED = 0.55  # of a card's length that its tip is bent aside: on end one would look in between
TUFT = 0.4  # of the usual number of strands that a card across the face must have
ALONE = 8.0  # per metre of the hair's density: of strands, one in twenty comes through less
ALONE_STRAY = 25.0  # of hairs that are drawn singly
# What grows on skin of the face is less than this share; its skin lies in front of this, metres
BARE, FACE_FROM = 0.1, 0.045


def over_face(strands: Strands) -> NDArray[np.bool_]:
    """Strands [N] that cross skin of the face on which none grow."""
    anchor = strands.anchor
    bare = (cover(strands) < BARE) & (anchor.vertices[:, 2] > FACE_FROM)
    over = (strands.skin >= 0) & bare[strands.skin]
    return np.asarray(over.any(1))


def without_tufts(paths: Paths, aside: NDArray[np.bool_]) -> Paths:
    """Paths less those of a few strands that lie across the face, alone: on ribbons they look like
    tufts. `aside` [N]: strands that do."""
    many = np.array([len(offsets) for offsets in paths.offsets])
    few = many < TUFT * np.median(many)
    kept = np.flatnonzero(~(few & aside[paths.root]))
    return paths.some(kept) if len(kept) else paths


def alone(lines: Floats, around: Surroundings, least: float = ALONE) -> NDArray[np.bool_]:
    """Lines [N,K,3] that leave the rest of the hair, where it is less dense than `least` per metre,
    on their way and not only with their tips: on ribbons they look like wires."""
    flat = np.ascontiguousarray(lines[:, 1 : -(lines.shape[1] // 4) or None], np.float32)
    dense = around.volume.at(around.volume.density, flat.reshape(-1, 3))
    return np.asarray(dense.reshape(len(lines), -1).min(1) < least)


def stands(strands: Strands, around: Surroundings) -> float:
    """How far hair points outwards in its middle, 1: as a brush does."""
    k = strands.points.shape[1] // 2
    way = unit(strands.points[:, k] - strands.points[:, 0])
    return float((way * around.outward(strands.points[:, k])).sum(-1).mean())


def bowed(points: Floats, random: np.random.Generator) -> Floats:
    """Lines [C,S,3] that stand on end, bent over to any side so that they end along the outside of
    the hair."""
    t = np.linspace(0, 1, points.shape[1], dtype=np.float32)[:, None]
    reach = points[:, -1:] - points[:, :1]
    side = np.cross(reach[:, 0], random.standard_normal((len(points), 3)))
    aside = unit(side)[:, None] * np.linalg.norm(reach, axis=-1, keepdims=True)
    bent: Floats = points[:, :1] + UPRIGHT * reach * (1 - (1 - t) ** 2) + BOWED * aside * t**2
    return bent.astype(np.float32)


def height(strands: Strands) -> Floats:
    """How far outside each strand [N] lies, metres."""
    some = strands.points[:, strands.points.shape[1] // 2 :: 3]
    return strands.anchor.collision.at(some)[0].mean(1)
