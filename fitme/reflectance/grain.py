"""Grain of skin that follows the surface and not the atlas: noise in space, looked up at texels.

A texture that is drawn in the atlas is streaked where the atlas is stretched, as on neck and crown.
Value noise (Perlin's 1985 lattice idea with random values) of the place in metres is not.
"""

from __future__ import annotations

import torch
from torch import Tensor

PRIMES = (73856093, 19349663, 83492791)  # of the lattice hash of Teschner et al. 2003
FINER = 2.0  # from octave to octave


def grain(points: Tensor, size: float, octaves: int = 3, seed: int = 0) -> Tensor:
    """Noise [...] of mean about 0 and standard deviation about 1 at points [...,3] in metres, whose
    largest grains have the size `size` metres."""
    total = torch.zeros_like(points[..., 0])
    for octave in range(octaves):
        scale = FINER**octave / size
        total = total + _value_noise(points * scale, seed + 101 * octave)
    return total / (0.26 * octaves**0.5)


def _value_noise(points: Tensor, seed: int) -> Tensor:
    """Noise in -0.5..0.5 at points [...,3] in units of the lattice."""
    low = points.floor()
    part = points - low
    part = part * part * (3 - 2 * part)
    cell = low.long()
    total = torch.zeros_like(points[..., 0])
    for corner in range(8):
        step = [(corner >> axis) & 1 for axis in range(3)]
        weight = torch.ones_like(total)
        for axis in range(3):
            share = part[..., axis]
            weight = weight * (share if step[axis] else 1 - share)
        total = total + weight * _random(cell + cell.new_tensor(step), seed)
    return total - 0.5


def _random(cell: Tensor, seed: int) -> Tensor:
    """A number in 0..1 for lattice points [...,3] int64, [...]."""
    mixed = cell[..., 0] * PRIMES[0] ^ cell[..., 1] * PRIMES[1] ^ cell[..., 2] * PRIMES[2]
    mixed = (mixed + seed * 40503) & 0xFFFFFFFF
    for _ in range(2):  # Wang's integer finaliser, so that neighbours are not alike
        mixed = ((mixed ^ (mixed >> 15)) * 0x2C1B3C6D) & 0xFFFFFFFF
        mixed = (mixed ^ (mixed >> 12)) & 0xFFFFFFFF
    return mixed.double().div(0xFFFFFFFF).to(torch.float32)
