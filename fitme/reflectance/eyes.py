"""The drawn material of an eyeball."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.render import Material

IRIS_SHARE = 0.0720  # iris radius in the eye's tile: 22.5 of 150 degrees times 0.48
PUPIL_SHARE = 0.0290


def eye_material(iris: Tensor, size: int = 256, gain: Tensor | None = None) -> Material:
    """Material of an eyeball: sclera, limbal ring, iris, pupil; [B, size, size, C].

    `iris` [B, 1] runs from light blue (negative) to dark brown (positive); `gain` [B, 2, 3] is
    added to the log albedo of iris and sclera. The tile has the front pole in its centre and the
    polar angle as radius (`models/train/interior.py`).
    """
    axis = (torch.arange(size, device=iris.device) + 0.5) / size - 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    radius = eye_radius(torch.stack([x, y], -1) + 0.5)[None, ..., None]
    angle = torch.atan2(y, x)[None, ..., None]
    soft = 1.2 / size

    def disc(share: float) -> Tensor:
        return torch.sigmoid((share - radius) / soft)

    light, dark = iris.new_tensor((0.22, 0.30, 0.36)), iris.new_tensor((0.060, 0.030, 0.014))
    amount = torch.sigmoid(iris + 1)[:, None, None, :]  # most eyes are brown
    fibres = 1 + 0.18 * torch.sin(angle * 23 + 2 * torch.sin(angle * 7)) * torch.cos(angle * 41)
    colour = torch.lerp(light.log(), dark.log(), amount).exp() * fibres  # through hazel
    colour = colour * (1 - 0.6 * torch.sigmoid((radius - 0.86 * IRIS_SHARE) / (1.5 * soft)))
    rim = torch.clamp((radius - IRIS_SHARE) / 0.12, 0, 1)
    sclera = iris.new_tensor((0.62, 0.56, 0.52)) - rim * iris.new_tensor((0.06, 0.14, 0.14))
    if gain is not None:
        of_iris, of_sclera = gain[:, None, None].exp().unbind(3)
        colour, sclera = colour * of_iris, sclera * of_sclera
    albedo = torch.lerp(sclera.expand(len(iris), size, size, 3), colour, disc(IRIS_SHARE))
    albedo = albedo * (1 - 0.97 * disc(PUPIL_SHARE))
    specular = torch.full_like(albedo[..., :1], 0.025)
    return Material(albedo, specular, None, 0.08)


def eye_radius(uv: Tensor) -> Tensor:
    """How far from the front pole texture coordinates [...,2] of an eye lie, [...]."""
    return (uv - 0.5).norm(dim=-1)
