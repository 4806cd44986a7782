"""Ambient visibility per vertex: a ramp as occlusion texture, and where to look it up.

glTF has no such attribute that all importers know; a second set of texture coordinates they do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.export import packing

RAMP_EDGE = 1 / 32  # of the ramp's texture, which repeats


def ramp_uv(visibility: NDArray[Any]) -> NDArray[Any]:
    """Texture coordinates [V, 2] at which `visibility_ramp` holds visibilities [V] in 0..1."""
    u = RAMP_EDGE + (1 - 2 * RAMP_EDGE) * np.asarray(visibility)
    return np.stack([u, np.full_like(u, 0.5)], 1)


def visibility_ramp(form: str) -> bytes:
    """A small image, png or webp, that holds every visibility from 0 at the left to 1."""
    values = np.clip(((np.arange(64) + 0.5) / 64 - RAMP_EDGE) / (1 - 2 * RAMP_EDGE), 0, 1)
    return packing.encode(np.tile(values[None, :, None], (4, 1, 3)), False, form)
