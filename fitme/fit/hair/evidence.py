"""What one photo says of hair: which pixels of a window around head and shoulders show it, how it
runs there, and where nothing can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fitme.fit.evidence.labels import pixel_points
from fitme.image.photo import Photo
from fitme.render.camera import Camera
from fitme.render.light import Light
from fitme.segment.encoder import EncodedFace, FaceEncoder
from fitme.segment.frame import Frame
from fitme.segment.labels import Label

Floats = NDArray[np.floating[Any]]

PIXELS = 144  # side of the window: 2.6 mm a pixel, 4 mm where it is wide
# The encoder's own frame ends at the collar. Its labels of hair hold on a frame WIDER times as
# large, LOWER of a side further down (looked at on nine photos), those of faces do not.
WIDER, LOWER = 1.5, 0.15
LONG = 0.12  # share of the lower edge of the frame that is hair, from which one looks further
THERE = 0.4  # probability of hair from which patches hang together
# Earrings and bald heads part hair: other patches count within this share of the side, unless
# most of their rim is clothes.
BESIDE, WORN_ON = 0.08, 0.5
EDGE = 0.03  # share of a frame's side at its border that is taken from the wider one
FINER = 2  # times the window's pixels in which the course of hair is looked for
SMOOTH_PX = 2.0  # of the finer picture: standard deviation over which the course is averaged


@dataclass(frozen=True)
class HairPhoto:
    """One photo with what a fit knows of it; the world is the head's own frame, metres."""

    photo: Photo
    encoded: EncodedFace
    camera: Camera  # of the whole photo
    vertices: Floats  # [V,3] as posed there
    light: Light


@dataclass(frozen=True)
class SeenHair:
    """A window of n x n pixels on one photo."""

    camera: Camera
    pixels: Floats  # [n,n,3] linear
    labels: Floats  # [C,n,n] probabilities, see `Label`
    known: Floats  # [n,n] in 0..1: 0 beyond the photo and where something is in the way
    course: Floats  # [n,n,2] cosine and sine of twice the angle of hairs, as long as it is sure

    def label(self, *labels: Label) -> Floats:
        """[n,n]: how likely a pixel shows one of these."""
        total: Floats = self.labels[list(labels)].sum(0)
        return total

    @property
    def hair(self) -> Floats:
        return self.labels[Label.HAIR]


def look(seen: HairPhoto, encoder: FaceEncoder) -> SeenHair:
    """The window on one photo: the encoder's frame, or a wider one where hair goes on below."""
    base, labels = seen.encoded.frame, seen.encoded.labels
    window, wide = base, None
    if _share_below(only_of_the_head(labels.numpy())) > LONG:
        side = round(WIDER * base.side)
        middle = base.left + base.side / 2, base.top + base.side / 2 + LOWER * base.side
        window = Frame(round(middle[0] - side / 2), round(middle[1] - side / 2), side)
        wide = encoder.encode(seen.photo, window)
    points = pixel_points(_to_photo(window), PIXELS)
    found = _sampled(seen.encoded, points)
    if wide is not None:
        inside = (base.from_photo(points).abs().amax(-1) < 0.5 - EDGE).numpy()
        found = np.where(inside, found, _sampled(wide, points))
    size = points.new_tensor([seen.photo.width, seen.photo.height])
    within = ((points > 0) & (points < size)).all(-1).numpy()
    found = only_of_the_head(found)
    known = within * (1 - found[[Label.OTHER, Label.GLASSES]].sum(0))
    crop = seen.photo.crop(window.left, window.top, window.side, window.side, (PIXELS, PIXELS))
    return SeenHair(
        window_camera(seen.camera, window, PIXELS), crop.pixels.numpy(), found,
        known.astype(np.float32), _course(seen.photo, window),
    )  # fmt: skip


def window_camera(whole: Camera, window: Frame, size: int) -> Camera:
    """The photo's camera cut to a window of `size` pixels."""
    matrix = whole.K.clone()
    matrix[:, 0, 2] -= window.left
    matrix[:, 1, 2] -= window.top
    matrix[:, :2] *= size / window.side
    return Camera(matrix, whole.world_to_camera, size, size)


def only_of_the_head(labels: Floats) -> Floats:
    """Labels [C,h,w] in which only the largest patch of hair above the chin and those beside it
    and the face are hair; the rest, knitwear and other people, is something else."""
    hair = labels[Label.HAIR]
    count, patches = cv2.connectedComponents((hair > THERE).astype(np.uint8), connectivity=8)
    if count < 2:
        return labels
    face = labels[[Label.SKIN, Label.EARS, Label.EYES, Label.BROWS]].sum(0) > 0.5
    rows = np.flatnonzero(face.any(1))
    # a patch counts by what of it lies beside or above the face
    low = rows[-1] if len(rows) else len(hair)
    sizes = np.bincount(patches[:low].ravel(), minlength=count)
    sizes[0] = 0
    main = int(sizes.argmax())
    reach = 2 * round(BESIDE * len(hair)) + 1
    near = _grown(patches == main, reach) | _grown(_largest(face), 5)
    clothes = labels[Label.CLOTHES] > THERE
    own = patches == main
    for patch in np.unique(patches[near & (patches > 0) & (patches != main)]):
        rim = _grown(patches == patch, 5) & (patches == 0)
        if clothes[rim].mean() < WORN_ON:
            own |= patches == patch
    own = _grown(own, 3)
    kept = labels.copy()
    kept[Label.HAIR] = np.where(own, hair, 0)
    kept[Label.OTHER] += np.where(own, 0, hair)
    return kept


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a mask."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (parts == sizes.argmax()) & mask


def _grown(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """A mask with all within a square of `side` pixels around it."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def _share_below(labels: Floats) -> float:
    """Share of the lower edge of labels [C,h,w] that shows hair."""
    rows = max(1, labels.shape[1] // 20)
    return float((labels[Label.HAIR, -rows:] > 0.5).mean())


def _to_photo(window: Frame) -> Tensor:
    """[3,3]: pixels of the window to those of the photo."""
    scale = window.side / PIXELS
    return torch.tensor([[scale, 0, window.left], [0, scale, window.top], [0, 0, 1.0]])


def _sampled(encoded: EncodedFace, points: Tensor) -> Floats:
    """Labels [C,n,n] at photo points [n,n,2]."""
    each = [encoded.probability((label,), points) for label in Label]
    return torch.stack(each).numpy()


def _course(photo: Photo, window: Frame) -> Floats:
    """[n,n,2]: how lines run in the photo, from its structure tensor (Bigun and Granlund 1987);
    the length is the tensor's coherence."""
    size = FINER * PIXELS
    pixels = photo.crop(window.left, window.top, window.side, window.side, (size, size)).pixels
    grey: Any = np.log(pixels.mean(-1).numpy().clip(0) + 0.01).astype(np.float32)
    grey = cv2.GaussianBlur(grey, (0, 0), 0.8)
    x, y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    # lines run across the gradient: twice the angle turns by 180 degrees
    parts: Any = np.stack([y * y - x * x, -2 * x * y, x * x + y * y], -1)
    parts = cv2.GaussianBlur(parts, (0, 0), SMOOTH_PX)
    parts = cv2.resize(parts, (PIXELS, PIXELS), interpolation=cv2.INTER_AREA)
    course: Floats = parts[..., :2] / (parts[..., 2:] + 1e-4)
    return course
