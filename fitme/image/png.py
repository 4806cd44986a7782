"""PNG files of 8 and 16 bits per channel to and from numpy arrays.

Pillow reads and writes 8 bits; it has no 16-bit RGB, for which OpenCV is taken. The files carry
no colour-space chunk: engines honour or ignore it each in its own way, and what a file means is
said by who writes it.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# PNG colour type of 16 bits -> which channels of OpenCV's pixels (grey, or blue green red alpha)
# are ours.
_ORDERS = {0: (0,), 2: (2, 1, 0), 4: (0, 3), 6: (2, 1, 0, 3)}
_COMPRESSION = 6  # zlib's default; OpenCV's own 3 saves half a second of 2048 x 2048, not space
_LARGE, _QUICK = 1024, 3  # texels a side beyond which a third of the time is worth 5 % of size
_MAX_PIXELS = 16384 * 16384


def encode_png(pixels: NDArray[Any]) -> bytes:
    """PNG bytes of pixels [H,W] or [H,W,C], C = 1 to 4, uint8 or uint16 (not of C = 2).

    The same bytes for the same pixels. Raises ValueError for another shape or type.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or pixels.size == 0:
        raise ValueError(f"pixels must be (H, W) or (H, W, 1 to 4), got {pixels.shape}")
    if pixels.dtype == np.uint8:
        stream = io.BytesIO()
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        level = _COMPRESSION if max(pixels.shape[:2]) <= _LARGE else _QUICK
        image.save(stream, "PNG", compress_level=level)
        return stream.getvalue()
    if pixels.dtype != np.uint16:
        raise ValueError(f"pixels must be uint8 or uint16, got {pixels.dtype}")
    if pixels.shape[2] == 2:
        raise ValueError("grey with alpha has no 16-bit form here; give 1, 3 or 4 channels")
    import cv2

    order = {1: (0,), 3: (2, 1, 0), 4: (2, 1, 0, 3)}[pixels.shape[2]]
    options = [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION]
    _, data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., order]), options)
    return data.tobytes()


def decode_png(data: bytes) -> NDArray[Any]:
    """Pixels [H,W,C] of a PNG: uint16 if it has 16 bits per channel, else uint8.

    Raises ValueError for what is no PNG, is damaged or has more than 16384 x 16384
    pixels.
    """
    if len(data) < 33 or not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        raise ValueError("not a PNG file")
    width, height, depth, color_type = struct.unpack(">IIBB", data[16:26])
    if not 0 < width * height <= _MAX_PIXELS:
        raise ValueError(f"a PNG of {width} x {height} pixels is outside 1..{_MAX_PIXELS} pixels")
    if depth == 16:
        if color_type not in _ORDERS:
            raise ValueError(f"PNG colour type {color_type} does not exist at 16 bits")
        return _decode_16(data, _ORDERS[color_type])
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            mode = image.mode
            if mode not in ("L", "LA", "RGB", "RGBA"):  # a palette, or 1 to 4 bits
                mode = "RGBA" if "transparency" in image.info else "RGB"
            pixels = np.array(image.convert(mode))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"damaged PNG file: {error}") from error
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _decode_16(data: bytes, order: tuple[int, ...]) -> NDArray[np.uint16]:
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ValueError(f"damaged PNG file: {error}") from error
    if pixels is None:
        raise ValueError("damaged PNG file: it cannot be decoded")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return np.ascontiguousarray(pixels[..., order])
