"""How skin is stretched and compressed by an expression, along every direction of the surface.

The strain of a triangle is the symmetric part of the displacement's gradient along the surface
(small strain tensor, Cauchy 1827): linear in the displacement, so that strains of blend shapes
add up as the shapes do. HiFace (arXiv 2303.11225, section 3.2) blends its wrinkle maps by a scalar,
the change of the edges' lengths; a tensor also says across which direction skin is compressed,
which is the direction in which it folds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.head.model import HeadModel

SMOOTHING = 2  # rounds of averaging over neighbours: a triangle's own strain is noisy
TINY_M2 = 1e-12  # twice the area of a triangle without area


def skin_strain(head: HeadModel, neutral: Tensor, posed: Tensor) -> Tensor:
    """Strain at the vertices, [P,V,3]: along t, along b, and their shear; 0 off the skin.

    neutral [1,V,3] and posed [P,V,3] in metres, both in the model's frame. t is the unit direction
    in which u grows, b the one at right angles to it in which v grows (downwards in the atlas).
    Negative is compressed: -0.1 is a tenth shorter.
    """
    chosen = head.part == head.skin.index
    triangles, uv = head.triangles[chosen], head.uv[head.uv_triangles[chosen]]
    along, across, scale, shear, drop, area = _frames(neutral[0], triangles, uv)
    corners = (posed - neutral)[:, triangles]
    moved = torch.stack([corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0]])
    inverse = _inverse(uv)  # [T,2,2]
    by_uv = torch.einsum("kptc,tkj->jptc", moved, inverse)  # d displacement / d(u, v)
    # From (u, v) to lengths along (t, b): the columns of the inverse of R in F = QR.
    by_t = by_uv[0] / scale[:, None]
    by_b = (by_uv[1] - shear[:, None] * by_t) / drop[:, None]
    tt, bb = (by_t * along).sum(-1), (by_b * across).sum(-1)
    tb = 0.5 * ((by_b * along).sum(-1) + (by_t * across).sum(-1))
    return _at_vertices(torch.stack([tt, bb, tb], -1), area, triangles, len(head.mean))


def texel_lengths(head: HeadModel, neutral: Tensor) -> Tensor:
    """Metres per unit of u and of v at the vertices, [V,2]; neutral [1,V,3] metres."""
    chosen = head.part == head.skin.index
    triangles, uv = head.triangles[chosen], head.uv[head.uv_triangles[chosen]]
    _, _, scale, _, drop, area = _frames(neutral[0], triangles, uv)
    return _at_vertices(torch.stack([scale, drop], -1)[None], area, triangles, len(head.mean))[0]


def _inverse(uv: Tensor) -> Tensor:
    """Corners [T,3,2] -> what takes (u, v) to weights of the two edges, [T,2,2]."""
    edges = torch.stack([uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]], 1)  # rows: edges
    flat = torch.linalg.det(edges).abs() < 1e-12
    edges = torch.where(flat[:, None, None], torch.eye(2).to(edges), edges)
    return torch.linalg.inv(edges).mT


def _frames(neutral: Tensor, triangles: Tensor, uv: Tensor) -> tuple[Tensor, ...]:
    """QR of each triangle's map from (u, v) to space: t and b [T,3], the entries of R [T], and
    twice the area [T] (0 for a triangle without)."""
    corners = neutral[triangles]
    edges = torch.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]])
    inverse = _inverse(uv)
    by_u, by_v = torch.einsum("ktc,tkj->jtc", edges, inverse)
    scale = by_u.norm(dim=-1).clamp_min(1e-9)
    along = by_u / scale[:, None]
    shear = (by_v * along).sum(-1)
    rest = by_v - shear[:, None] * along
    drop = rest.norm(dim=-1).clamp_min(1e-9)
    area = torch.linalg.cross(edges[0], edges[1]).norm(dim=-1)
    area = torch.where(area < TINY_M2, torch.zeros_like(area), area)
    return along, rest / drop[:, None], scale, shear, drop, area


def _at_vertices(values: Tensor, area: Tensor, triangles: Tensor, count: int) -> Tensor:
    """Triangles' values [P,T,C] as means at `count` vertices, smoothed over neighbours."""
    weighted = torch.cat([values * area[:, None], area[:, None].expand(len(values), -1, 1)], -1)
    for again in range(SMOOTHING + 1):
        total = weighted.new_zeros(len(values), count, weighted.shape[-1])
        for corner in range(3):
            total = added(total, triangles[:, corner], weighted)
        mean = total[..., :-1] / total[..., -1:].clamp_min(1e-12)
        if again < SMOOTHING:
            inside = mean[:, triangles].mean(2)
            weighted = torch.cat([inside * area[:, None], weighted[..., -1:]], -1)
    return mean


def added(total: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """total [P,V,C] with values [P,T,C] added at vertices [T], in one order: on a GPU `index_add`
    has none, so that its bits differ from run to run."""
    if total.device.type == "cpu":
        return total.index_add(1, index, values)
    found = total.transpose(0, 1).index_put((index,), values.transpose(0, 1), accumulate=True)
    return found.transpose(0, 1)


def strain_across(strain: Tensor, angle: Tensor) -> Tensor:
    """Strain [...] along the direction (cos angle, sin angle) of (t, b) for [...,3], [...]."""
    c, s = angle.cos(), angle.sin()
    return strain[..., 0] * c * c + strain[..., 1] * s * s + 2 * strain[..., 2] * c * s


def principal(strain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Largest and smallest principal strain [...] of [...,3], and the angle [...] in (t, b) of the
    direction of the smallest one, which is across the folds of compressed skin."""
    middle = 0.5 * (strain[..., 0] + strain[..., 1])
    half = 0.5 * (strain[..., 0] - strain[..., 1])
    shear = strain[..., 2]
    radius = torch.hypot(half, shear)
    angle = 0.5 * torch.atan2(-shear, -half)
    return middle + radius, middle - radius, angle
