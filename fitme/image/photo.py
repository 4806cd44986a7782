"""A photograph as linear RGB: decoding, orientation, colour, focal length, crops.

Image coordinates are pixels, x right and y down, pixel centres at +0.5: the top left pixel
covers [0, 1) x [0, 1). Every geometric value of this module follows that.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fitme.image.boxes import Nclx, read_nclx
from fitme.image.code_points import curve, needs_conversion, space_name, to_srgb_primaries
from fitme.image.color import srgb_to_linear
from fitme.image.exif import EXIF_ORIENTATION, focal_length_px
from fitme.image.icc import to_srgb
from fitme.image.opening import GIVE, MAX_PIXELS, open_image
from fitme.runtime.errors import PhotoError, show_path

#: sRGB value that replaces what is fully transparent.
BACKGROUND = 0.5

_GRAY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_GRAY_TOLERANCE = 2 / 255  # JPEG noise in the chroma of a grey picture


@dataclass(frozen=True)
class Photo:
    """One decoded photograph, upright.

    path: the file it came from.
    pixels: [H, W, 3] float32, linear RGB in [0, 1], sRGB primaries.
    focal_px: focal length in pixels of `pixels` from EXIF, or None.
    was_gray: the picture holds no colour, so it says nothing about skin tone.
    notes: one line for each thing done to the file that a user may want to know.
    scale: pixels of `pixels` along a side for one pixel of the file: below 1 where it was too
        large to decode in full.
    second: of a film that it is a picture of; `path` is then where it would lie beside the film.
    inset: a part of it that is known finer than the rest.
    """

    path: Path
    pixels: Tensor
    focal_px: float | None = None
    was_gray: bool = False
    notes: tuple[str, ...] = ()
    scale: float = 1.0
    second: float | None = None
    inset: Inset | None = None

    @property
    def finest(self) -> int:
        """Pixels of the finest part along a side for one pixel of `pixels`."""
        return 1 if self.inset is None else self.inset.factor

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    def crop(
        self, x: int, y: int, width: int, height: int, size: tuple[int, int] | None = None
    ) -> Crop:
        """The pixels of a box, resampled to `size` = (width, height) if given.

        The box may stick out of the photo: what lies outside is black. Resampling is
        antialiased (triangle filter) and in linear light. Where `size` asks for more pixels than
        there are, they are taken from the inset, if the box lies in it. Raises ValueError if empty.
        """
        if width < 1 or height < 1 or (size is not None and min(size) < 1):
            raise ValueError(f"crop must not be empty, got {width}x{height} to {size}")
        fine = self.inset
        if fine and size and max(size) > width and fine.holds(x, y, width, height, self):
            n = fine.factor
            pixels = _piece(fine.pixels, (x - fine.x) * n, (y - fine.y) * n, width * n, height * n)
        else:
            pixels = _piece(self.pixels, x, y, width, height)
        new_width, new_height = size or (width, height)
        scale_x, scale_y = width / new_width, height / new_height
        to_photo = torch.tensor(
            [[scale_x, 0.0, x], [0.0, scale_y, y], [0.0, 0.0, 1.0]], dtype=torch.float64
        )
        return Crop(_resample(pixels, new_width, new_height), to_photo)

    def resized(self, width: int, height: int) -> Photo:
        """The whole photo at another size; the focal length follows the width."""
        factor = width / self.width
        return replace(
            self,
            pixels=_resample(self.pixels, width, height),
            focal_px=None if self.focal_px is None else self.focal_px * factor,
            scale=self.scale * factor,
            inset=None,
        )


@dataclass(frozen=True)
class Inset:
    """A part of a photo with `factor` pixels along a side for one of the photo's; its corner is at
    (x, y) of those. pixels: [h, w, 3]."""

    x: int
    y: int
    factor: int
    pixels: Tensor

    def holds(self, x: int, y: int, width: int, height: int, photo: Photo) -> bool:
        """Whether what of a box is on the photo lies in the inset."""
        right = self.x + self.pixels.shape[1] // self.factor
        below = self.y + self.pixels.shape[0] // self.factor
        across = max(x, 0) >= self.x and min(x + width, photo.width) <= right
        return across and max(y, 0) >= self.y and min(y + height, photo.height) <= below


@dataclass(frozen=True)
class Crop:
    """Part of a photo.

    pixels: [h, w, 3] float32 linear RGB.
    to_photo: [3, 3] float64 affine; to_photo @ (x, y, 1) takes crop coordinates to photo
        coordinates, both with pixel centres at +0.5. With K the intrinsics for the photo,
        inverse(to_photo) @ K are the intrinsics for the crop.
    """

    pixels: Tensor
    to_photo: Tensor


def load_photo(path: str | Path, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a photo, upright, as linear RGB.

    EXIF orientation is applied; an embedded ICC profile, or the colour space that a HEIC or AVIF
    file states, is converted to sRGB (what is brighter than white becomes white); CMYK, grey,
    16-bit and palette pictures become RGB; transparent parts are laid over mid-grey
    (sRGB 0.5). 16-bit grey keeps its depth, 16-bit RGB PNG is read by Pillow with 8 bits.
    Of a file with several pictures that is no animation (TIFF, MPO) the first is taken, of a
    phone's the picture itself, without its depth and gain maps. A JPEG
    of more than `max_pixels` is decoded at half or a quarter of its size, with a note.

    Raises PhotoError, one line with file and cure: no such file, directory, not an image or
    of an unsupported kind, damaged or cut off, animated, more than `max_pixels` even so
    (known from the header, before anything is decoded), or a side shorter than 40 pixels.
    """
    path = Path(path)
    with warnings.catch_warnings():
        # max_pixels is our own limit; warnings about odd EXIF data are not for the user.
        warnings.simplefilter("ignore")
        image, reduction = open_image(path, max_pixels)
        with image:
            return _decode(image, path, show_path(path), reduction)


