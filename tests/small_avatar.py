"""An avatar on the packaged head with tiny maps and one invented photo, for tests."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F

from fitme.avatar.model import Avatar
from fitme.avatar.photo import AvatarPhoto
from fitme.avatar.run_info import RunInfo
from fitme.detail.wrinkles import Wrinkles, fold_weights
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel, load_head
from fitme.head.view import View, head_rotation
from fitme.reflectance.eyes import eye_material
from fitme.render import Material
from fitme.render.camera import matrix_to_axis_angle
from fitme.render.light import Light

WIDTH, HEIGHT = 96, 120


@functools.cache
def small_avatar() -> Avatar:
    """Maps of 32 texels of every kind; the photo sees the head 0.8 m away, turned and smiling."""
    return make_avatar(load_head())


def make_avatar(head: HeadModel) -> Avatar:
    """The same on any head."""
    draw = torch.Generator().manual_seed(3)

    def noise(low: float, high: float, channels: int) -> torch.Tensor:
        rough = torch.rand(1, channels, 6, 6, generator=draw)
        smooth = F.interpolate(rough, (32, 32), mode="bilinear")
        return (low + (high - low) * smooth).movedim(1, -1).contiguous()

    bumps = noise(-0.15, 0.15, 3) + torch.tensor([0.0, 0.0, 1.0])
    skin = Material(
        noise(0.2, 0.6, 3), noise(0.02, 0.05, 1), F.normalize(bumps, dim=-1), noise(0.3, 0.6, 1)
    )
    eyes = eye_material(torch.tensor([[0.4]]), 32)
    plain = Material.plain((0.4, 0.2, 0.2), 0.03, 0.4)
    kinds = {"head": skin, "eye_L": eyes, "eye_R": eyes}
    coefficients = torch.randn(1, len(head.identity), generator=draw)
    weights = 0.6 * torch.rand(1, len(head.expression_names), generator=draw).square()
    view = View(
        rotation=matrix_to_axis_angle(head_rotation(25.0, -8.0))[None],
        translation=torch.tensor([[0.01, 0.03, 0.8]]),
        focal=torch.tensor([230.0]),
        width=WIDTH,
        height=HEIGHT,
        expression=weights,
        gaze=torch.tensor([[[0.1, -0.2], [0.05, -0.15]]]),
    )
    lamp = {"positions": torch.tensor([[[0.3, 0.2, 0.8]]]), "intensities": torch.ones(1, 1, 3) / 4}
    light = replace(Light.preset("side"), **lamp)
    photo = AvatarPhoto(Path("photo.png"), view, light, {"photometric": 0.25}, 0.0125)
    materials = tuple(kinds.get(name, plain) for name in head.part_names)
    return Avatar(Geometry(head, coefficients), materials, (photo,), RunInfo(seed=3, preset="test"))


def creased(avatar: Avatar, texels: int = 64) -> Avatar:
    """The same with ridges in compressed skin, smaller ones in stretched skin, and their shade."""
    at = torch.arange(texels) / texels
    across = 2 * torch.pi * 5 * at
    ridges = across.sin().expand(1, texels, texels).contiguous()
    shade = 0.6 * ridges[..., None] * torch.tensor([1.0, 0.9, 0.8])
    fold = fold_weights(0.5 * at[:, None] * at, 0.1)[None]
    return replace(avatar, wrinkles=Wrinkles(1e-3 * ridges, -3e-4 * ridges, shade, fold))
