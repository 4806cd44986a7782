"""What EXIF says about the camera: orientation tag and focal length in pixels."""

from __future__ import annotations

import math

from PIL import Image

EXIF_ORIENTATION = 0x0112
_EXIF_IFD = 0x8769
_FOCAL_LENGTH_MM = 0x920A
_FOCAL_LENGTH_35MM = 0xA405
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_FOCAL_PLANE_X_RESOLUTION = 0xA20E
_FOCAL_PLANE_UNIT = 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # EXIF 2.3; 4 and 5 are in wide use

_DIAGONAL_35MM = math.hypot(36, 24)
# Fields of view (over the diagonal) from 150 to 2 degrees; beyond, the tag is nonsense.
_PLAUSIBLE = (0.5 / math.tan(math.radians(75)), 0.5 / math.tan(math.radians(1)))


def focal_length_px(exif: Image.Exif, width: int, height: int) -> float | None:
    """Focal length in pixels for an image stored as `width` x `height`, or None.

    Width and height are those before the orientation tag is applied, as EXIF means them; the
    pixels are square, so the result holds for the upright picture too. Two sources:
    FocalLengthIn35mmFilm, which relates to the diagonal (CIPA DCG-001), so a uniformly
    scaled picture keeps it; else FocalLength with FocalPlaneXResolution, scaled by how the
    picture was resized since. A picture whose sides have another ratio than the camera
    recorded was cropped: nothing is known then.
    """
    try:
        tags = exif.get_ifd(_EXIF_IFD)
    except Exception:  # a broken EXIF block must not cost the user the photo
        return None
    recorded = _number(tags.get(_PIXEL_X)), _number(tags.get(_PIXEL_Y))
    if recorded[0] and recorded[1]:
        ratio = (recorded[0] / recorded[1]) / (width / height)
        if abs(math.log(ratio)) > 0.02:
            return None
    diagonal = math.hypot(width, height)
    candidates = []
    if equivalent := _number(tags.get(_FOCAL_LENGTH_35MM)):
        candidates.append(equivalent / _DIAGONAL_35MM * diagonal)
    focal_mm = _number(tags.get(_FOCAL_LENGTH_MM))
    resolution = _number(tags.get(_FOCAL_PLANE_X_RESOLUTION))
    if focal_mm and resolution:
        unit = _UNIT_MM.get(tags.get(_FOCAL_PLANE_UNIT, 2), 25.4)
        candidates.append(focal_mm * resolution / unit * width / (recorded[0] or width))
    for focal in candidates:
        if _PLAUSIBLE[0] <= focal / diagonal <= _PLAUSIBLE[1]:
            return focal
    return None


def _number(value: object) -> float | None:
    """A positive finite number (EXIF rationals may be 0/0 or come as text), else None."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
