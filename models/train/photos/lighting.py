"""Random light: rooms, windows, lamps, sky; from soft to harsh."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.render.light import Light, fibonacci_sphere, sh_basis

PROBES = 96  # directions in which a surround is drawn before it becomes harmonics
WARM = np.array([1.0, 0.1, -1.0])  # log colour of warmer light, per unit


def draw_light(rng: np.random.Generator, view_rotation: Tensor) -> Light:
    """One light [1,...]: harmonics of a surround and 0 to 2 lamps, in the head's frame;
    view_rotation [3,3] is world to camera, as photographers place lamps by the camera."""
    directions = fibonacci_sphere(PROBES)  # in the frame of the room: +Y up, +Z to the camera
    radiance = _surround(rng, directions)
    lamps, colors = _lamps(rng)
    harmonics = (sh_basis(directions).T @ radiance) * (4 * math.pi / PROBES)
    to_camera = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # room to OpenCV's camera
    to_head = view_rotation.T @ to_camera
    light = Light(harmonics[None], lamps[None], colors[None]).rotated(to_head)
    return _exposed(light, rng, to_head)


def _surround(rng: np.random.Generator, directions: Tensor) -> Tensor:
    """Radiance [N,3] from directions [N,3]: ceiling and floor, and windows about."""
    up = directions[:, 1:2].numpy()
    floor = rng.uniform(0.1, 0.9)
    radiance = 0.5 * (1 + up) + floor * 0.5 * (1 - up)
    radiance = radiance * np.exp(0.12 * rng.standard_normal() * WARM + 0.05 * rng.normal(size=3))
    radiance *= rng.uniform(0.2, 1.0)
    for _ in range(rng.integers(0, 4)):
        centre = rng.normal(size=3) * [1.0, 0.5, 0.5] + [0, 0.35, 0.6]
        centre /= np.linalg.norm(centre)
        width = rng.uniform(2, 14)
        lobe = np.exp((directions.numpy() @ centre - 1) * width)[:, None]
        color = np.exp(0.15 * rng.standard_normal() * WARM)
        radiance = radiance + lobe * color * rng.gamma(2.0, 0.5) * math.sqrt(width)
    return torch.from_numpy(radiance).float()


def _lamps(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Directions [L,3] towards the lamps and their colours [L,3]."""
    count = int(rng.choice([0, 1, 2], p=[0.4, 0.45, 0.15]))
    directions, colors = np.zeros((count, 3)), np.zeros((count, 3))
    for k in range(count):
        if rng.random() < 0.25:  # a flash beside the lens
            direction = rng.normal(size=3) * [0.1, 0.1, 0] + [0, 0.1, 1]
        else:
            direction = rng.normal(size=3) * [1.0, 0.5, 0.6] + [0, 0.6, 0.45]
        directions[k] = direction / np.linalg.norm(direction)
        power = rng.gamma(2.0, 0.6) if rng.random() < 0.8 else rng.gamma(4.0, 0.9)
        colors[k] = power * np.exp(0.15 * rng.standard_normal() * WARM)
    return torch.from_numpy(directions).float(), torch.from_numpy(colors).float()


def _exposed(light: Light, rng: np.random.Generator, to_head: Tensor) -> Light:
    """Scaled to what cameras do: a white card that faces the lens is 1.45, give or take:
    the lightness of faces is then that of portraits, see `compare`."""
    forward = to_head @ torch.tensor([0.0, 0.0, 1.0])
    cards = F.normalize(forward + 0.5 * torch.randn(16, 3, generator=_torch(rng)), dim=-1)
    ambient = (sh_basis(cards) * sh_basis(cards).new_tensor(
        [1, 2 / 3, 2 / 3, 2 / 3, 0.25, 0.25, 0.25, 0.25, 0.25])) @ light.sh[0]  # fmt: skip
    lamps = (cards @ light.directions[0].T).clamp_min(0) @ light.colors[0]
    card = float((ambient + lamps).mean().clamp_min(1e-3))
    strength = 1.45 * math.exp(rng.normal(0, 0.28)) / card
    cast = torch.from_numpy(np.exp(0.08 * rng.standard_normal() * WARM + 0.02 * rng.normal(size=3)))
    gain = strength * cast.float()
    return Light(light.sh * gain, light.directions, light.colors * gain)


def _torch(rng: np.random.Generator) -> torch.Generator:
    return torch.Generator().manual_seed(int(rng.integers(2**62)))
