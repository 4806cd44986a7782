"""Draw many small soft dots and strokes into the atlas, exactly in the mean at any resolution.

Each dot is a Gaussian integrated over the texels, so its total does not depend on where it falls
or on how fine the atlas is. Strokes are rows of dots.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 1 << 17  # dots drawn at a time; bounds the memory


def splat(uv: Tensor, sigma: Tensor, mass: Tensor, resolution: int, reach: float = 2.2) -> Tensor:
    """Sum of Gaussians [B,R,R,C].

    Args:
        uv: [B,N,2] centres; u wraps around, v beyond 0..1 is cut off.
        sigma: [B,N] standard deviations in texels.
        mass: [B,N,C] integrals in texels^2; dots whose mass is zero cost nothing.
        reach: the Gaussian is cut at this many sigmas.
    """
    batch, _, channels = mass.shape
    out = mass.new_zeros(batch * resolution * resolution, channels)
    image = torch.arange(batch, device=uv.device)[:, None].expand(mass.shape[:2])
    alive = mass.abs().amax(-1) > 1e-7
    at, spread = uv[alive] * resolution, sigma[alive].clamp_min(1e-3)
    weight, image = mass[alive], image[alive]
    for begin in range(0, at.shape[0], CHUNK):
        part = slice(begin, begin + CHUNK)
        _splat_chunk(out, at[part], spread[part], weight[part], image[part], resolution, reach)
    return out.reshape(batch, resolution, resolution, channels)


def _splat_chunk(
    out: Tensor, at: Tensor, sigma: Tensor, mass: Tensor, image: Tensor, size: int, reach: float
) -> None:
    radius = math.ceil(reach * float(sigma.max()) + 0.5)
    offsets = torch.arange(-radius, radius + 1, device=at.device)
    base = at.floor().long()
    scale = 1 / (math.sqrt(2) * sigma)[:, None, None]
    # Edges of the covered texels: one more than texels, shared by neighbours.
    edge = torch.arange(-radius, radius + 2, device=at.device)
    steps = torch.erf((base[:, None] + edge[None, :, None] - at[:, None]) * scale)
    share = (steps[:, 1:] - steps[:, :-1]) / 2  # [N,2r+1,2]
    column = (base[:, :1] + offsets) % size
    row = base[:, 1:] + offsets
    share_y = share[..., 1] * ((row >= 0) & (row < size))
    index = (image[:, None] * size + row.clamp(0, size - 1)) * size
    index = (index[:, :, None] + column[:, None, :]).reshape(-1)
    weight = (share_y[:, :, None] * share[:, None, :, 0])[..., None] * mass[:, None, None]
    out.index_add_(0, index, weight.reshape(-1, mass.shape[1]))


def bezier(start: Tensor, control: Tensor, end: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Quadratic curves of [...,2] points -> (points [...,count,2], position along [count])."""
    t = (torch.arange(count, device=start.device) + 0.5) / count
    a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
    points = (
        start[..., None, :] * a[:, None]
        + control[..., None, :] * b[:, None]
        + end[..., None, :] * c[:, None]
    )
    return points, t


def strokes(
    start: Tensor, control: Tensor, end: Tensor, width: Tensor, depth: Tensor, tone: Tensor,
    resolution: int, spacing: float = 0.8, taper: float = 0.75,
) -> Tensor:  # fmt: skip
    """Hairs as quadratic curves -> optical depth and depth times tone, [B,R,R,2].

    Args:
        start, control, end: [B,N,2] in uv.
        width: [B,N] in texels (the hair's own, at its root).
        depth: [B,N] optical depth of the hair's middle at the root; 0 leaves the hair out.
        tone: [B,N] a value carried along, averaged by depth where hairs cross.
        spacing: texels between dots.
        taper: share of the width that is lost towards the tip.
    """
    length = ((control - start).norm(dim=-1) + (end - control).norm(dim=-1)) * resolution
    length = length.clamp_max(64.0)
    longest = float((length * (depth > 0)).max()) if depth.numel() else 0.0
    count = max(2, math.ceil(longest / spacing))
    points, t = bezier(start, control, end, count)
    narrow = 1 - taper * t**1.5
    mass = (width * depth * length / count)[..., None] * narrow
    # sqrt(2 pi) sigma = width gives a Gaussian the peak `depth`.
    sigma = (width[..., None] * narrow / math.sqrt(2 * math.pi)).expand_as(mass)
    both = torch.stack([mass, mass * tone[..., None]], -1)
    batch = start.shape[0]
    flat = points.reshape(batch, -1, 2), sigma.reshape(batch, -1), both.reshape(batch, -1, 2)
    return splat(*flat, resolution)


def blur(field: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [B,R,R] by sigma texels; borders are replicated. A wide blur is done on
    fewer texels: nothing that fine is left of it."""
    if sigma < 0.05:
        return field
    size = field.shape[-1]
    if sigma > 6 and size % 2 == 0:
        half = F.avg_pool2d(field[:, None], 2)[:, 0]
        # What pooling and enlarging blur by themselves is taken off.
        small = blur(half, math.sqrt(sigma**2 - 1.0) / 2)
        return F.interpolate(small[:, None], scale_factor=2, mode="bilinear")[:, 0]
    radius = max(1, math.ceil(3 * sigma))
    edge = torch.arange(-radius, radius + 2, device=field.device) - 0.5
    steps = torch.erf(edge / (math.sqrt(2) * sigma))
    kernel = (steps[1:] - steps[:-1]) / (steps[-1] - steps[0])
    image = F.pad(field[:, None], (radius, radius, 0, 0), mode="replicate")
    image = F.conv2d(image, kernel[None, None, None])
    image = F.pad(image, (0, 0, radius, radius), mode="replicate")
    return F.conv2d(image, kernel[None, None, :, None])[:, 0]
