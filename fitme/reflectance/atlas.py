"""The texture atlas of a head: fields of its vertices as maps, and maps of another size."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.head.parts import Part
from fitme.render import get_backend


def bake_vertex_field(
    head: HeadModel, values: Tensor, size: int, part: Part | None = None
) -> Tensor:
    """Rasterise a per-vertex field [V, C] into the tile of a part, the skin's by default,
    [size, size, C].

    Texels that no triangle covers (the eye and mouth holes) take the nearest covered value.
    """
    rast, corner, triangles = _rasterized(head, size, part)
    corner_values = values[triangles].reshape(-1, values.shape[-1])[None].contiguous()
    image, _ = get_backend(None, head.device).interpolate(corner_values, rast, corner)
    covered = (rast[..., 3:] > 0).float()
    return fill_holes(image * covered, covered)[0]


def covered_texels(
    head: HeadModel, size: int, part: Part | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Which of size * size texels a triangle covers [N], its vertices [N,3] and their weights
    [N,3]: what `bake_vertex_field` interpolates with, for fields of many channels."""
    rast, _, triangles = _rasterized(head, size, part)
    flat = rast[0].reshape(-1, 4)
    index = (flat[:, 3] > 0).nonzero()[:, 0]
    u, v = flat[index, 0], flat[index, 1]
    return index, triangles[flat[index, 3].long() - 1], torch.stack([u, v, 1 - u - v], -1)


def _rasterized(head: HeadModel, size: int, part: Part | None) -> tuple[Tensor, Tensor, Tensor]:
    """A part's tile as the backend draws it, the corners it is drawn with, and its triangles."""
    backend = get_backend(None, head.device)
    chosen = head.part == (part or head.skin).index
    uv_triangles, triangles = head.uv_triangles[chosen], head.triangles[chosen]
    corner_uv = head.uv[uv_triangles].reshape(-1, 2)
    corner = torch.arange(len(corner_uv), device=head.device, dtype=torch.int32).reshape(-1, 3)
    clip = torch.cat(
        [corner_uv * 2 - 1, corner_uv.new_tensor([0.0, 1.0]).expand(len(corner_uv), 2)], 1
    )
    rast, _ = backend.rasterize(clip[None], corner, (size, size))
    return rast, corner, triangles


def ambient_visibility(head: HeadModel, size: int) -> Tensor:
    """How much of the surround each texel sees, [size,size] in 0..1; 1 where the head has no
    occlusion."""
    if head.occlusion is None:
        return torch.ones(size, size, device=head.device)
    return bake_vertex_field(head, head.occlusion[:, None], size)[..., 0]


def fill_holes(image: Tensor, covered: Tensor) -> Tensor:
    """Grow covered values [B,H,W,C] into texels that are not, of covered [B,H,W,1], by repeated
    averaging: each round fills those that touch a filled one with the mean of those. Only they are
    looked at: holes are few."""
    height, width = image.shape[1:3]
    picture, y, x = (covered[..., 0] <= 0).nonzero().unbind(-1)
    if len(y) == 0:
        return image
    flat, known = (F.pad(maps, (0, 0, 1, 1, 1, 1)).flatten(0, 2) for maps in (image, covered))
    at = (picture * (height + 2) + y + 1) * (width + 2) + x + 1
    rows = 1 + (y > 0).to(image) + (y < height - 1).to(image)
    around = (rows * (1 + (x > 0).to(image) + (x < width - 1).to(image)))[:, None]
    beside = [dy * (width + 2) + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    for _ in range(2 + int(math.log2(width)) * 24):
        if len(at) == 0:
            break
        weight = _total([known[at + step] for step in beside]) / around
        mean = _total([flat[at + step] for step in beside]) / around / weight.clamp_min(1e-6)
        grown = (weight > 0).to(image)
        flat = flat.index_copy_(0, at, mean * grown)
        known = known.index_copy_(0, at, grown)
        left = weight[:, 0] <= 0
        at, around = at[left], around[left]
    wide = flat.reshape(len(image), height + 2, width + 2, -1)
    return wide[:, 1:-1, 1:-1].contiguous()


def _total(values: list[Tensor]) -> Tensor:
    """The sum, one after the other."""
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def resized(maps: Tensor, side: int) -> Tensor:
    """Maps [B,H,W,C] at another size, [B,side,side,C]: bilinear, smoothed before shrinking."""
    channels = maps.movedim(-1, 1)
    if tuple(channels.shape[2:]) != (side, side):
        channels = F.interpolate(channels, (side, side), mode="bilinear", antialias=True)
    return channels.movedim(1, -1)


def averaged(maps: Tensor, side: int) -> Tensor:
    """Maps [B,H,W,C] made smaller, [B,side,side,C]: the mean over the texels of each."""
    return F.interpolate(maps.movedim(-1, 1), (side, side), mode="area").movedim(1, -1)
