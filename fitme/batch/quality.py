"""How well an avatar sits on its photos: three numbers and a score, to find bad fits by.

All are taken in the oval of the face, at 256 pixels of height, and the worst photo counts:

- `landmark_error`: mean distance of the landmarks from where they were seen, over the distance
  between the eyes (from `fit.json`);
- `color_error`: mean absolute difference of photo and render in display colour, 0 to 1;
- `structure`: SSIM (Wang et al. 2004) of their luminance, 1 where they are the same.

    score = 100 exp(-((landmark_error / 0.04)^2 + (color_error / 0.15)^2
                      + ((1 - structure) / 0.9)^2))

Each divisor is about three times what a good fit has, so a good one scores 70 to 90, and one that
is off by its divisor in one respect loses two thirds of what it had.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.image.color import linear_to_srgb, luminance
from fitme.image.photo import Photo, load_photo

LANDMARK_SCALE, COLOR_SCALE, STRUCTURE_SCALE = 0.04, 0.15, 0.9
HEIGHT = 256  # pixels of the face's box that are compared, whatever the photo has
# The outline of MediaPipe's face mesh, in order.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip


def score(landmark_error: float, color_error: float, structure: float) -> float:
    """The score of the module's formula, 0 to 100."""
    parts = (
        landmark_error / LANDMARK_SCALE,
        color_error / COLOR_SCALE,
        (1 - structure) / STRUCTURE_SCALE,
    )
    return 100 * math.exp(-sum(part**2 for part in parts))


def avatar_quality(avatar: Avatar, folder: Path) -> dict[str, float]:
    """`score` and its components for a fresh avatar whose renders lie in `folder`."""
    measured = []
    for index, photo in enumerate(avatar.photos):
        points = avatar.head.landmarks(avatar.posed(index))
        outline = photo.view.camera().project(points)[0, list(OVAL)].numpy()
        with Image.open(folder / f"render_{index:02d}.png") as image:
            render = torch.from_numpy(np.array(image.convert("RGBA"))).float() / 255
        color, structure = compare(load_photo(photo.path), render, outline)
        measured.append((photo.landmark_error, color, structure))
    landmark = max(item[0] for item in measured)
    color = max(item[1] for item in measured)
    structure = min(item[2] for item in measured)
    return {
        "score": round(score(landmark, color, structure), 2),
        "landmark_error": round(landmark, 5),
        "color_error": round(color, 5),
        "structure": round(structure, 5),
    }


def compare(photo: Photo, render: Tensor, outline: np.ndarray) -> tuple[float, float]:
    """(color_error, structure) of a photo and its render inside a polygon.

    `render` is [H, W, 4], display-encoded, in 0..1; `outline` [N, 2] in pixels of the photo. A face
    that lies outside of the picture compares as all wrong.
    """
    low = np.floor(outline.min(0)).astype(int) - 2
    high = np.ceil(outline.max(0)).astype(int) + 2
    left, top = np.clip(low, 0, None)
    right, bottom = np.minimum(high, (photo.width, photo.height))
    if right - left < 4 or bottom - top < 4:
        return 1.0, 0.0
    image = Image.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(image).polygon([(x - left, y - top) for x, y in outline.tolist()], fill=255)
    mask = torch.from_numpy(np.array(image)).float() / 255
    piece = render[top:bottom, left:right]
    mask = mask * piece[..., 3]
    target = linear_to_srgb(photo.pixels[top:bottom, left:right])
    rendered = piece[..., :3]
    if photo.was_gray:
        rendered = luminance(rendered)[..., None].expand_as(rendered)
    scale = min(1.0, HEIGHT / mask.shape[0])
    size = [max(11, round(scale * side)) for side in mask.shape]
    stack = torch.cat([target, rendered, mask[..., None]], -1).movedim(-1, 0)[None]
    small = F.interpolate(stack, size, mode="bilinear", antialias=True, align_corners=False)
    target, rendered, weight = small[:, :3], small[:, 3:6], small[:, 6:]
    total = weight.sum()
    if float(total) < 1:
        return 1.0, 0.0
    difference = ((target - rendered).abs().mean(1, keepdim=True) * weight).sum() / total
    one, other = (luminance(image.movedim(1, -1))[:, None] for image in (target, rendered))
    similar = (ssim(one, other) * weight).sum() / total
    return float(difference), float(similar)


def ssim(one: Tensor, other: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Structural similarity per pixel of [B, 1, H, W] in 0..1, with a Gaussian window."""
    offsets = torch.arange(window, dtype=torch.float32) - window // 2
    bell = torch.exp(-(offsets**2) / (2 * sigma**2))
    bell = bell / bell.sum()

    def blur(image: Tensor) -> Tensor:
        pad = window // 2
        image = F.pad(image, (pad, pad, pad, pad), mode="reflect")
        return F.conv2d(F.conv2d(image, bell.view(1, 1, -1, 1)), bell.view(1, 1, 1, -1))

    mean_a, mean_b = blur(one), blur(other)
    var_a = blur(one * one) - mean_a**2
    var_b = blur(other * other) - mean_b**2
    both = blur(one * other) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
