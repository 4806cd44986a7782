"""The photos of a loaded avatar: the files where they are found, else what its folder has of them.

`fit.json` has the photos' names alone, and a folder that is handed on rarely has the photos in it.
Its overlay pictures begin with the photo, cut around the head, which is all that a report shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.avatar.photo import AvatarPhoto
from fitme.image.color import srgb_to_linear
from fitme.image.photo import Photo, load_photo
from fitme.render.camera import Camera
from fitme.report.overlay import PANELS, photo_window
from fitme.runtime.errors import InputError

LARGEST_PANEL = 2048  # pixels; `fitme fit` writes 512


@dataclass(frozen=True)
class PhotoCut:
    """A photo as `head_window` cuts it, where the photo itself is not at hand."""

    pixels: Tensor  # [S, S, 3] linear RGB
    was_gray: bool
    notes: tuple[str, ...] = ()

    def at_size(self, size: int) -> Tensor:
        """The pixels [size, size, 3]."""
        stack = self.pixels.movedim(-1, 0)[None]
        sized = F.interpolate(stack, (size, size), mode="bilinear", antialias=True)
        return sized[0].movedim(0, -1).contiguous()


def window_pixels(photo: Photo | PhotoCut, whole: Camera, window: Camera) -> Tensor:
    """A photo's pixels [size, size, 3] in the `head_window` of its camera."""
    if isinstance(photo, PhotoCut):
        return photo.at_size(window.width)
    return photo_window(photo, whole, window)


def find_photos(
    avatar: Avatar, folder: Path, photos: Path | None = None
) -> list[Photo | PhotoCut | None]:
    """What is left of the photos that an avatar was made from, in their order.

    A photo is taken from `photos`, if given, or from the avatar's `folder`, where it has its name
    and its size; else it is cut out of the folder's overlay picture; else it is None.
    """
    places = [folder] if photos is None else [photos, folder]
    return [
        _photo_file(seen, places) or _overlay_cut(folder / f"overlay_{index:02d}.png")
        for index, seen in enumerate(avatar.photos)
    ]


def _photo_file(seen: AvatarPhoto, places: list[Path]) -> Photo | None:
    for file in (place / seen.path.name for place in places):
        try:
            photo = load_photo(file) if file.is_file() else None
        except (InputError, OSError):
            continue
        size = (seen.view.width, seen.view.height)
        if photo is not None and (photo.width, photo.height) == size:
            return photo
    return None


def _overlay_cut(file: Path) -> PhotoCut | None:
    """The first panel of an overlay picture; None where there is no such picture."""
    try:
        with Image.open(file) as image:
            size = image.height
            if image.width != PANELS * size or not 0 < size <= LARGEST_PANEL:
                return None
            pixels = np.asarray(image.convert("RGB").crop((0, 0, size, size)))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    gray = bool((pixels == pixels[..., :1]).all())
    return PhotoCut(srgb_to_linear(torch.from_numpy(pixels / 255).float()), gray)
