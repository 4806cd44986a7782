"""Notes on a photo and the face in it, before anything is fitted.

Distributions beside the constants: 23 photos of all kinds (faces 169 to 731 pixels) and 59 official
portraits (347 to 552 pixels), one face each.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.image.color import linear_to_srgb, luminance
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.runtime.notes import Note

RIVAL = 0.7  # of the largest face's size: another face this large may be the one that was meant
SMALL_PX, TINY_PX = 100, 70
# Upper and lower lid, three pairs, and the corners, of the right eye and the left.
LIDS = (((159, 145), (160, 144), (158, 153)), ((386, 374), (385, 380), (387, 373)))
CORNERS = ((33, 133), (362, 263))
SHUT = 0.12  # opening over width; the 82 photos: smallest 0.14, 5 % 0.19, median 0.26
TINT = 0.012  # see `tint_spread`; 83 photos: 0.022 to 0.153; made sepia, as JPEG: 0.003 to 0.008
# See `sharpness`. The 82 photos: smallest 0.032, median 0.071; blurred by a Gaussian of 1 % of the
# face's size: 0.005 to 0.019, by 2 %: 0.003 to 0.011.
BLURRED, VERY_BLURRED = 0.022, 0.010
# See `even_share`. 41 photos: largest 0.009; as JPEG of quality 10: 0.06; a face filtered to areas
# of one colour with outlines: 0.40.
EVEN, EVEN_SIDE = 0.2, 128
TINT_SIDE = 128  # pixels of the longer side
BLUR_SIDE = 256  # pixels of the face at which sharpness is measured
CUT = 0.02  # of the face's landmarks outside of the picture


def picture_notes(photo: Photo, face: FaceLandmarks) -> list[Note]:
    """Everything that the photo and its landmarks alone say."""
    found = [
        _faces(photo, face),
        _colour(photo),
        _size(photo, face),
        _eyes(face),
        _cut(photo, face),
        _drawn(photo, face),
    ]
    if face.size > TINY_PX:
        found.append(_blur(photo, face))
    return [Note(text, grade, kind) for kind, grade, text in filter(None, found)]


Found = tuple[str, str, str] | None


def _faces(photo: Photo, face: FaceLandmarks) -> Found:
    """Several faces of which nobody chose one."""
    if len(face.among) < 2:
        return None
    x0, _, x1, _ = face.box
    third = min(2, max(0, int(3 * (x0 + x1) / 2 / photo.width)))
    where = ("at the left", "in the middle", "at the right")[third]
    rivals = sum(size > RIVAL * face.among[0] for size in face.among[1:])
    count = len(face.among)
    text = (
        f"of {count} faces the largest is fitted, {where} ({face.size:.0f} pixels); "
        f"--face 1 to {count - 1} takes another, by falling size"
    )
    return "faces", "warning" if rivals else "note", text


def _colour(photo: Photo) -> Found:
    """No colour, or one tint for everything."""
    if photo.was_gray:
        return "gray", "warning", "the picture has no colour, so the tone of the skin is a guess"
    if tint_spread(photo.pixels) < TINT:
        return "tinted", "warning", (
            "the picture has one tint for everything (sepia, a filter), so the tone of the skin "
            "is a guess; give the photo in its own colours"
        )  # fmt: skip
    return None


def _size(photo: Photo, face: FaceLandmarks) -> Found:
    size = face.size * photo.finest
    if size >= SMALL_PX:
        return None
    text = f"the face is only {size:.0f} pixels large, better are 500 or more"
    if size < TINY_PX:
        return "small", "warning", f"{text}: little of it is the person's own"
    return "small", "note", f"{text}: fine structure of the skin follows from the generator"


def _eyes(face: FaceLandmarks) -> Found:
    right, left = eye_openings(face)
    if min(right, left) >= SHUT:
        return None
    both = max(right, left) < SHUT
    which = "the eyes are" if both else f"the {'right' if right < left else 'left'} eye is"
    text = f"{which} shut, so the colour of the iris is a guess" if both else f"{which} shut"
    return "eyes", "warning" if both else "note", text


def _cut(photo: Photo, face: FaceLandmarks) -> Found:
    points = face.points
    inside = (points >= 0).all(1) & (points[:, 0] < photo.width) & (points[:, 1] < photo.height)
    outside = 1 - float(inside.float().mean())
    if outside <= CUT:
        return None
    text = f"{100 * outside:.0f} % of the face lies outside of the picture and is a guess"
    return "cut", "warning", text


def _drawn(photo: Photo, face: FaceLandmarks) -> Found:
    if even_share(photo, face) < EVEN:
        return None
    return "drawn", "note", (
        "large parts of the face are of one even colour (a drawing, a filter, strong compression): "
        "the skin is a guess, and so is the shape of a drawn head"
    )  # fmt: skip


def _blur(photo: Photo, face: FaceLandmarks) -> Found:
    sharp = sharpness(photo, face)
    if sharp >= BLURRED:
        return None
    if sharp < VERY_BLURRED:
        return "blurred", "warning", "the face is out of focus or shaken: give a sharper photo"
    return "blurred", "note", "the face is a little blurred: the skin's structure is a guess"


def tint_spread(pixels: Tensor) -> float:
    """How far colours are from being a function of brightness, in display units: 0 for sepia.

    RMS of R-G and G-B about their best cubics in the mean of R, G and B, over the linear pixels
    [H, W, 3] made as small as `TINT_SIDE`, where the coarse colours of a JPEG do not count.
    """
    shrunk = min(1.0, TINT_SIDE / max(pixels.shape[:2]))
    size = max(1, round(shrunk * pixels.shape[0])), max(1, round(shrunk * pixels.shape[1]))
    small = F.adaptive_avg_pool2d(linear_to_srgb(pixels).movedim(-1, 0), size)
    color = small.movedim(0, -1).reshape(-1, 3).double()
    bright = color.mean(1)
    chroma = torch.stack([color[:, 0] - color[:, 1], color[:, 1] - color[:, 2]], 1)
    powers = torch.stack([bright**k for k in range(4)], 1)
    # The picture may be one colour: normal equations with a little on the diagonal always solve.
    system = powers.T @ powers + 1e-9 * len(bright) * torch.eye(4).double()
    best = torch.linalg.solve(system, powers.T @ chroma)
    return float((chroma - powers @ best).square().mean().sqrt())


def eye_openings(face: FaceLandmarks) -> tuple[float, float]:
    """Distance between the lids over the eye's width, of the right eye and the left."""
    points = face.points
    out = []
    for lids, (outer, inner) in zip(LIDS, CORNERS, strict=True):
        gaps = torch.stack([(points[a] - points[b]).norm() for a, b in lids])
        width = (points[outer] - points[inner]).norm().clamp_min(1e-6)
        out.append(float(gaps.mean() / width))
    return out[0], out[1]


