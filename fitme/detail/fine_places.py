"""What fine skin is like over the atlas: how far apart its furrows and pores are, and which way.

Beyond what a map of 1024 texels holds skin is a net of fine furrows around plateaus (primary and
secondary lines, Hashimoto, "New methods for surface ultrastructure", Int. J. Dermatol. 13, 1974:
0.2 to 0.7 mm apart) with pores among them, 0.2 to 0.5 mm wide and 0.03 to 0.08 mm deep, most of
them on nose and inner cheeks (Flament et al., "Facial skin pores", Clin. Cosmet. Investig.
Dermatol. 8, 2015). Furrows run around the neck, across the forehead, along the lids and down the
lips.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel
from fitme.reflectance.atlas import bake_vertex_field
from fitme.reflectance.regions import AtlasRegions

TEXELS = 256  # of the fields: 1 mm on the face
SOFT = 5.0  # texels over which one region becomes another

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Kind:
    """Fine skin of one region, lengths in mm, depths in micrometres."""

    cell: float  # from furrow to furrow
    furrow: float  # how deep
    pore_apart: float
    pore_wide: float  # radius
    pore_deep: float
    along: float = 1.0  # how much longer than wide plateaus are: across, or down if below 0


# Set by eye on renders of a cheek, a nose and lips within the ranges of the sources above.
BARE = Kind(0.52, 11.0, 1.5, 0.10, 26.0)
KINDS = {
    "cheek": Kind(0.50, 11.0, 1.00, 0.125, 38.0),
    "nose": Kind(0.45, 9.0, 0.85, 0.14, 42.0),
    "forehead": Kind(0.52, 12.0, 1.25, 0.10, 28.0, along=1.5),
    "chin": Kind(0.52, 11.0, 1.15, 0.115, 30.0),
    "lids": Kind(0.42, 13.0, 2.5, 0.08, 8.0, along=1.9),
    "neck": Kind(0.62, 8.0, 1.8, 0.10, 18.0, along=1.8),
    "ears": Kind(0.55, 9.0, 1.7, 0.10, 14.0),
    "scalp": Kind(0.60, 10.0, 1.5, 0.11, 20.0),
    "lips": Kind(0.70, 34.0, 9.0, 0.08, 0.0, along=-7.0),
}


@dataclass(frozen=True)
class FinePlaces:
    """Fields over the skin's tile; tensors give squared lengths of steps in (u, v), see
    `kernels_fine`."""

    cells: Array  # [R,R,3] in units of the plateaus' spacing
    pores: Array  # [R,R,3] in units of the pores' spacing
    millimetres: Array  # [R,R,3] in mm
    cell: Array  # [R,R] mm, as are the others of `Kind`
    furrow: Array
    pore_apart: Array
    pore_wide: Array
    pore_deep: Array
    skin: Array  # [R,R] in 0..1: neither brows nor lashes nor holes


def fine_places(head: HeadModel, neutral: torch.Tensor) -> FinePlaces:
    """For a person's neutral vertices [1,V,3] in metres."""
    head, neutral = head.to("cpu"), neutral.detach().cpu()
    regions = AtlasRegions(head, TEXELS)
    weights = _weights(head, regions)
    rest = 1 - sum(weights.values(), np.zeros((TEXELS, TEXELS), np.float32)).clip(0, 1)
    over = np.maximum(sum(weights.values(), rest), 1e-6)

    def mixed(name: str) -> Array:
        total = getattr(BARE, name) * rest
        for region, weight in weights.items():
            total = total + getattr(KINDS[region], name) * weight
        return np.asarray(total / over, np.float32)

    by_u, by_v, normal = _steps(head, neutral[0])
    along = mixed("along")
    long = np.maximum(np.abs(along), 1.0)
    up = np.array([0.0, 1.0, 0.0], np.float32)
    across = _unit(np.cross(up, normal))
    down = _unit(np.cross(normal, across))
    way = np.where(along[..., None] < 0, down, across)
    bare = _tensor(by_u, by_v)
    shorter = (1 - 1 / long**2)[..., None] * _tensor(
        (by_u * way).sum(-1, keepdims=True), (by_v * way).sum(-1, keepdims=True)
    )
    cell, apart = mixed("cell"), mixed("pore_apart")
    hair = regions.brows + regions.lashes
    return FinePlaces(
        cells=np.asarray((bare - shorter) / cell[..., None] ** 2, np.float32),
        pores=bare / apart[..., None] ** 2,
        millimetres=bare,
        cell=cell, furrow=mixed("furrow"), pore_apart=apart, pore_wide=mixed("pore_wide"),
        pore_deep=mixed("pore_deep"),
        skin=_soft((1 - hair).clamp(0, 1).numpy(), 1.5),
    )  # fmt: skip


def _weights(head: HeadModel, regions: AtlasRegions) -> dict[str, Array]:
    """How much each of KINDS counts, [R,R] each; nothing of regions that the head does not have."""
    names = [name for name in ("nose", "neck", "ears", "scalp", "lips") if name in head.regions]
    zero = np.zeros((TEXELS, TEXELS), np.float32)
    found = dict.fromkeys(KINDS, zero)
    fields = torch.stack([*(head.regions[name] for name in names), head.mean[:, 1]], -1)
    baked = bake_vertex_field(head, fields, TEXELS)
    found |= {name: baked[..., k].numpy() for k, name in enumerate(names)}
    height = baked[..., -1]
    brows = regions.brows > 0.5
    if bool(brows.any()):
        line = float(height[brows].mean())
        found["forehead"] = (regions.skin * smoothstep(line, line + 0.02, height)).numpy()
    found["lids"] = regions.lids.numpy()
    found["cheek"] = (regions.bare * (1 - regions.lids)).numpy() * (1 - found["nose"])
    found["chin"] = regions.beard.numpy()
    sharp = ("lips",)
    return {k: _soft(v, 0.8 if k in sharp else SOFT) for k, v in found.items() if v.any()}


def _steps(head: HeadModel, points: torch.Tensor) -> tuple[Array, Array, Array]:
    """Millimetres by which the surface goes on with u and with v, [R,R,3] each, and its normal."""
    baked = _soft(
        (1000 * bake_vertex_field(head, points, TEXELS)).numpy(), 1.5
    )  # triangles are flat
    by_v, by_u = (np.gradient(baked, axis=axis).astype(np.float32) * TEXELS for axis in (0, 1))
    floor = 20.0  # mm over the tile: where folds of the atlas touch nothing has a length
    by_u, by_v = (step * np.maximum(1, floor / _length(step)) for step in (by_u, by_v))
    return by_u, by_v, _unit(np.cross(by_u, -by_v))


def _tensor(by_u: Array, by_v: Array) -> Array:
    pairs = ((by_u, by_u), (by_u, by_v), (by_v, by_v))
    return np.stack([(a * b).sum(-1) for a, b in pairs], -1).astype(np.float32)


def _length(vectors: Array) -> Array:
    return np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6).astype(np.float32)


def _unit(vectors: Array) -> Array:
    return F.normalize(torch.from_numpy(np.ascontiguousarray(vectors)), dim=-1).numpy()


def _soft(mask: Array, texels: float) -> Array:
    image = np.ascontiguousarray(mask, np.float32)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), texels), np.float32)
