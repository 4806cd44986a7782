"""The finest that a huge photo has of a small face: decoded in full there, and nowhere else.

A JPEG of more pixels than are decoded is read at half or a quarter of its size, see
`fitme.image.photo`. Where the face is small in it, the head's surroundings are read once more in
full: decoding takes 3 bytes a pixel, but the linear picture of the whole, 12 bytes a pixel, is
never made.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
from PIL import JpegImagePlugin

from fitme.image.exif import EXIF_ORIENTATION
from fitme.image.photo import Inset, Photo, to_linear_rgb, upright
from fitme.runtime.resources import free_memory

#: Pixels of a face from which on more of them say nothing that maps of 1024 texels could hold.
ENOUGH_PX = 600
_AROUND = 4.0  # side of the part over the face's longer side: the head with its hair
_BYTES = 5  # a pixel while the file is decoded in full, with room for what decoders keep


def with_inset(photo: Photo, box: tuple[float, float, float, float]) -> Photo:
    """The photo with its finest pixels around a face (x0, y0, x1, y1), if it was reduced for its
    size, the face is small in it, and there is the memory; else itself."""
    factor = round(1 / photo.scale)
    face = max(box[2] - box[0], box[3] - box[1])
    if factor == 1 or face >= ENOUGH_PX or photo.second is not None:
        return photo
    if _BYTES * photo.width * photo.height * factor**2 > free_memory():
        return photo
    half = _AROUND * face / 2
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    x0, y0 = max(int(cx - half), 0), max(int(cy - half), 0)
    x1, y1 = min(int(cx + half), photo.width), min(int(cy + half), photo.height)
    if x0 >= x1 or y0 >= y1:
        return photo
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with JpegImagePlugin.JpegImageFile(photo.path) as image:
                turned = int(image.getexif().get(EXIF_ORIENTATION, 1))
                upright_size = (photo.width * factor, photo.height * factor)
                full = tuple(factor * value for value in (x0, y0, x1, y1))
                part = image.crop(_stored(full, upright_size, turned))
                part.info = dict(image.info)
                linear, _ = to_linear_rgb(part)
        except (OSError, SyntaxError, ValueError, MemoryError):
            return photo
    pixels = upright(torch.from_numpy(linear), turned)
    note = f"the face is small: read there in full, {pixels.shape[1]}x{pixels.shape[0]} pixels"
    return replace(photo, inset=Inset(x0, y0, factor, pixels), notes=(*photo.notes, note))


def _stored(
    box: tuple[int, ...], size: tuple[int, int], orientation: int
) -> tuple[int, int, int, int]:
    """Where a box of the upright picture of `size` lies in the file."""
    x0, y0, x1, y1 = box
    width, height = size
    if orientation in (3, 4, 7, 8):
        y0, y1 = height - y1, height - y0
    if orientation in (2, 3, 6, 7):
        x0, x1 = width - x1, width - x0
    return (y0, x0, y1, x1) if orientation in (5, 6, 7, 8) else (x0, y0, x1, y1)
