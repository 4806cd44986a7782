"""Shade a list of surface points: Lambert diffuse plus GGX specular under a `Light`.

`shade` is the plain torch definition, for any device; `fitme.render.backends.cpu.shade` has the
same function as one fused kernel. N points, B images, L directional and P point lights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.render import brdf
from fitme.render.light import COSINE, band_scale, sh_basis


@dataclass(frozen=True)
class Surface:
    """What is known at N visible points, world space; vectors need not be of unit length."""

    position: Tensor  # [N,3]
    normal: Tensor  # [N,3] smooth normal
    tangent: Tensor | None  # [N,3] along growing u
    sign: Tensor | None  # [N,1] handedness: bitangent = sign * normal x tangent
    bump: Tensor | None  # [N,3] the tangent-space normal map's value, or None
    albedo: Tensor  # [N,3] diffuse albedo
    specular: Tensor  # [N,1 or 3] specular albedo F0
    roughness: Tensor  # [N,1]
    occlusion: Tensor | None  # [N,1] ambient visibility
    image: Tensor  # [N] int64, which of the B images, ascending


def shading_normal(surface: Surface) -> Tensor:
    """Unit normals [N,3]: the map's value in the frame (tangent, bitangent, normal)."""
    normal = F.normalize(surface.normal, dim=-1)
    if surface.bump is None or surface.tangent is None or surface.sign is None:
        return normal
    along = brdf.dot(normal, surface.tangent)
    tangent = F.normalize(surface.tangent - along * normal, dim=-1)
    bitangent = surface.sign * torch.linalg.cross(normal, tangent)
    x, y, z = surface.bump.unbind(-1)
    return F.normalize(x[:, None] * tangent + y[:, None] * bitangent + z[:, None] * normal, dim=-1)


LightTensors = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def shade(surface: Surface, light: LightTensors, eye: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """light: `Light.tensors()` of B images, eye [B,3] -> diffuse and specular radiance and the
    shading normal, each [N,3].

    diffuse = albedo (occlusion * SH irradiance / pi + sum of color max(N.L, 0)),
    specular = occlusion * prefiltered SH (F0 scale + bias) + sum of color pi GGX max(N.L, 0).
    """
    sh, directions, colors, positions, intensities = light
    image = surface.image
    normal = shading_normal(surface)
    of = _chooser(image, eye)
    view = F.normalize(of(eye) - surface.position, dim=-1)
    n_dot_v = brdf.dot(normal, view).clamp_min(brdf.MIN_COSINE)

    irradiance = _sh_sum(sh_basis(normal) * band_scale(COSINE, sh), sh, of)
    one, three, five = brdf.ggx_bands(surface.roughness).split(1, dim=-1)
    bands = torch.cat([one, three.expand(-1, 3), five.expand(-1, 5)], dim=-1)
    mirrored = _sh_sum(sh_basis(brdf.reflect(view, normal)) * bands, sh, of)
    scale, bias = brdf.environment_brdf(n_dot_v, surface.roughness)
    ambient = mirrored * (surface.specular * scale + bias)
    if surface.occlusion is not None:
        irradiance, ambient = irradiance * surface.occlusion, ambient * surface.occlusion

    received, specular = irradiance, ambient
    for index in range(directions.shape[1]):
        towards, color = of(directions[:, index]), of(colors[:, index])
        received = received + color * brdf.lambert(brdf.dot(normal, towards))
        lobe = brdf.ggx_specular(normal, view, towards, surface.roughness, surface.specular)
        specular = specular + color * lobe
    for index in range(positions.shape[1]):
        offset = of(positions[:, index]) - surface.position
        square = brdf.dot(offset, offset)
        towards, color = offset * square.rsqrt(), of(intensities[:, index]) / square
        received = received + color * brdf.lambert(brdf.dot(normal, towards))
        lobe = brdf.ggx_specular(normal, view, towards, surface.roughness, surface.specular)
        specular = specular + color * lobe
    return surface.albedo * received, specular, normal


def _chooser(image: Tensor, like: Tensor) -> Callable[[Tensor], Tensor]:
    """What makes values [B,K] of the images those of the points, [N,K] or (one image) [1,K].

    By a product with zeros and ones: the gradient of an indexed look-up would add up a value for
    every point one by one, on a GPU."""
    if like.shape[0] == 1:
        return lambda values: values
    shares = image[:, None] == torch.arange(like.shape[0], device=image.device)
    return lambda values: shares.to(values) @ values


def _sh_sum(basis: Tensor, sh: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
    """basis [N,9], sh [B,9,3] -> non-negative radiance [N,3]."""
    if sh.shape[0] == 1:
        return F.relu(basis @ sh[0])
    return F.relu((basis[:, None] @ of(sh.flatten(1)).reshape(-1, 9, 3))[:, 0])
