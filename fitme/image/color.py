"""Colour: sRGB transfer, luminance, CIELab and the individual typology angle of skin.

Inside fitme colour is linear RGB with sRGB (BT.709) primaries and D65 white, float; sRGB
encoding happens only where files are read and written, with the two functions here.
All functions take and return torch tensors of any leading shape and are differentiable.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fitme.runtime.constants import constant

# IEC 61966-2-1. The two pieces meet (to about 1e-8) at these points.
_ENCODED_KNEE = 0.04045
_LINEAR_KNEE = 0.0031308

# Second row of the RGB -> XYZ matrix of IEC 61966-2-1.
_LUMINANCE = (0.2126, 0.7152, 0.0722)
_RGB_TO_XYZ = (
    (0.4124, 0.3576, 0.1805),
    _LUMINANCE,
    (0.0193, 0.1192, 0.9505),
)


def srgb_to_linear(srgb: Tensor) -> Tensor:
    """Decode sRGB values to linear light. Any shape; nominally [0, 1], nothing is clamped.

    Below the knee (and for negative values) the curve is a straight line, above it a power.
    The power branch never sees a value below the knee, so its gradient stays finite.
    """
    power = ((srgb.clamp_min(_ENCODED_KNEE) + 0.055) / 1.055) ** 2.4
    return torch.where(srgb <= _ENCODED_KNEE, srgb / 12.92, power)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Encode linear light as sRGB values: the inverse of `srgb_to_linear`."""
    power = 1.055 * linear.clamp_min(_LINEAR_KNEE) ** (1 / 2.4) - 0.055
    return torch.where(linear <= _LINEAR_KNEE, linear * 12.92, power)


def luminance(linear: Tensor) -> Tensor:
    """Relative luminance Y of linear RGB. [..., 3] -> [...]."""
    return (linear * constant(_LUMINANCE, linear)).sum(-1)


def linear_to_lab(linear: Tensor) -> Tensor:
    """CIELab (D65 white, L in 0..100) of linear RGB. [..., 3] -> [..., 3] as (L, a, b).

    White is the matrix's own image of (1, 1, 1), so every grey has a = b = 0.
    """
    matrix = linear.new_tensor(_RGB_TO_XYZ)
    # A sum of products, not matmul: TF32 or bf16 matmul settings must not change colours.
    relative = (linear[..., None, :] * (matrix / matrix.sum(1, keepdim=True))).sum(-1)
    delta = 6 / 29
    root = relative.clamp_min(delta**3) ** (1 / 3)
    f = torch.where(relative > delta**3, root, relative / (3 * delta**2) + 4 / 29)
    x, y, z = f.unbind(-1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), -1)


def individual_typology_angle(linear: Tensor) -> Tensor:
    """Individual typology angle (ITA) in degrees of linear RGB skin colours. [..., 3] -> [...].

    ITA = atan((L* - 50) / b*) * 180 / pi: above 55 very light, 41 to 55 light, 28 to 41
    intermediate, 10 to 28 tan, -30 to 10 brown, below -30 dark.
    Source: A. Chardon, I. Cretois, C. Hourseau, "Skin colour typology and suntanning
    pathways", International Journal of Cosmetic Science 13 (1991) 191-208.

    atan2 is used so that b* -> 0 is finite and the angle goes on continuously past 90
    degrees for bluish colours (b* < 0), where the quotient would jump to -90.
    """
    lightness, _, b = linear_to_lab(linear).unbind(-1)
    return torch.atan2(lightness - 50, b) * (180 / math.pi)
