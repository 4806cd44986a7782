"""Opening the file of a photo: what is refused, and at which size it will be decoded."""

from __future__ import annotations

import functools
from pathlib import Path

from PIL import Image, JpegImagePlugin

from fitme.image.boxes import is_heic
from fitme.runtime.errors import PhotoError, show_path
from fitme.runtime.resources import GIB, free_memory

#: Most pixels that are decoded: about 3 GB of memory while it lasts. A JPEG of more (phones with
#: 108 and 200 megapixels) is decoded at half or a quarter of its size, other files are refused.
MAX_PIXELS = 100_000_000
_REDUCTIONS = (1, 2, 4)  # what libjpeg can leave out while decoding, but for an eighth
# Coefficients that a progressive JPEG of three full planes keeps until it is decoded, whatever the
# size that is asked for: 2 bytes each.
_COEFFICIENT_BYTES = 6
#: An image narrower than the smallest face that is accepted cannot be fitted.
MIN_SIDE = 40
# Readers that decode in-process; Pillow's others start programs (EPS) or are exotic.
_FORMATS = (
    "JPEG",
    "MPO",
    "PNG",
    "WEBP",
    "TIFF",
    "BMP",
    "JPEG2000",
    "PPM",
    "GIF",
    "AVIF",
    "HEIF",
)
#: The cure for most of what is wrong with a file.
GIVE = "give a JPEG, PNG, WebP, HEIC or TIFF photo"


def open_image(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, int]:
    """The image, not yet decoded, and by how much its sides are to be divided while decoding.

    Raises PhotoError: see `fitme.image.photo.load_photo`.
    """
    name = show_path(path)
    _check_is_file(path, name)
    _with_heif()
    try:
        image = Image.open(path, formats=_readable_formats())
    except Image.DecompressionBombError as error:
        image = _open_large_jpeg(path, name, max_pixels, error)
    except PermissionError as error:
        raise PhotoError(f"{name} may not be read; change its permissions") from error
    except Exception as error:  # Pillow's readers raise many kinds on bad headers
        raise PhotoError(_not_an_image(path, name)) from error
    try:
        return image, _check_header(image, name, max_pixels)
    except PhotoError:
        image.close()
        raise


@functools.cache
def _with_heif() -> bool:
    """Have Pillow read HEIC, if the package of the extra `heif` is here. Depth maps, gain maps and
    thumbnails beside the picture are left alone."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False
    pillow_heif.register_heif_opener()
    return True


def _check_is_file(path: Path, name: str) -> None:
    if path.is_dir():
        raise PhotoError(f"{name} is a directory; {GIVE}")
    if not path.exists():
        raise PhotoError(f"{name} does not exist; check the path")
    if not path.is_file():
        raise PhotoError(f"{name} is not a regular file; {GIVE}")
    if path.stat().st_size == 0:
        raise PhotoError(f"{name} is empty; {GIVE}")


def _open_large_jpeg(
    path: Path, name: str, max_pixels: int, error: Exception
) -> JpegImagePlugin.JpegImageFile:
    """What Pillow's own limit refuses to open, if it is a JPEG."""
    try:
        return JpegImagePlugin.JpegImageFile(path)
    except SyntaxError:
        raise PhotoError(_too_large(name, None, max_pixels)) from error


def _readable_formats() -> list[str]:
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _not_an_image(path: Path, name: str) -> str:
    try:
        head = path.open("rb").read(32)
    except OSError as error:
        return f"{name} may not be read ({error.strerror}); check its permissions"
    if is_heic(head):
        if _with_heif():
            return f"{name} is a damaged HEIC picture; export it as JPEG where it opens"
        return f'{name} is a HEIC picture; pip install "fitme[heif]", or export it as JPEG'
    if head[4:12] in (b"ftypavif", b"ftypavis") and "AVIF" not in Image.OPEN:
        return f'{name} is an AVIF picture; pip install "pillow>=11.3", or export it as JPEG'
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG", b"II*\0", b"MM\0*", b"RIFF")):
        return f"{name} is a damaged image; {GIVE} that other programs can open"
    return f"{name} is not an image fitme can read; {GIVE}"


def _too_large(name: str, size: tuple[int, int] | None, max_pixels: int) -> str:
    what = "" if size is None else f" ({size[0]}x{size[1]})"
    return (
        f"{name} has more than {max_pixels / 1e6:g} megapixels{what}; "
        "save it as JPEG, scale it down or crop it to the head"
    )


def _check_header(image: Image.Image, name: str, max_pixels: int) -> int:
    """By how much the sides are to be divided while decoding."""
    is_jpeg = image.format in ("JPEG", "MPO")
    for reduction in _REDUCTIONS if is_jpeg else (1,):
        width, height = (-(-side // reduction) for side in image.size)
        if width * height <= max_pixels:
            break
    else:
        raise PhotoError(_too_large(name, image.size, max_pixels))
    if reduction > 1 and image.info.get("progressive"):
        needed = _COEFFICIENT_BYTES * image.width * image.height
        if needed > free_memory():
            raise PhotoError(
                f"{name} ({image.width}x{image.height}, progressive) needs {needed / GIB:.1f} GiB"
                " of memory to decode, more than there is; scale it down"
            )
    if min(width, height) < MIN_SIDE:
        raise PhotoError(
            f"{name} is only {width}x{height} pixels; give a photo of at least "
            f"{MIN_SIDE} pixels a side (better: 500 or more across the face)"
        )
    if image.format in ("GIF", "PNG", "WEBP", "AVIF") and getattr(image, "n_frames", 1) > 1:
        raise PhotoError(f"{name} is an animation; save one frame of it as PNG or JPEG")
    return reduction
