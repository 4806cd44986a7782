"""Moving folds to and from PNG files of 16 bits.

file                 what it holds                                          of `Wrinkles`
wrinkles_height.png  R metres that compressed skin is displaced, G stretched   compressed, stretched
wrinkles_shade.png   RGB log of light of compressed skin over that at rest     shade
wrinkles_fold.png    RGB amount of compression per strain (tt, bb, tb)         fold

Middle grey (code 32768) is 0, and `fit.json` says under "wrinkles" for each file what black to
white stands for: a value is the file's number in 0..1, less a half, times that. Files of 8 bits, as
a paint program may leave them, are read too (128 is 0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fitme.detail.wrinkles import Wrinkles
from fitme.image.png import decode_png, encode_png
from fitme.runtime.input_files import mapping, number

HEIGHT, SHADE, FOLD = "wrinkles_height.png", "wrinkles_shade.png", "wrinkles_fold.png"
#: The key of fit.json that tells what black to white of each file stands for.
SPANS = {HEIGHT: "height_metres", SHADE: "shade_log", FOLD: "fold_per_strain"}
MOST_TEXELS = 8192  # a side, of files that are read: the most that a fit makes


def describe_wrinkles(wrinkles: Wrinkles) -> dict[str, Any]:
    """JSON-ready spans of the three files."""
    return {SPANS[file]: _span(values) for file, values in _values(wrinkles).items()}


def encode_wrinkles(wrinkles: Wrinkles) -> dict[str, bytes]:
    """PNG bytes of the three files, by name."""
    return {
        file: encode_centred(values.cpu().numpy(), _span(values))
        for file, values in _values(wrinkles).items()
    }


def decode_wrinkles(data: Mapping[str, Any], read: Callable[[str], bytes]) -> Wrinkles | None:
    """The folds that `fit.json`, all of it, tells of; None where it tells of none. `read` gives the
    bytes of a file of textures/.

    Raises ValueError naming the entry or the file, and what `read` raises.
    """
    if data.get("wrinkles") is None:
        return None
    spans = mapping(data, "wrinkles")
    maps = {}
    for file, key in SPANS.items():
        span = number(spans, key)
        if not span > 0:
            raise ValueError(f"wrinkles: {key} is {span:g}, wanted a number above 0")
        try:
            pixels = decode_centred(read(file), span)
            if pixels.shape[0] != pixels.shape[1] or not 2 <= len(pixels) <= MOST_TEXELS:
                raise ValueError(f"it has {pixels.shape[1]} x {pixels.shape[0]} texels, no square")
            if pixels.shape[2] < 3:
                raise ValueError("it is grey, wanted RGB")
        except ValueError as error:
            raise ValueError(f"textures/{file}: {error}") from error
        maps[file] = torch.from_numpy(pixels[None, ..., :3].copy())
    height, shade = maps[HEIGHT], maps[SHADE]
    if height.shape != shade.shape:
        raise ValueError(
            f"textures/{SHADE} has {shade.shape[1]} texels a side, {HEIGHT} has {height.shape[1]}"
        )
    return Wrinkles(height[..., 0].contiguous(), height[..., 1].contiguous(), shade, maps[FOLD])


def encode_centred(values: NDArray[Any], span: float) -> bytes:
    """PNG bytes of 16 bits of values [H,W] or [H,W,C], C = 1 or 3: middle grey is 0, black to white
    is `span`; what lies outside is clipped."""
    codes = np.rint(np.nan_to_num(values).astype(np.float64) / span * 65535) + 32768
    return encode_png(codes.clip(0, 65535).astype(np.uint16))


def decode_centred(data: bytes, span: float) -> NDArray[np.float32]:
    """The values [H,W,C] of such bytes, of 8 bits too. Raises ValueError for what is no PNG."""
    pixels = decode_png(data)
    top = np.iinfo(pixels.dtype).max
    return (pixels.astype(np.float32) - (top + 1) // 2) * np.float32(span / top)


def _values(wrinkles: Wrinkles) -> dict[str, Tensor]:
    """[R,R,3] of each file."""
    compressed, stretched = wrinkles.compressed[0], wrinkles.stretched[0]
    height = torch.stack([compressed, stretched, torch.zeros_like(compressed)], -1)
    return {HEIGHT: height, SHADE: wrinkles.shade[0], FOLD: wrinkles.fold[0]}


def _span(values: Tensor) -> float:
    """Black to white for values of which the largest is white; 1 where all are 0."""
    return float(values.abs().max()) * 65535 / 32767 or 1.0
