"""Pictures packed as JPEG or PNG, and back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def packed_jpeg(rgb: Array, quality: int) -> Array:
    """[N] bytes of a picture [H,W,3] uint8."""
    return _packed(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])


def packed_png(gray: Array) -> Array:
    """[N] bytes of a picture [H,W] uint8."""
    return _packed(".png", gray, [])


def unpacked(data: Array) -> Array:
    """[H,W,3] RGB of a JPEG. Raises ValueError for what is none."""
    return np.ascontiguousarray(_decoded(data, cv2.IMREAD_COLOR)[..., ::-1])


def unpacked_gray(data: Array) -> Array:
    """[H,W] of a PNG. Raises ValueError for what is none."""
    return _decoded(data, cv2.IMREAD_GRAYSCALE)


def _decoded(data: Array, flag: int) -> Array:
    picture = cv2.imdecode(data, flag)
    if picture is None:
        raise ValueError(f"{len(data)} bytes are no picture")
    return picture


def _packed(kind: str, picture: Array, options: list[int]) -> Array:
    done, data = cv2.imencode(kind, np.ascontiguousarray(picture), options)
    if not done:
        raise ValueError(f"a picture of {picture.shape} could not be packed as {kind[1:]}")
    return data.reshape(-1)
