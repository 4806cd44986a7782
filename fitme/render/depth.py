"""The depth of a mesh alone, at any size, without what it takes to shade it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fitme.render.backends.registry import get_backend
from fitme.render.camera import FAR, NEAR, Camera


def depth_of(vertices: Tensor, triangles: Tensor, camera: Camera) -> NDArray[np.floating[Any]]:
    """[H,W] metres along the axis of a camera of batch 1, inf where nothing is; vertices [1,V,3]
    and triangles [T,3] are drawn on the CPU."""
    clip = camera.to_clip(vertices.cpu())
    size = (camera.height, camera.width)
    flat = get_backend(None, "cpu").depth(clip, triangles.cpu().int(), size)[0].double().numpy()
    hit = np.isfinite(flat)
    depth = 2 * FAR * NEAR / (FAR + NEAR - np.where(hit, flat, 0) * (FAR - NEAR))
    return np.where(hit, depth, np.inf).astype(np.float32)
