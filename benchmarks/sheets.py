"""Pictures of the benchmarks."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw


def labelled(picture: np.ndarray, text: str) -> np.ndarray:
    """A picture uint8 [H,W,3] with yellow text in its corner."""
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text((6, 4), text, fill=(255, 255, 0))
    return np.asarray(image)
