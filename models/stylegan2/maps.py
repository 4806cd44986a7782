"""Reflectance maps, and the signal space in which the networks see them.

signal channel   physical quantity                      mapping (signal s in (-1, 1))
0..2             diffuse albedo, linear RGB in (0, 1)   sRGB decoding of (1 + s) / 2
3                specular albedo F0 in (0, 0.16)        0.16 ((1 + s) / 2)^2
4, 5             slopes n_x / n_z and n_y / n_z         s / (2 sqrt(1 - s^2))

The generator's raw output r becomes s = tanh(r), so slopes are sinh(r) / 2. Diffuse albedo is
close to perceptually even this way. The square of F0 is the "reflectance" parametrisation of
Lagarde and de Rousiers, Moving Frostbite to PBR (2014): skin's 0.028 lies at s = -0.16. Slopes
are linear where pores live (|slope| < 0.3) and compressed beyond; normals have positive z
whatever the network says.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.image.color import linear_to_srgb, srgb_to_linear
from fitme.runtime.constants import constant

F0_MAX = 0.16
SLOPE_SCALE = 0.5
MIRROR_SIGN = (1.0, 1.0, 1.0, 1.0, -1.0, 1.0)  # of signal channels: slopes along x turn round
_EDGE = 0.9995  # of s, for slopes: |slope| <= 15.8, and its gradient stays finite


@dataclass(frozen=True)
class ReflectanceMaps:
    """Registered maps in the template's UVs; row 0 is the top of the image."""

    diffuse_albedo: Tensor  # [B,H,W,3] linear RGB
    specular_albedo: Tensor  # [B,H,W,1] F0, linear
    normal: Tensor  # [B,H,W,3] unit, tangent space, OpenGL Y+, z > 0

    @staticmethod
    def from_signal(signal: Tensor) -> ReflectanceMaps:
        """signal [B,6,H,W] in (-1, 1) -> maps."""
        if signal.ndim != 4 or signal.shape[1] != 6:
            raise ValueError(f"signal must be (B, 6, H, W), got {tuple(signal.shape)}")
        unit = signal[:, :4].movedim(1, -1) * 0.5 + 0.5
        s = signal[:, 4:].movedim(1, -1).clamp(-_EDGE, _EDGE)
        slope = SLOPE_SCALE * s * torch.rsqrt(1 - s * s)
        normal = F.normalize(torch.cat([slope, torch.ones_like(slope[..., :1])], -1), dim=-1)
        return ReflectanceMaps(
            srgb_to_linear(unit[..., :3]), F0_MAX * unit[..., 3:].square(), normal
        )

    def to_signal(self) -> Tensor:
        """[B,6,H,W], the inverse of `from_signal`; values outside its range are clamped."""
        diffuse = linear_to_srgb(self.diffuse_albedo.clamp(0, 1))
        specular = (self.specular_albedo.clamp(0, F0_MAX) / F0_MAX).sqrt()
        slope = self.normal[..., :2] / self.normal[..., 2:].clamp_min(1e-3)
        s = slope * torch.rsqrt(slope.square() + SLOPE_SCALE**2)
        return torch.cat([diffuse * 2 - 1, specular * 2 - 1, s.clamp(-_EDGE, _EDGE)], -1).movedim(
            -1, 1
        )


def mirror_signal(signal: Tensor) -> Tensor:
    """Signals [B,6,R,R] of the same faces turned left to right."""
    return signal.flip(3) * constant(MIRROR_SIGN, signal)[:, None, None]
