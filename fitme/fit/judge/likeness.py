"""How a render compares with its photo: the difference of colours, and SSIM, in the face's oval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.image.color import linear_to_srgb, luminance
from fitme.image.photo import Photo

HEIGHT = 256  # pixels of the face's box that are compared, whatever the photo has
# The outline of MediaPipe's face mesh, in order.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip


def face_outline(avatar: Avatar, index: int) -> np.ndarray:
    """The oval of the avatar's face [36, 2] in pixels of photo `index`."""
    points = avatar.head.landmarks(avatar.posed(index))
    return avatar.photos[index].view.camera().project(points)[0, list(OVAL)].numpy()


def likeness(avatar: Avatar, index: int, photo: Photo) -> tuple[float, float]:
    """(color_error, structure) as `compare`, of the avatar drawn in the box of its face only.

    A face that lies outside of the picture compares as all wrong.
    """
    outline = face_outline(avatar, index)
    if not np.isfinite(outline).all():
        return 1.0, 0.0
    left, top = (int(v) for v in np.clip(np.floor(outline.min(0)) - 2, 0, None))
    low = np.minimum(np.ceil(outline.max(0)) + 2, (photo.width, photo.height))
    wide, tall = int(low[0]) - left, int(low[1]) - top
    if min(wide, tall) < 4:
        return 1.0, 0.0
    scale = min(1.0, HEIGHT / tall)
    width, height = max(4, round(wide * scale)), max(4, round(tall * scale))
    view = avatar.photos[index].view
    camera = view.camera().cropped(left, top, wide, tall).resized(height, width)
    out = avatar.render(camera, avatar.photos[index].light, avatar.posed(index), hair=False)
    rgb = linear_to_srgb(out.color[0].clamp(0, 1))
    piece = photo.crop(left, top, wide, tall, (width, height))
    small = replace(photo, pixels=piece.pixels, inset=None)
    moved = (outline - (left, top)) * (width / wide, height / tall)
    return compare(small, torch.cat([rgb, out.alpha[0]], -1), moved)


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
