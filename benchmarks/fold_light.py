"""What a height field does to the light on a posed head: slopes, normals, and dark cavities.

Heights are millimetres along the normal; the atlas is measured on the posed mesh itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.reflectance.atlas import bake_vertex_field

SLICES = 6  # planes through the normal in which the horizon is looked for
NEAR_MM = (0.6, 1.1, 1.8, 2.8, 4.2, 6.5)  # along each; walls further off are the mesh's matter


@dataclass(frozen=True)
class Metric:
    """The first fundamental form of an atlas [R,R] in mm per texel: E = |Xu|^2, F = Xu Xv,
    det = EG - F^2, for positions X of a posed head."""

    e: Tensor
    f: Tensor
    det: Tensor

    @staticmethod
    def of(head: HeadModel, vertices: Tensor, size: int) -> Metric:
        """Finite differences of the positions of vertices [V,3] (metres) baked into the skin's
        atlas of `size` texels."""
        xyz = bake_vertex_field(head, vertices * 1000, size).movedim(-1, 0)[None]
        # A light blur: inside triangles positions are linear, at their edges slopes would jump.
        xyz = F.avg_pool2d(F.pad(xyz, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
        u, v = differences(xyz[0])
        floor = 0.02 * 512 / size  # mm; texels squeezed to less are on no visible skin
        e, g = (x.square().sum(0).clamp_min(floor**2) for x in (u, v))
        f = (u * v).sum(0)
        return Metric(e, f, (e * g - f * f).clamp_min(floor**4))

    def slopes(self, height: Tensor) -> tuple[Tensor, Tensor]:
        """Slope of a height field [R,R] in mm along the tangent (growing u) and along the
        bitangent (towards smaller v): the surface gradient in the frame of normal maps."""
        u, v = differences(height[None])
        x = u[0] / self.e.sqrt()
        return x, (self.f * u[0] - self.e * v[0]) / (self.e * self.det).sqrt()

    def steps(self, angle: float) -> tuple[Tensor, Tensor]:
        """Change of (u, v) in texels [R,R] per mm in the direction `angle` (radians) from the
        tangent towards the bitangent."""
        along, up = math.cos(angle), math.sin(angle)
        root = (self.det / self.e).sqrt()
        return along / self.e.sqrt() + up * self.f / (self.e * root), -up / root


def differences(values: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences per texel of [C,R,R] along u and v; one-sided at the borders."""
    v, u = torch.gradient(values, dim=(1, 2))
    return u, v


def with_slopes(normal: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Tangent-space normals [R,R,3] of a surface on which slopes x, y [R,R] are laid."""
    upright = normal[..., 2].clamp_min(0.05)
    tilt = torch.stack([normal[..., 0] / upright - x, normal[..., 1] / upright - y], -1)
    return F.normalize(torch.cat([tilt, torch.ones_like(tilt[..., :1])], -1), dim=-1)


def cavity_light(height: Tensor, metric: Metric) -> Tensor:
    """Share [R,R] of an even surround's light that reaches a height field [R,R] in mm: in slices
    through the base's normal, the cosine's integral between the horizons of both sides
    (J. Jimenez et al., "Practical Realtime Strategies for Accurate Indirect Occlusion", 2016,
    equation 7), over that of open skin with the same slope."""
    slope_x, slope_y = metric.slopes(height)
    size = height.shape[0]
    texel = torch.arange(size, dtype=torch.float32) + 0.5
    v0, u0 = torch.meshgrid(texel, texel, indexing="ij")
    shown, open_sky = torch.zeros_like(height), torch.zeros_like(height)
    for k in range(SLICES):
        angle = math.pi * k / SLICES
        du, dv = metric.steps(angle)
        inside = -(slope_x * math.cos(angle) + slope_y * math.sin(angle)).atan()
        across = slope_x * math.sin(angle) - slope_y * math.cos(angle)
        length = (
            (1 + inside.tan().square()) / (1 + inside.tan().square() + across.square())
        ).sqrt()
        horizons = []
        for sign in (-1.0, 1.0):
            rise = torch.full_like(height, -10.0)
            for step in NEAR_MM:
                at = torch.stack([u0 + sign * step * du, v0 + sign * step * dv], -1) / size * 2 - 1
                there = F.grid_sample(height[None, None], at[None], padding_mode="border",
                                      align_corners=False)[0, 0]  # fmt: skip
                rise = torch.maximum(rise, (there - height) / step)
            horizons.append(sign * (math.pi / 2 - rise.clamp_min(0).atan()))
        low = torch.maximum(horizons[0], inside - math.pi / 2)
        high = torch.minimum(horizons[1], inside + math.pi / 2)
        shown += length * (_arc(low, inside) + _arc(high, inside))
        flat = [torch.full_like(inside, side * math.pi / 2) for side in (-1, 1)]
        low, high = (torch.maximum(flat[0], inside - math.pi / 2),
                     torch.minimum(flat[1], inside + math.pi / 2))  # fmt: skip
        open_sky += length * (_arc(low, inside) + _arc(high, inside))
    return (shown / open_sky.clamp_min(1e-3)).clamp(0, 1)


def _arc(horizon: Tensor, normal: Tensor) -> Tensor:
    """The inner integral from the base's normal (angle 0) to a horizon, for a normal at an angle
    in the slice."""
    return 0.25 * (-(2 * horizon - normal).cos() + normal.cos() + 2 * horizon * normal.sin())


def interreflected(light: Tensor, albedo: Tensor) -> Tensor:
    """Light in a cavity [R,R,1] with what its walls of albedo [R,R,3] throw back: of the share
    1 - light that comes from walls as bright as the place itself, albedo times returns."""
    return light / (1 - albedo * (1 - light))
