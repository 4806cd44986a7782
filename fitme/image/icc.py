"""Colour management at the file border: any Pillow image to sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

_STEPS = 18  # of each channel, from 0 to 255
# In 8-bit codes. Copies of sRGB differ by rounding, and by 2 where the black point is another; a
# pure power of 2.2 differs by 6, Display P3 by 70.
_SRGB_TOLERANCE = 2


def to_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """An opaque 8-bit image as mode RGB in sRGB, through its embedded ICC profile if any.

    Without a profile (or with one that does not fit the image) Pillow's plain conversion is
    used. Appends one line to `notes` for what was done. Raises ValueError or OSError for
    modes that Pillow cannot convert.
    """
    embedded = image.info.get("icc_profile")
    if image.mode in ("P", "1"):
        image = image.convert("RGB")
    if embedded:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
            name = " ".join(ImageCms.getProfileDescription(profile).split()) or "unnamed"
            if image.mode == "RGB" and _is_srgb(profile):
                return image
            converted = _converted(image, profile)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            notes.append(f"embedded colour profile does not fit {image.mode}, ignored")
        else:
            if converted is not None:
                notes.append(f"colour profile {name!r} ({image.mode}) converted to sRGB")
                return converted
    if image.mode != "RGB":
        notes.append(f"{image.mode} converted to RGB")
    return image.convert("RGB")


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    return ImageCms.profileToProfile(
        image,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether a profile has the primaries and the curve of sRGB, by what it does to colours.

    Names say little: cameras and editors write "sRGB" over other primaries, and sRGB under names
    of their own.
    """
    steps = np.linspace(0, 255, _STEPS).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    colours = colours.reshape(_STEPS, _STEPS * _STEPS, 3)
    converted = _converted(Image.fromarray(colours), profile)
    difference = np.asarray(converted).astype(int) - colours
    return bool(np.abs(difference).max() <= _SRGB_TOLERANCE)
