"""How thick the head is below its skin, and how deep in folds and pores a texel lies.

Thickness is what light that enters from behind has to cross (ears, wings of the nose, lips): the
harmonic mean of distances from one side to the other along rays in a cone around the normal, since
the thinnest way lets most through.
"""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fitme.detail.kernels_thickness import distances_inside
from fitme.head.model import HeadModel
from fitme.reflectance.atlas import bake_vertex_field
from fitme.render.geometry import vertex_normals

THICKEST = 0.02  # metres: more lets no light through (mean free paths of red light are 1 to 4 mm)
DEEPEST = 1e-4  # metres below the skin around it, where a texel is black in a map of cavities
AROUND = 0.002  # metres: the skin around it
CONE_DEG, RAYS = 30.0, 8  # around the ray straight in
_CELL = 0.004  # metres, of the grid that finds triangles

Array = NDArray[np.float32]


def thickness(head: HeadModel, neutral: Tensor, side: int) -> Array:
    """Metres of head below each texel, at most THICKEST, [S,S]; neutral [1,V,3] in metres."""
    head, neutral = head.to("cpu"), neutral.detach().cpu()
    triangles = head.part_triangles(head.skin.name)
    used = triangles.unique()
    normals = vertex_normals(neutral, triangles)[0][used].numpy().astype(np.float64)
    origins = neutral[0][used].numpy().astype(np.float64)
    corners = neutral[0][triangles.long()].numpy().astype(np.float64)
    rays = _cone(-normals)
    out = np.zeros(rays.shape[:2])
    distances_inside(origins, rays, corners, *_grid(corners), THICKEST, out)
    field = torch.zeros(len(head.mean), 1)
    field[used, 0] = torch.from_numpy(1 / (1 / np.maximum(out, 2e-4)).mean(1)).float()
    baked = bake_vertex_field(head, field, min(side, 512))[..., 0].numpy()
    return np.asarray(cv2.resize(baked, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def cavity(height: Array, metres: Array) -> Array:
    """1 on level skin to 0 where it lies DEEPEST or more below the skin AROUND, [S,S], of heights
    [S,S] in metres; metres [S,S,2] are the sides of texels."""
    texels = AROUND / float(np.median(metres))
    around = cv2.GaussianBlur(height, (0, 0), texels)
    return np.asarray((1 - (around - height) / DEEPEST).clip(0, 1), np.float32)


def _cone(inward: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit rays [N,RAYS + 1,3] around unit directions [N,3], which are the first."""
    other = np.where(np.abs(inward[:, :1]) < 0.7, [[1.0, 0, 0]], [[0, 1.0, 0]])
    first = np.cross(inward, other)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(inward, first)
    angle = 2 * math.pi * np.arange(RAYS) / RAYS
    tilt = math.radians(CONE_DEG)
    ring = np.cos(angle)[:, None, None] * first + np.sin(angle)[:, None, None] * second
    ring = math.cos(tilt) * inward + math.sin(tilt) * ring
    return np.ascontiguousarray(np.concatenate([inward[None], ring]).transpose(1, 0, 2))


def _grid(
    corners: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], float, NDArray[np.int64]]:
    """Triangles [T,3,3] sorted into the cells that their boxes touch, see `distances_inside`."""
    low = corners.min((0, 1)) - 1e-4
    counts = ((corners.max((0, 1)) + 1e-4 - low) / _CELL).astype(np.int64) + 1
    first = ((corners.min(1) - low) / _CELL).astype(np.int64)
    last = ((corners.max(1) - low) / _CELL).astype(np.int64)
    cells, members = [], []
    for step in itertools.product(range(int((last - first).max()) + 1), repeat=3):
        at = first + step
        inside = (at <= last).all(1)
        cells.append((at[inside, 0] * counts[1] + at[inside, 1]) * counts[2] + at[inside, 2])
        members.append(np.nonzero(inside)[0])
    cell, member = np.concatenate(cells), np.concatenate(members)
    order = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[order], np.arange(int(counts.prod()) + 1))
    return starts, member[order], low, _CELL, counts
