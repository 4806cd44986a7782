"""Scenes of the renderer's benchmark, which its tests draw too."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fitme.render import Material, Mesh


def head(rows: int = 24, columns: int = 36, bump: float = 0.0, dtype=torch.float32) -> Mesh:
    """An ellipsoid with a nose: a closed grid with poles of its own, one UV seam at the back.
    The face looks along +Z; v = 0 is the crown; u grows towards +X in front (seen by a
    viewer: to the right), so the map is not mirrored."""
    theta = math.pi * torch.arange(1, rows, dtype=torch.float64) / rows
    phi = 2 * math.pi * torch.arange(columns, dtype=torch.float64) / columns - math.pi
    t, p = torch.meshgrid(theta, phi, indexing="ij")
    ring = torch.stack([t.sin() * p.sin(), t.cos(), t.sin() * p.cos()], -1).reshape(-1, 3)
    unit = torch.cat([ring, torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]).double()])
    vertices = unit * torch.tensor([0.075, 0.11, 0.09]).double()
    away = (unit - torch.nn.functional.normalize(torch.tensor([0.0, -0.1, 1.0]), dim=0)).square()
    vertices = vertices * (1 + bump * torch.exp(-away.sum(-1, keepdim=True) / 0.05))
    grid = torch.arange((rows - 1) * columns).reshape(rows - 1, columns)
    ugrid = torch.arange((rows - 1) * (columns + 1)).reshape(rows - 1, columns + 1)
    top, bottom = len(ring), len(ring) + 1
    first_cap = (rows - 1) * (columns + 1)
    faces, uvs = [], []
    for c in range(columns):
        n = (c + 1) % columns
        faces.append([top, int(grid[0, c]), int(grid[0, n])])
        uvs.append([first_cap + c, int(ugrid[0, c]), int(ugrid[0, c + 1])])
        faces.append([bottom, int(grid[-1, n]), int(grid[-1, c])])
        uvs.append([first_cap + columns + c, int(ugrid[-1, c + 1]), int(ugrid[-1, c])])
    a, b = grid[:-1], torch.roll(grid, -1, 1)[:-1]
    c_, d = grid[1:], torch.roll(grid, -1, 1)[1:]
    quads = torch.cat(
        [torch.stack([a, c_, d], -1).reshape(-1, 3), torch.stack([a, d, b], -1).reshape(-1, 3)]
    )
    ua, ub, uc, ud = ugrid[:-1, :-1], ugrid[:-1, 1:], ugrid[1:, :-1], ugrid[1:, 1:]
    uquads = torch.cat(
        [torch.stack([ua, uc, ud], -1).reshape(-1, 3), torch.stack([ua, ud, ub], -1).reshape(-1, 3)]
    )
    u = torch.arange(columns + 1).double() / columns
    v = torch.arange(1, rows).double() / rows
    vv, uu = torch.meshgrid(v, u, indexing="ij")
    uv = torch.stack([uu, vv], -1).reshape(-1, 2)
    mid = (torch.arange(columns).double() + 0.5) / columns
    caps = torch.cat([torch.stack([mid, mid * 0], -1), torch.stack([mid, mid * 0 + 1], -1)])
    triangles = torch.cat([torch.tensor(faces), quads]).int()
    return Mesh(
        vertices[None].to(dtype),
        triangles,
        torch.cat([uv, caps]).to(dtype),
        torch.cat([torch.tensor(uvs), uquads]).int(),
        torch.zeros(len(triangles), dtype=torch.int64),
    )


def smooth_texture(size: int, channels: int, low: float, high: float, seed: int = 0) -> Tensor:
    """[1,size,size,channels] band-limited noise within low..high."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, 9, 9, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=True)
    return (low + (high - low) * fine.clamp(0, 1)).permute(0, 2, 3, 1).contiguous()


def skin(size: int = 128, dtype=torch.float32) -> Material:
    """A material with all maps."""
    normal = smooth_texture(size, 3, -0.3, 0.3, 3)
    normal[..., 2] = 1.0
    return Material(
        smooth_texture(size, 3, 0.2, 0.8, 1).to(dtype),
        smooth_texture(size, 1, 0.02, 0.06, 2).to(dtype),
        torch.nn.functional.normalize(normal, dim=-1).to(dtype),
        smooth_texture(size, 1, 0.3, 0.6, 4).to(dtype),
    )