def _decode(image: Image.Image, path: Path, name: str, reduction: int) -> Photo:
    width, height = image.size  # as the file stores it
    try:
        if reduction > 1:
            image.draft(None, (width // reduction, height // reduction))
        image.load()
        # After load(): Pillow turns TIFFs itself and then drops the tag.
        exif = image.getexif()
        orientation = exif.get(EXIF_ORIENTATION, 1)
        focal = focal_length_px(exif, width, height)
    except (MemoryError, Image.DecompressionBombError) as error:
        raise PhotoError(f"{name} needs more memory than there is; scale it down") from error
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ...
        raise PhotoError(
            f"{name} is damaged or cut off; {GIVE} that other programs can open"
        ) from error
    try:
        linear, notes = to_linear_rgb(image, _stated_space(image, path))
    except (OSError, ValueError) as error:
        raise PhotoError(
            f"{name} has the colour mode {image.mode}, which cannot be converted; "
            "save it as an RGB JPEG or PNG"
        ) from error
    if reduction > 1:
        focal = None if focal is None else focal / reduction
        fraction = {2: "half", 4: "a quarter of"}[reduction]
        shown = "x".join(map(str, image.size))
        notes.append(f"{width}x{height} pixels are many: read at {fraction} its size, {shown}")
    was_gray = image.mode in _GRAY_MODES or _is_gray(linear)
    pixels = upright(torch.from_numpy(linear), orientation)
    return Photo(path, pixels, focal, was_gray, tuple(notes), 1 / reduction)


def of_picture(image: Image.Image, path: Path, space: Nclx | None, second: float) -> Photo:
    """A picture of a film, upright and decoded, whose codes are those of `space` or sRGB."""
    linear, notes = to_linear_rgb(image, space)
    pixels = torch.from_numpy(linear)
    return Photo(path, pixels, None, _is_gray(linear), tuple(notes), second=second)


def _stated_space(image: Image.Image, path: Path) -> Nclx | None:
    """What other colour space than sRGB a HEIC or AVIF file states in numbers; a profile says more
    than they do."""
    if image.format not in ("AVIF", "HEIF") or image.info.get("icc_profile"):
        return None
    space = read_nclx(path)
    return space if space is not None and needs_conversion(space) else None


def to_linear_rgb(image: Image.Image, space: Nclx | None = None) -> tuple[np.ndarray, list[str]]:
    """[H, W, 3] float32 linear RGB of a decoded image, in `space` if not in sRGB, and notes."""
    notes: list[str] = []
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        gray: np.ndarray = np.asarray(image, dtype=np.float32)
        # Pillow's "I" is 16-bit data in 32-bit cells; a float TIFF is taken as [0, 1].
        gray = gray if image.mode == "F" else gray / 65535
        linear = srgb_to_linear(torch.from_numpy(gray).nan_to_num().clamp(0, 1)).numpy()
        return np.repeat(linear[..., None], 3, axis=2), [f"{image.mode} grey converted to RGB"]
    alpha = None
    if image.has_transparency_data:
        image = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"), dtype=np.float32) / 255
        image = image.convert("L" if image.mode == "LA" else "RGB")
        if alpha.min() == 1:
            alpha = None
    rgb = to_srgb(image, notes)
    linear = _decode_table(np.asarray(rgb), None if space is None else curve(space))
    if space is not None:
        linear = to_srgb_primaries(linear, space)
        notes.append(f"colour space {space_name(space)} converted to sRGB")
    if alpha is not None:
        notes.append("transparent parts laid over mid-grey")
        background = float(srgb_to_linear(torch.tensor(BACKGROUND)))
        linear = linear * alpha[..., None] + background * (1 - alpha[..., None])
    return linear, notes


def _decode_table(rgb: np.ndarray, table: np.ndarray | None = None) -> np.ndarray:
    """uint8 (sRGB, or what the table [256] says) to float32 linear by table, in slabs: indexing
    whole would need 8x memory."""
    if table is None:
        table = srgb_to_linear(torch.arange(256, dtype=torch.float64) / 255).float().numpy()
    linear = np.empty(rgb.shape, np.float32)
    for start in range(0, len(rgb), 256):
        linear[start : start + 256] = table[rgb[start : start + 256]]
    return linear


def _is_gray(linear: np.ndarray) -> bool:
    step = max(1, int((linear.shape[0] * linear.shape[1] / 250_000) ** 0.5))
    sample = linear[::step, ::step]
    return bool(np.ptp(sample, axis=2).max() <= _GRAY_TOLERANCE)


def upright(pixels: Tensor, orientation: int) -> Tensor:
    """Undo the EXIF orientation 1 to 8 of [H, W, 3]; other values count as 1."""
    if orientation in (5, 6, 7, 8):  # stored sideways: rows are the picture's columns
        pixels = pixels.transpose(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels.flip(1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels.flip(0)
    return pixels.contiguous()


def _piece(pixels: Tensor, x: int, y: int, width: int, height: int) -> Tensor:
    """A box of pixels [H, W, 3], black where it sticks out."""
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, pixels.shape[1]), min(y + height, pixels.shape[0])
    if x0 >= x1 or y0 >= y1:
        return pixels.new_zeros(height, width, 3)
    pad = (x0 - x, x + width - x1, y0 - y, y + height - y1)
    inside = pixels[y0:y1, x0:x1]
    return F.pad(inside, (0, 0, *pad)) if any(pad) else inside


def _resample(pixels: Tensor, width: int, height: int) -> Tensor:
    """Antialiased resize of [H, W, 3]; the strided view is several times faster than CHW."""
    if (width, height) == (pixels.shape[1], pixels.shape[0]):
        return pixels
    planes = pixels.permute(2, 0, 1)[None]
    resized = F.interpolate(planes, size=(height, width), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).contiguous()
