"""Pictures, numbers and texts as pieces of a single HTML file."""

from __future__ import annotations

import base64
import io
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fitme.image.png import encode_png


@dataclass(frozen=True)
class Figure:
    """A picture of the page with its caption; the template escapes the texts."""

    uri: str
    alt: str
    caption: str
    identity: str = ""  # the element's id, where something else refers to the picture


def jpeg_uri(pixels: NDArray[Any], quality: int = 86, fine: bool = False) -> str:
    """data: URI of uint8 pixels [H,W], [H,W,1] or [H,W,3]; `fine` keeps colour at full size."""
    image = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, subsampling=0 if fine else 2, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def png_uri(pixels: NDArray[Any]) -> str:
    """data: URI of uint8 pixels [H,W,C], without loss."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()


def script_json(data: Any) -> str:
    """JSON that may stand inside <script>: no text in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def rounded(value: Any, digits: int = 5) -> Any:
    """Nested lists and dictionaries with every float cut to `digits` significant digits."""
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{digits}g}")
    return value


def resized(pixels: NDArray[Any], side: int) -> NDArray[Any]:
    """uint8 pixels [H,W,C] made smaller so that no side is longer than `side`."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    flat = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    small = np.asarray(Image.fromarray(flat).resize(size, Image.Resampling.BOX))
    return small.reshape(*small.shape[:2], pixels.shape[2])
