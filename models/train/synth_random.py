"""Random numbers that depend only on a seed and a name, and solid noise sized in millimetres.

A counter-based generator (the finaliser of SplitMix64, Steele et al. 2014, on integers of the
device) gives every use its own stream: adding a component changes no other, an image does not
depend on its place in the batch or on the resolution, and CPU and GPU draw the same numbers.
"""

from __future__ import annotations

import math
import zlib

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.models.train.synth_atlas import Atlas, average

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed integer
_MIX1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX2 = -7723592293110705685  # 0x94D049BB133111EB
CELLS = 48  # side of the periodic noise volume
CHANNELS = 4
COARSE_TEXELS = 5  # texels per cell that suffice for smooth noise


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64; shifts are made logical by masks."""
    x = (x ^ ((x >> 30) & ((1 << 34) - 1))) * _MIX1
    x = (x ^ ((x >> 27) & ((1 << 37) - 1))) * _MIX2
    return x ^ ((x >> 31) & ((1 << 33) - 1))


class Stream:
    """Named random numbers for B seeds."""

    def __init__(self, seeds: Tensor) -> None:
        self.seeds = seeds.to(torch.int64)  # [B]

    @property
    def batch(self) -> int:
        return self.seeds.shape[0]

    def uniform(self, name: str, *shape: int) -> Tensor:
        """[B,*shape] in the open interval (0, 1)."""
        count = math.prod(shape)
        key = _mix(self.seeds * _GOLDEN + zlib.crc32(name.encode()))
        index = torch.arange(count, device=self.seeds.device)
        bits = _mix(key[:, None] + (index + 1)[None] * _GOLDEN)
        values = ((bits >> 40) & 0xFFFFFF).float() * 2.0**-24 + 2.0**-25
        return values.reshape(-1, *shape)

    def normal(self, name: str, *shape: int) -> Tensor:
        """[B,*shape] standard normal (Box and Muller 1958)."""
        count = math.prod(shape)
        half = (count + 1) // 2
        u = self.uniform(name, 2, half)
        radius, angle = (-2 * u[:, 0].log()).sqrt(), 2 * math.pi * u[:, 1]
        both = torch.cat([radius * angle.cos(), radius * angle.sin()], 1)
        return both[:, :count].reshape(-1, *shape)


class SolidNoise:
    """Smooth noise in the head's 3D space: no seam, no stretching by the atlas, and the same
    pattern at every resolution. Octaves finer than the texels fade out."""

    def __init__(self, stream: Stream, atlas: Atlas) -> None:
        self.stream, self.atlas = stream, atlas
        volume = stream.normal("noise.volume", CHANNELS, CELLS, CELLS, CELLS)
        for axis in (2, 3, 4):  # 1-2-1: with linear look-up close to a quadratic B-spline
            volume = 0.5 * volume + 0.25 * (volume.roll(1, axis) + volume.roll(-1, axis))
        volume = volume / volume.std((2, 3, 4), keepdim=True)
        self.volume = F.pad(volume, (0, 1, 0, 1, 0, 1), mode="circular")
        # A turned lattice, so that the period is not met along an axis of the face.
        turn = torch.tensor([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
        self.points = atlas.xyz @ turn.to(atlas.xyz)
        self.texel_mm = atlas.mean_texel_mm()

    def field(
        self, name: str, pitch: float, stretch: Tensor | None = None, channels: int = 1
    ) -> Tensor:
        """Independent noises [B,R,R,channels] (up to four) of unit variance with cells of `pitch`
        mm; `stretch` [3] scales x, y and z first (below 1 makes the pattern longer)."""
        keep = band(self.atlas.texel_mm, pitch)
        size, points = self.atlas.resolution, self.points
        if float(keep.max()) == 0:
            return self.volume.new_zeros(1, 1, 1, 1).expand(self.stream.batch, size, size, channels)
        if stretch is not None:
            points = self.atlas.xyz * stretch.to(self.points)
        # Noise much coarser than the texels is made on fewer of them and enlarged.
        coarse = size
        while coarse > 64 and COARSE_TEXELS * self.texel_mm * (2 * size / coarse) < pitch:
            coarse //= 2
        if coarse < size:
            points = average(points, coarse)
        at = points[None] / pitch + self.stream.uniform(name, 3)[:, None, None] * CELLS
        at = at / CELLS
        grid = ((at - at.floor()) * 2 - 1)[:, None]
        volume = self.volume[:, :channels]
        out = F.grid_sample(volume, grid, mode="bilinear", align_corners=True)[:, :, 0]
        if coarse < size:
            out = F.interpolate(out, size=(size, size), mode="bilinear", align_corners=False)
        # Linear look-up between cells lowers the variance; 1.25 restores it on average.
        return out.permute(0, 2, 3, 1) * (1.25 * keep[None, ..., None])

    def fractal(
        self, name: str, pitches: tuple[float, ...], gain: float = 0.7, channels: int = 1
    ) -> Tensor:
        """Sum of octaves, normalised to about unit variance; coarse first, [B,R,R,channels]."""
        total = self.field(name + ".0", pitches[0], channels=channels)
        power, weight = 1.0, 1.0
        for index, pitch in enumerate(pitches[1:]):
            weight *= gain
            power += weight**2
            octave = self.field(f"{name}.{index + 1}", pitch, channels=channels)
            total = total + weight * octave
        return total / math.sqrt(power)


def band(texel_mm: Tensor, size_mm: float) -> Tensor:
    """1 where texels resolve structures of `size_mm`, 0 where they are far too coarse."""
    return smoothstep(0.5, 1.2, size_mm / texel_mm)
