"""Colour management at the file border: any Pillow image to sRGB."""

from __future__ import annotations

import io

from PIL import Image, ImageCms


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
            if name.startswith("sRGB") and image.mode == "RGB":
                return image
            converted = ImageCms.profileToProfile(
                image,
                profile,
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            notes.append(f"embedded colour profile does not fit {image.mode}, ignored")
        else:
            if converted is not None:
                notes.append(f"colour profile {name!r} ({image.mode}) converted to sRGB")
                return converted
    if image.mode != "RGB":
        notes.append(f"{image.mode} converted to RGB")
    return image.convert("RGB")