def sharpness(photo: Photo, face: FaceLandmarks) -> float:
    """Strength of the finest structure over all contrast of brightness, in the face.

    At no more than `BLUR_SIDE` pixels of the face, so that a large photo is not called blurred for
    what a small one cannot hold.
    """
    x0, y0, x1, y1 = face.box
    side = max(8, round(face.size))
    left, top = round((x0 + x1) / 2 - side / 2), round((y0 + y1) / 2 - side / 2)
    size = min(BLUR_SIDE, side)
    pixels = photo.crop(left, top, side, side, (size, size)).pixels
    gray = luminance(linear_to_srgb(pixels))[None, None]
    contrast = float(gray.std())
    return float((gray - _smooth(gray)).std()) / contrast if contrast > 1e-6 else 0.0


def even_share(photo: Photo, face: FaceLandmarks) -> float:
    """Share of the face where a pixel and its eight neighbours have one brightness: what a drawing
    has and a photo with its noise has not.

    Of the upper and the lower half the smaller one, as lenses or a mask may be even; black and
    white, where a photo holds no more, do not count. At no more than `EVEN_SIDE` pixels.
    """
    x0, y0, x1, y1 = face.box
    side = max(8, round(0.7 * face.size))
    left, top = round((x0 + x1) / 2 - side / 2), round((y0 + y1) / 2 - side / 2)
    size = min(EVEN_SIDE, side)
    pixels = photo.crop(left, top, side, side, (size, size)).pixels
    gray = 255 * linear_to_srgb(pixels).mean(-1)[None, None]
    spread = F.max_pool2d(gray, 3, 1) + F.max_pool2d(-gray, 3, 1)
    middle = gray[..., 1:-1, 1:-1]
    even = ((spread < 1) & (middle > 8) & (middle < 247))[0, 0].float()
    half = len(even) // 2
    return float(torch.minimum(even[:half].mean(), even[half:].mean()))


def _smooth(image: Tensor) -> Tensor:
    """Binomial filter of three taps over [1, 1, H, W]."""
    taps = image.new_tensor([0.25, 0.5, 0.25])
    wide = F.conv2d(F.pad(image, (1, 1, 0, 0), mode="reflect"), taps.view(1, 1, 1, 3))
    return F.conv2d(F.pad(wide, (0, 0, 1, 1), mode="reflect"), taps.view(1, 1, 3, 1))
