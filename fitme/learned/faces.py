"""Faces cut out as recognition networks were trained to see them, differentiably.

A similarity (turn, scale, shift) takes five points of the face to their places in the crop, then
the crop is read by bilinear sampling, so that gradients reach every pixel of the picture. Points
are in pixels with pixel centres at +0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from fitme.runtime.constants import constant
from fitme.runtime.constants import indices as whole_numbers

# Of the 478: pupils, tip of the nose, corners of the mouth, the one on the picture's left first.
# These lie nearest to what MTCNN marks (median over 85 portraits: 0.02 to 0.06 of the distance
# between the eyes).
_FIVE = ((468,), (473,), (1, 4), (61,), (291,))
# Corners of the eyes and where the nose meets the lip, in dlib's order: outer and inner corner on
# the picture's right, outer and inner on its left.
_CORNERS = ((263,), (362,), (33,), (133,), (2,))

Indices = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Alignment:
    """Where a network wants the five points."""

    size: int  # side of the square crop, pixels
    points: tuple[tuple[float, float], ...]  # five, crop pixels
    squash: float  # height of the crop's content over its natural height
    padding: str  # what lies outside of the picture: "zeros" or "border"
    indices: Indices = _FIVE  # of the 478, the mean of each group is a point


ARCFACE = Alignment(
    112,
    # insightface's template, whose pixel centres are whole numbers
    tuple((x + 0.5, y + 0.5) for x, y in (
        (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366),
        (41.5493, 92.3655), (70.7299, 92.2041),
    )),
    1.0,
    "zeros",
)  # fmt: skip

FACENET = Alignment(
    160,
    # facenet was trained on, and its accuracy is published for, boxes of MTCNN with a margin of 14
    # pixels that are resized to a square without keeping their proportions. These are the means
    # in such crops of 69 frontal portraits, made symmetric; box height over width was 1.357.
    ((47.5, 66.5), (112.5, 66.5), (80.0, 97.0), (48.5, 114.0), (111.5, 114.0)),
    1 / 1.357,
    "border",
)

DLIB = Alignment(
    150,
    # dlib's mean face of five points in a unit square (get_face_chip_details), which its chips
    # surround with a quarter of its side; and how far from dlib's own points MediaPipe's lie, in
    # the same unit: medians over 63 portraits, made symmetric.
    tuple((150 * (x + dx + 0.25) / 1.5, 150 * (y + dy + 0.25) / 1.5) for x, y, dx, dy in (
        (0.8595674595992, 0.2134981538014, 0.007, -0.009),
        (0.6460604764104, 0.2289674387677, -0.017, -0.001),
        (0.1205750620789, 0.2137274526848, -0.007, -0.009),
        (0.3340850613712, 0.2290642403242, 0.017, -0.001),
        (0.4901123135679, 0.6277975316475, 0.0, -0.015),
    )),
    1.0,
    "zeros",
    _CORNERS,
)  # fmt: skip


def five_points(landmarks: Tensor, indices: Indices = _FIVE) -> Tensor:
    """Five points [B, 5, 2] of landmarks [B, 478, 2], by default pupils, nose, mouth corners;
    [B, 5, 2] stay as they are.

    Raises ValueError for another shape.
    """
    if landmarks.dim() != 3 or landmarks.shape[1] not in (5, 478) or landmarks.shape[2] != 2:
        raise ValueError(f"landmarks: wanted [B, 478, 2] or [B, 5, 2], got {list(landmarks.shape)}")
    if landmarks.shape[1] == 5:
        return landmarks
    return torch.stack(
        [landmarks[:, whole_numbers(index, landmarks)].mean(1) for index in indices], 1
    )


def crop_to_image(five: Tensor, alignment: Alignment) -> Tensor:
    """Affine map [B, 2, 3] from crop pixels to picture pixels, from five points [B, 5, 2].

    The least-squares similarity in the crop's frame (Umeyama 1991, without reflection), inverted.
    """
    target = constant(alignment.points, five)
    target = target * constant((1.0, 1 / alignment.squash), target)
    middle, goal = five.mean(1), target.mean(0)
    p, t = five - middle[:, None], target - goal
    # A point as a complex number: the similarity is one complex factor.
    power = p.square().sum((1, 2)).clamp_min(1e-12)
    real = (p * t).sum((1, 2)) / power
    imag = (p[..., 0] * t[:, 1] - p[..., 1] * t[:, 0]).sum(1) / power
    square = (real.square() + imag.square()).clamp_min(1e-12)
    cos, sin = real / square, -imag / square  # of the inverse
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], 1)
    turn = turn * constant((1.0, 1 / alignment.squash), turn)
    shift = middle - (turn @ (target * constant((1.0, alignment.squash), target)).mean(0))
    return torch.cat([turn, shift[..., None]], 2)


# of landmarks seen: (their version, picture pixels per crop pixel)
_STEPS: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def _averaged(affine: Tensor, landmarks: Tensor, alignment: Alignment, planes: Tensor) -> int:
    """How many pixels a side of planes [B,C,H,W] become one before the crop is read from them."""
    if planes.device.type == "cpu" or landmarks.requires_grad:
        if planes.device.type != "cpu" and max(planes.shape[2:]) < 2 * alignment.size:
            return 1  # a face that fills the picture: a GPU's host need not wait to hear it
        step = float(affine[:, :, 0].detach().norm(dim=1).min())  # picture pixels per crop pixel
        return min(int(step), *planes.shape[2:])
    key = (landmarks._version, alignment)  # a photo's: looked up once
    known, step = _STEPS.get(landmarks, (None, 0.0))
    if known != key:
        step = float(affine[:, :, 0].norm(dim=1).min())
        _STEPS[landmarks] = (key, step)
    return min(int(step), *planes.shape[2:])


def aligned_faces(images: Tensor, landmarks: Tensor, alignment: Alignment) -> Tensor:
    """Crops [B, 3, S, S] of pictures [B, H, W, 3], values as they are.

    `landmarks` [B, 478, 2] or [B, 5, 2] in pixels of these pictures. A picture that is much larger
    than the crop is averaged down first, since bilinear sampling alone would alias. Raises
    ValueError for another shape.
    """
    if images.dim() != 4 or images.shape[3] != 3 or len(images) != len(landmarks):
        raise ValueError(f"images: wanted [{len(landmarks)}, H, W, 3], got {list(images.shape)}")
    affine = crop_to_image(five_points(landmarks.to(images), alignment.indices), alignment)
    planes = images.movedim(-1, 1)
    factor = _averaged(affine, landmarks, alignment, planes)
    if factor >= 2:
        planes = F.avg_pool2d(planes, factor, ceil_mode=True, count_include_pad=False)
        affine = affine / factor
    at = torch.arange(alignment.size, dtype=affine.dtype, device=affine.device) + 0.5
    y, x = torch.meshgrid(at, at, indexing="ij")
    where = torch.einsum("bij,hwj->bhwi", affine, torch.stack([x, y, torch.ones_like(x)], -1))
    size = constant((planes.shape[3], planes.shape[2]), where)
    return F.grid_sample(
        planes, where / size * 2 - 1, padding_mode=alignment.padding, align_corners=False
    )
