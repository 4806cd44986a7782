"""Reflectance as small pure functions of cosines, each a tensor that broadcasts.

GGX with height-correlated Smith visibility and Schlick's Fresnel, as the glTF 2.0
specification's appendix B has them: alpha = roughness^2, F0 = specular albedo, F90 = 1.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MIN_ROUGHNESS = 0.08  # below it the peak is narrower than float32 cosines resolve
MIN_COSINE = 1e-4
# 1 - A_l as r^2 (c0 + c1 r + c2 r^2 + c3 r^3), fitted to the zonal coefficients of the GGX
# prefilter with N = V = R (weights N.L), |error| < 0.002 and < 0.007
GGX_BAND_FIT = ((-0.0956, 2.8936, -4.1308, 1.6678), (-0.0282, 6.9755, -10.7883, 4.5974))
# Rows: powers of N.V, columns: powers of roughness. Fitted to the numerically integrated split
# sum of exactly the lobe below; mean |error| 0.011 and 0.003, at most 0.045 and 0.03 for
# N.V > 0.2 (0.07 at grazing angles). Karis' 2014 mobile fit, for another Smith term, is off by 0.2.
ENV_SCALE = (
    (-0.1866, 2.6295, -1.583),
    (5.1411, -13.8566, 7.4541),
    (-7.071, 21.7952, -13.7756),
    (3.102, -10.2248, 6.8374),
)
ENV_BIAS = ((1.1169, -2.6417, 1.6148), (-0.5747, 3.2277, -2.8972))


def dot(a: Tensor, b: Tensor) -> Tensor:
    """[...,3], [...,3] -> [...,1]."""
    return (a * b).sum(-1, keepdim=True)


def reflect(view: Tensor, normal: Tensor) -> Tensor:
    """Mirror `view` [...,3] (pointing away from the surface) at `normal` [...,3]."""
    return 2.0 * dot(normal, view) * normal - view


def lambert(n_dot_l: Tensor) -> Tensor:
    """The clamped cosine; albedo/pi and the light's pi cancel in this project's light unit."""
    return n_dot_l.clamp_min(0.0)


def ggx_alpha(roughness: Tensor) -> Tensor:
    """Perceptual roughness -> alpha, kept above MIN_ROUGHNESS^2."""
    return roughness.clamp_min(MIN_ROUGHNESS).square()


def ggx_distribution(n_dot_h: Tensor, alpha: Tensor) -> Tensor:
    """Trowbridge and Reitz's normal distribution (Walter et al. 2007, eq. 33), per steradian."""
    square = alpha * alpha
    return square / (math.pi * (n_dot_h * n_dot_h * (square - 1.0) + 1.0).square())


def smith_visibility(n_dot_v: Tensor, n_dot_l: Tensor, alpha: Tensor) -> Tensor:
    """Height-correlated Smith masking-shadowing over 4 N.V N.L (Heitz 2014, section 6.1.2)."""
    square = alpha * alpha
    masking = n_dot_l * (n_dot_v * n_dot_v * (1.0 - square) + square).sqrt()
    shadowing = n_dot_v * (n_dot_l * n_dot_l * (1.0 - square) + square).sqrt()
    return 0.5 / (masking + shadowing)


def schlick_fresnel(cosine: Tensor, f0: Tensor) -> Tensor:
    """Schlick 1994: F0 + (1 - F0) (1 - cos)^5."""
    grazing = (1.0 - cosine).clamp(0.0, 1.0) ** 5
    return f0 + (1.0 - f0) * grazing


def ggx_specular(
    normal: Tensor, view: Tensor, light: Tensor, roughness: Tensor, f0: Tensor
) -> Tensor:
    """pi * BRDF * N.L, unit vectors [...,3], roughness [...,1], f0 [...,1 or 3] -> like f0:
    multiply by a light's `color` (irradiance/pi). Zero where the light is behind."""
    n_dot_l = dot(normal, light)
    n_dot_v = dot(normal, view).clamp_min(MIN_COSINE)
    half = F.normalize(view + light, dim=-1)
    alpha = ggx_alpha(roughness)
    facing = n_dot_l.clamp_min(0.0)
    lobe = ggx_distribution(dot(normal, half), alpha) * smith_visibility(n_dot_v, facing, alpha)
    return math.pi * lobe * facing * schlick_fresnel(dot(view, half), f0)


def environment_brdf(n_dot_v: Tensor, roughness: Tensor) -> tuple[Tensor, Tensor]:
    """(scale, bias): under constant radiance 1 a GGX surface reflects f0 * scale + bias (the
    split sum of Karis, "Real Shading in Unreal Engine 4", 2013), as polynomials of ENV_SCALE
    and ENV_BIAS; the bias polynomial is times (1 - N.V)^4."""
    r = roughness.clamp(MIN_ROUGHNESS, 1.0)
    scale, bias = torch.zeros_like(r * n_dot_v), torch.zeros_like(r * n_dot_v)
    for c0, c1, c2 in reversed(ENV_SCALE):
        scale = scale * n_dot_v + (c0 + r * (c1 + r * c2))
    for c0, c1, c2 in reversed(ENV_BIAS):
        bias = bias * n_dot_v + (c0 + r * (c1 + r * c2))
    return scale, bias * (1.0 - n_dot_v) ** 4


def ggx_bands(roughness: Tensor) -> Tensor:
    """How much of each SH band of the environment a GGX lobe keeps: [...,1] -> [...,3]; from
    (1,1,1) for a mirror to the cosine lobe's (1,2/3,1/4)."""
    r = roughness.clamp(MIN_ROUGHNESS, 1.0)
    kept = [torch.ones_like(r)]
    for c0, c1, c2, c3 in GGX_BAND_FIT:
        kept.append(1.0 - r * r * (c0 + r * (c1 + r * (c2 + r * c3))))
    return torch.cat(kept, dim=-1)
