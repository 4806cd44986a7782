"""PNG files of 8 and 16 bits per channel to and from numpy arrays.

Pillow reads and writes 8 bits; it has no 16-bit RGB, so that is done here (PNG specification,
section 9: filtering). The files carry no colour-space chunk: engines honour or ignore it each
in its own way, and what a file means is said by who writes it.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> PNG colour type
_MAX_PIXELS = 16384 * 16384


def encode_png(pixels: NDArray[Any]) -> bytes:
    """PNG bytes of pixels [H,W] or [H,W,C], C = 1 to 4, uint8 or uint16.

    Raises ValueError for another shape or type.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in _COLOR_TYPES or pixels.size == 0:
        raise ValueError(f"pixels must be (H, W) or (H, W, 1 to 4), got {pixels.shape}")
    if pixels.dtype == np.uint8:
        stream = io.BytesIO()
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        image.save(stream, "PNG")
        return stream.getvalue()
    if pixels.dtype != np.uint16:
        raise ValueError(f"pixels must be uint8 or uint16, got {pixels.dtype}")
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOR_TYPES[channels], 0, 0, 0)
    scanlines = zlib.compress(_filtered(pixels), 6)
    chunks = ((b"IHDR", header), (b"IDAT", scanlines), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def decode_png(data: bytes) -> NDArray[Any]:
    """Pixels [H,W,C] of a PNG: uint16 if it has 16 bits per channel, else uint8.

    Raises ValueError for what is no PNG, is damaged, has more than 16384 x 16384 pixels, or
    is interlaced at 16 bits.
    """
    if len(data) < 33 or not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        raise ValueError("not a PNG file")
    width, height, depth, color_type, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if not 0 < width * height <= _MAX_PIXELS:
        raise ValueError(f"a PNG of {width} x {height} pixels is outside 1..{_MAX_PIXELS} pixels")
    if depth == 16:
        if interlaced:
            raise ValueError("interlaced PNG files of 16 bits are not supported")
        channels = next((c for c, kind in _COLOR_TYPES.items() if kind == color_type), None)
        if channels is None:
            raise ValueError(f"PNG colour type {color_type} does not exist at 16 bits")
        return _decode_16(data, height, width, channels)
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            mode = image.mode
            if mode not in ("L", "LA", "RGB", "RGBA"):  # a palette, or 1 to 4 bits
                mode = "RGBA" if "transparency" in image.info else "RGB"
            pixels = np.array(image.convert(mode))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"damaged PNG file: {error}") from error
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _filtered(pixels: NDArray[np.uint16]) -> bytes:
    """Scanlines with the filter, None, Sub or Up, whose bytes are smallest, row by row."""
    height, width, channels = pixels.shape
    raw = pixels.astype(">u2").view(np.uint8).reshape(height, width, channels * 2)
    sub, up = raw.copy(), raw.copy()
    sub[:, 1:] -= raw[:, :-1]
    up[1:] -= raw[:-1]
    candidates = np.stack([raw, sub, up]).reshape(3, height, -1)
    size = np.abs(candidates.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
    choice = size.argmin(axis=0).astype(np.uint8)
    rows = candidates[choice, np.arange(height)]
    return np.concatenate([choice[:, None], rows], axis=1).tobytes()


def _decode_16(data: bytes, height: int, width: int, channels: int) -> NDArray[np.uint16]:
    packed, offset = bytearray(), len(_SIGNATURE)
    while offset + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, offset)
        if data[offset + 4 : offset + 8] == b"IDAT":
            packed += data[offset + 8 : offset + 8 + length]
        offset += 12 + length
    row_bytes = 1 + width * channels * 2
    try:
        scanlines = zlib.decompressobj().decompress(bytes(packed), height * row_bytes)
    except zlib.error as error:
        raise ValueError(f"damaged PNG file: {error}") from error
    if len(scanlines) != height * row_bytes:
        raise ValueError("damaged PNG file: it ends too early")
    rows = np.frombuffer(scanlines, np.uint8).reshape(height, row_bytes)
    pixels = np.zeros((height, width, channels * 2), np.uint8)
    above = np.zeros((width, channels * 2), np.uint8)
    for y in range(height):
        above = pixels[y] = _unfilter(int(rows[y, 0]), rows[y, 1:].reshape(above.shape), above)
    return pixels.reshape(height, -1).view(">u2").reshape(height, width, channels).astype(np.uint16)


def _unfilter(kind: int, row: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if kind == 0:
        return row
    if kind == 1:
        return np.cumsum(row, axis=0, dtype=np.uint8)
    if kind == 2:
        return row + above
    if kind not in (3, 4):
        raise ValueError(f"damaged PNG file: filter {kind}")
    step = row.shape[1]  # Average and Paeth, of other programs' files: byte by byte
    out, top, line = bytearray(row.size), above.tobytes(), row.tobytes()
    for i, value in enumerate(line):
        left, up, corner = (out[i - step], top[i], top[i - step]) if i >= step else (0, top[i], 0)
        if kind == 3:
            predicted = (left + up) // 2
        else:
            guess = left + up - corner
            to_left, to_up, to_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
            nearest_above = up if to_up <= to_corner else corner
            predicted = left if to_left <= to_up and to_left <= to_corner else nearest_above
        out[i] = (value + predicted) & 255
    return np.frombuffer(bytes(out), np.uint8).reshape(row.shape)
