"""Sample sheets: what the generator makes, as one PNG that shows progress at a glance."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fitme.image.png import encode_png
from fitme.models.stylegan2 import ReflectanceGenerator
from fitme.models.stylegan2.filters import shrink
from fitme.models.stylegan2.synthesis import Noise

TILE = 256


def sheet_png(rows: list[Tensor]) -> bytes:
    """rows: signals [N,6,R,R] each -> PNG bytes.

    A column per face; per entry of `rows` three lines: diffuse albedo (sRGB), specular albedo
    (its square root, F0 0.16 is white), normals (slopes as red and green).
    """
    lines = []
    for signal in rows:
        signal = signal.detach().float().cpu()
        signal = shrink(signal, min(TILE, signal.shape[-1]))
        slopes = torch.cat([signal[:, 4:], torch.ones_like(signal[:, :1])], 1)
        for part in (signal[:, :3], signal[:, 3:4].expand(-1, 3, -1, -1), slopes):
            lines.append(torch.cat(list(part), 2))  # [3,R,N R]
    picture = (torch.cat(lines, 1) * 0.5 + 0.5).clamp(0, 1).movedim(0, -1)
    return encode_png((picture * 255).round().byte().contiguous().numpy())


@torch.no_grad()
def sheet(
    generator: ReflectanceGenerator,
    target: Tensor,
    z: Tensor,
    free: Tensor,
    noise: Noise,
    dtype: torch.dtype,
) -> tuple[bytes, float]:
    """Targets [N,6,R,R], their reproductions from z [N,z_dim], samples from free [N,z_dim].

    Returns the PNG and the PSNR of the reproduced diffuse albedo in sRGB, decibels.
    """
    size = target.shape[-1]
    rows = [target]
    for latents in (z, free):
        single = generator.map(latents).split(1)  # one by one: full maps of many are large
        parts = [generator.signals(w, size, noise=noise, dtype=dtype)[size] for w in single]
        rows.append(torch.cat(parts))
    error = float((rows[1] - rows[0])[:, :3].square().mean()) / 4  # signals span 2
    return sheet_png(rows), -10 * math.log10(max(error, 1e-10))
