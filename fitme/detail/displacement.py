"""Heights over the skin's surface and the normals that follow from them.

A height map is metres along the neutral surface's normal, at any resolution. Its slopes are taken
by the real metric of the atlas: metres per texel along u and along v, which vary over the head.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.head.tension import texel_lengths
from fitme.reflectance.atlas import bake_vertex_field

METRIC_TEXELS = 128  # of the map of lengths: they are smooth
STEEPEST = math.tan(math.radians(25.0))  # of slopes, as those of wrinkles that photos show


def texel_metres(head: HeadModel, neutral: Tensor, texels: int) -> Tensor:
    """Sides of a texel in metres along u and v, [R,R,2], for maps of `texels`; neutral [1,V,3]."""
    lengths = bake_vertex_field(head, texel_lengths(head, neutral), METRIC_TEXELS)
    wide = F.interpolate(lengths.movedim(-1, 0)[None], (texels, texels), mode="bilinear")
    return wide[0].movedim(0, -1).clamp_min(1e-3) / texels


def slopes(height: Tensor, metres: Tensor) -> Tensor:
    """Tilts [B,R,R,2] of a tangent-space normal map (OpenGL Y+) at z = 1 of heights [B,R,R]
    in metres; metres [R,R,2] as `texel_metres` gives them. Central differences."""
    wide = F.pad(height[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    by_u = 0.5 * (wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]) / metres[..., 0]
    by_v = 0.5 * (wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]) / metres[..., 1]
    return torch.stack([-by_u, by_v], -1)  # v points down, the map's y up


def frequencies(side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Of a real transform of maps of `side` texels: along v [R,1] and along u [1,R/2+1], radians
    per texel."""
    row = torch.fft.fftfreq(side, device=device)[:, None] * 2 * math.pi
    return row, torch.fft.rfftfreq(side, device=device)[None] * 2 * math.pi


def integrated(tilt: Tensor, metres: Tensor) -> Tensor:
    """Heights [B,R,R] in metres whose slopes are nearest to the tilts [B,R,R,2] of a normal map
    (Frankot and Chellappa 1988); metres [R,R,2]. Exact where texels are of one size, and near it
    for detail much finer than what their size varies over."""
    side = tilt.shape[1]
    row, column = frequencies(side, tilt.device)
    x = torch.fft.rfft2(-tilt[..., 0] * metres[..., 0])
    y = torch.fft.rfft2(tilt[..., 1] * metres[..., 1])
    square = (row.square() + column.square()).clamp_min(1e-9)
    found = (-1j * column * x - 1j * row * y) / square
    found[:, 0, 0] = 0
    return torch.fft.irfft2(found, s=(side, side))


def tilts(normal: Tensor) -> Tensor:
    """Tangent-space normals [...,3] as tilts [...,2] at z = 1."""
    return normal[..., :2] / normal[..., 2:].clamp_min(0.1)


def tilted(normal: Tensor, tilt: Tensor) -> Tensor:
    """Unit tangent-space normals [...,3] with the tilts [...,2] added where z is 1."""
    flat = tilts(normal) + tilt
    return F.normalize(torch.cat([flat, torch.ones_like(flat[..., :1])], -1), dim=-1)


def bounded(tilt: Tensor) -> Tensor:
    """Tilts [...,2], smoothly kept below STEEPEST."""
    steep = tilt.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    return tilt * (STEEPEST * (steep / STEEPEST).tanh() / steep)
