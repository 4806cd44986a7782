"""Drawn materials of what lies in the mouth: enamel, gums, tongue, and the bag behind the lips.

The tiles are laid out by `models/train/mouth.py` and `models/train/interior.py`. No shadow falls
into the mouth from single lights, so albedo falls towards the throat.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.head.parts import Role
from fitme.head.teeth import COLUMNS as TEETH_COLUMNS
from fitme.head.teeth import QUADRANTS as TEETH_ROWS
from fitme.render import Material

TONGUE_CENTRE, TONGUE_RADIUS = (0.24, 0.5), 0.23  # disc of the tile; the tip points down
GUM_COLUMN = (0.5, 1.0)  # of the tile, from the person's right around the front to the left
GUM_ROWS = {"upper": (0.25, 0.24), "lower": (0.75, 0.24)}  # row of the margin, half height

ENAMEL, NECK, EDGE = (0.74, 0.665, 0.56), (0.62, 0.49, 0.34), (0.68, 0.635, 0.57)
GUM, MUCOSA = (0.54, 0.25, 0.23), (0.36, 0.11, 0.10)
TONGUE, UNDERSIDE = (0.44, 0.16, 0.155), (0.36, 0.10, 0.10)
LINING = (0.30, 0.085, 0.078)
BETWEEN = (0.74, 0.64, 0.56)  # of enamel's albedo where two teeth touch: light is lost there
GUM_LINE, PAPILLA = (0.86, 0.78), 0.34  # of a crown's length, in front and behind; where it touches
REDDENS = (0.85, 1.15, 1.3)  # powers of DEPTH: light in the depth has come from gums and cheeks
DEPTH = (1.0, 0.98, 0.92, 0.8, 0.66, 0.5, 0.38, 0.28)  # of a tooth's albedo, by column


def _texels(size: int) -> tuple[Tensor, Tensor]:
    """u and v [size, size, 1] of the texels' middles."""
    axis = (torch.arange(size) + 0.5) / size
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    return u[..., None], v[..., None]


def teeth_albedo(size: int = 512) -> Tensor:
    """Teeth [size,size,3]: enamel with translucent edges and yellower necks, darker the farther
    back, and the gum that reaches down between them."""
    u, v = _texels(size)
    column = (u * TEETH_COLUMNS).floor()
    down = ((v * TEETH_ROWS) % 1 - 0.03) / 0.94  # 0 at the tip, 1 under the gums
    around = ((u * TEETH_COLUMNS) % 1 - 0.03) / 0.94
    front = (column < 3).float()
    colour = torch.tensor(ENAMEL).expand(size, size, 3)
    colour = torch.lerp(colour, torch.tensor(NECK), 0.75 * smoothstep(0.35, 0.9, down))
    edge = (1 - smoothstep(0.0, 0.22, down)) * front
    colour = torch.lerp(colour, torch.tensor(EDGE), 0.6 * edge)
    chewed = (1 - smoothstep(0.05, 0.3, down)) * (1 - front)
    colour = colour * (1 - 0.25 * chewed)
    touching = ((around - 0.5).abs() - 0.25).abs()  # 0 where teeth touch
    colour = colour * torch.lerp(
        torch.tensor(BETWEEN), torch.ones(3), smoothstep(0.0, 0.07, touching)
    )
    canine = 1 - 0.05 * (column == 2).float()
    yellow = torch.tensor([1.0, 0.965, 0.9]) ** (column.clamp(max=3) / 2)
    colour = colour * canine * yellow
    margin = torch.where(front > 0, GUM_LINE[0], GUM_LINE[1])
    margin = margin - PAPILLA * (1 - smoothstep(0.0, 0.2, touching)) ** 1.5
    gum = smoothstep(-0.012, 0.012, down - margin)
    shadow = 1 - 0.25 * (1 - smoothstep(0.0, 0.07, margin - down)) * (1 - gum)
    colour = torch.lerp(colour * shadow, torch.tensor(GUM), gum)
    shade = torch.tensor(DEPTH)[column.long().squeeze(-1)][..., None]
    return colour * shade ** torch.tensor(REDDENS)


def tongue_albedo(size: int = 256) -> Tensor:
    """Tongue and gums [size,size,3] in the sheet's tile."""
    u, v = _texels(size)

    def back(turn: Tensor) -> Tensor:
        """Shade by the distance from the front around the arch, 0..1."""
        return 1 - 0.75 * smoothstep(0.15, 0.55, turn)

    x, y = (u - TONGUE_CENTRE[0]) / TONGUE_RADIUS, (v - TONGUE_CENTRE[1]) / TONGUE_RADIUS
    radius = (x.square() + y.square()).sqrt()
    under = smoothstep(0.45, 0.85, radius)
    tongue = torch.lerp(torch.tensor(TONGUE).expand(size, size, 3), torch.tensor(UNDERSIDE), under)
    groove = (-(x / 0.05).square()).exp() * (1 - under)
    tongue = tongue * (1 - 0.15 * groove)
    turn = torch.atan2(x, y).abs() / torch.pi
    tongue = tongue * torch.lerp(0.25 + 0.75 * smoothstep(-0.7, 0.25, y), back(turn), under)

    turn = (2 * (u - GUM_COLUMN[0]) / (GUM_COLUMN[1] - GUM_COLUMN[0]) - 1).abs()
    upper = v < 0.5
    row = torch.where(upper, GUM_ROWS["upper"][0] - v, v - GUM_ROWS["lower"][0])
    away = row / GUM_ROWS["upper"][1]  # above 0 on the lips' side, below on the tongue's
    far = smoothstep(0.45, 0.75, away.abs())  # 0.008 m away at 0.5
    gum = torch.lerp(torch.tensor(GUM).expand(size, size, 3), torch.tensor(MUCOSA), far)
    inner = smoothstep(0.1, 0.8, -away)
    floor = smoothstep(0.15, 0.4, -away) * (~upper).float()
    gum = torch.lerp(gum * (1 - 0.6 * inner * upper), torch.tensor(UNDERSIDE), floor)
    gum = gum * back(turn)
    return torch.where(u < GUM_COLUMN[0], tongue, gum)


def mouth_albedo(size: int = 64) -> Tensor:
    """The bag behind the lips [size,size,3]: the lips' inside at the rim, dark at the throat."""
    u, v = _texels(size)
    radius = ((u - 0.5).square() + (v - 0.5).square()).sqrt() / 0.49
    return torch.tensor(LINING) * (0.3 + 0.7 * smoothstep(0.4, 1.0, radius))


@lru_cache(maxsize=8)
def mouth_materials(device: str = "cpu") -> dict[Role, Material]:
    """Materials of the bag behind the lips, the teeth and the tongue on a device."""

    def wet(albedo: Tensor, specular: float, roughness: float) -> Material:
        flat = torch.full((1, 1, 1, 1), specular, device=device)
        return Material(albedo[None].to(device), flat, None, roughness)

    return {
        Role.MOUTH: wet(mouth_albedo(), 0.02, 0.4),
        Role.TEETH: wet(teeth_albedo(), 0.045, 0.24),
        Role.TONGUE: wet(tongue_albedo(), 0.03, 0.34),
    }
