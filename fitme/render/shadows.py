"""Soft shadows of directional and point lights in a finished picture.

Shadow maps (Williams, "Casting Curved Shadows on Curved Surfaces", SIGGRAPH 1978) with
percentage-closer filtering (Reeves, Salesin and Cook, "Rendering Antialiased Shadows with Depth
Maps", SIGGRAPH 1987), averaged over a few directions in a small cone, as of a lamp that is no
point. Where a shadow falls carries no gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.render import brdf
from fitme.render.backends.base import Backend
from fitme.render.scene import Mesh
from fitme.render.shading import LightTensors, Surface

HALF_ANGLE_DEG = 3.0  # of the cone of directions: a lamp of 10 cm in a metre's distance
DIRECTIONS = 10  # in the cone
MAP_SIDES = (320, 640)  # texels across the bounding sphere: the picture's pixels within these
NORMAL_BIAS = 1.6  # texels along the normal; a texel's diagonal is 1.4
DEPTH_BIAS = 0.6  # texels towards the light
MARGIN = 1.08  # around the bounding sphere, for the slanted views and the bias
FAINT = 0.004  # of a light: less than a display step is no shadow
WIDEST = math.sin(math.radians(75.0))  # of half of a point light's field of view


@dataclass(frozen=True)
class ShadowMaps:
    """K depth maps of a mesh, seen from one light."""

    matrices: Tensor  # [K,4,4] world -> clip
    depth: Tensor  # [K,S,S] z/w of the nearest surface, infinite where there is none
    towards: Tensor  # [3] unit direction to a directional light, or the place of a point light
    point: bool
    texel: float  # metres, at the middle of the mesh

    def direction(self, position: Tensor) -> Tensor:
        """Unit vectors to the light, [N,3] or [3]; position [N,3]."""
        return F.normalize(self.towards - position, dim=-1) if self.point else self.towards

    def visibility(self, position: Tensor, normal: Tensor) -> Tensor:
        """[N] in 0..1: how much of the light reaches surface points [N,3] with unit normals."""
        towards = self.direction(position)
        cosine = brdf.dot(normal, towards)
        slope = (1 - cosine.square()).clamp_min(0).sqrt()
        moved = position + self.texel * (NORMAL_BIAS * slope * normal + DEPTH_BIAS * towards)
        rows = moved.T.contiguous()
        total = position.new_zeros(len(position))
        for matrix, depth in zip(self.matrices, self.depth, strict=True):
            total = total + _closer(depth, torch.addmm(matrix[:, 3:], matrix[:, :3], rows))
        return total / len(self.matrices)


def shadow_maps(
    ops: Backend,
    vertices: Tensor,
    triangles: Tensor,
    light: Tensor,
    point: bool = False,
    side: int = MAP_SIDES[1],
) -> ShadowMaps:
    """vertices [V,3], triangles [T,3], light [3]: a unit direction, or a place if `point`.

    A point x across, y along and h towards the light from the mesh's middle is seen at
    (x, y) - h * offset: all maps of a light show the plane through the middle alike.
    """
    centre = 0.5 * (vertices.amin(0) + vertices.amax(0))
    radius = MARGIN * float((vertices - centre).norm(dim=-1).max())
    frame = _frame(F.normalize(light - centre, dim=-1) if point else light)
    reach = radius
    if point:
        distance = float((light - centre).norm())
        clip = _perspective(distance, radius)
        reach = distance / float(clip[0, 0])
    else:
        clip = torch.diag(torch.tensor([1.0, 1.0, -1.0, radius]) / radius)
    rows = torch.zeros(DIRECTIONS, 4, 4).to(vertices)
    rows[:, :3, :3] = frame
    rows[:, :2, :3] -= cone_offsets().to(vertices)[:, :, None] * frame[2]
    rows[:, :3, 3] = -rows[:, :3, :3] @ centre
    rows[:, 3, 3] = 1.0
    matrices = clip.to(rows) @ rows
    seen = vertices @ matrices[:, :, :3].transpose(1, 2) + matrices[:, None, :, 3]
    depth = torch.cat([ops.depth(one[None], triangles, (side, side)) for one in seen])
    return ShadowMaps(matrices, depth, light, point, 2 * reach / side)


def cast_shadows(
    ops: Backend,
    mesh: Mesh,
    surface: Surface,
    light: LightTensors,
    eye: Tensor,
    lit: tuple[Tensor, Tensor, Tensor],
    pixels: int,
    lamps: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Diffuse and specular radiance [N,3] less what is blocked of each light, or of the first
    `lamps` directional ones.

    `lit` is what `ops.shade` made of the surface under all lights; the picture's longer side has
    `pixels`.
    """
    side = min(max(pixels, MAP_SIDES[0]), MAP_SIDES[1])
    blocked = [
        _blocked(ops, mesh, surface, lit[2], lamp[0], lamp[2], side)
        for lamp in _lamps(light)[:lamps]
    ]
    return _without(ops, surface, light, eye, lit, blocked)


def shaded_by(
    ops: Backend,
    mesh: Mesh,
    surface: Surface,
    light: LightTensors,
    eye: Tensor,
    lit: tuple[Tensor, Tensor, Tensor],
    corners: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """As `cast_shadows`, from what the mesh's `reached` says of its vertices; `corners` are the
    points' triangles [N] and the barycentric weights [N,2] of their first two corners.

    Raises ValueError where `reached` is of another number of directional lights.
    """
    assert mesh.reached is not None
    lamps = light[1].shape[1]
    if mesh.reached.shape[2] != lamps:
        raise ValueError(f"reached is of {mesh.reached.shape[2]} lights, the scene has {lamps}")
    with torch.no_grad():
        face, uv = corners
        reached = mesh.reached.to(lit[0])
        image = surface.image if len(reached) > 1 else torch.zeros_like(surface.image)
        vertices = mesh.triangles.long().index_select(0, face)  # [N,3]
        three = torch.stack([reached[image, vertices[:, k]] for k in range(3)])
        share = torch.stack([*uv.unbind(-1), 1 - uv.sum(-1)])[..., None]
        blocked = (1 - (share * three).sum(0)).clamp(0, 1)
        blocked = torch.where(blocked > FAINT, blocked, 0.0)
    return _without(ops, surface, light, eye, lit, list(blocked.unbind(-1)))


@torch.no_grad()
def vertex_visibility(
    ops: Backend, vertices: Tensor, triangles: Tensor, directions: Tensor
) -> Tensor:
    """[B,V,L] in 0..1: how much of the lights towards unit directions [B,L,3] reaches vertices
    [B,V,3] of a mesh with triangles [T,3]; 1 where a vertex turns away, which is dark anyway."""
    normals = ops.vertex_normals(vertices, triangles)
    found = []
    for points, normal, several in zip(vertices, normals, directions, strict=True):
        each = []
        for direction in several:
            maps = shadow_maps(ops, points, triangles, direction, side=MAP_SIDES[0])
            facing = (normal @ direction) > 0
            each.append(torch.where(facing, maps.visibility(points, normal), 1.0))
        found.append(torch.stack(each, -1) if each else points.new_ones(len(points), 0))
    return torch.stack(found)


def _lamps(light: LightTensors) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Each directional and point light alone: its directions, colors, positions, intensities."""
    _, directions, colors, positions, intensities = light
    none = directions[:, :0]
    suns = [
        (directions[:, k : k + 1], colors[:, k : k + 1], none, none)
        for k in range(directions.shape[1])
    ]
    bulbs = [
        (none, none, positions[:, k : k + 1], intensities[:, k : k + 1])
        for k in range(positions.shape[1])
    ]
    return suns + bulbs


def _without(
    ops: Backend,
    surface: Surface,
    light: LightTensors,
    eye: Tensor,
    lit: tuple[Tensor, Tensor, Tensor],
    blocked: list[Tensor],
) -> tuple[Tensor, Tensor]:
    """Diffuse and specular radiance [N,3] of `lit` less what is `blocked` [N] of each light.

    Radiance is linear in the lights, so that is each light's own part times what does not reach
    the point.
    """
    diffuse, specular, _ = lit
    dark = torch.zeros_like(light[0])
    for lamp, share in zip(_lamps(light), blocked, strict=False):
        if share.device.type != "cpu":  # to count the points in shadow would make the host wait
            parts = ops.shade(surface, (dark, *lamp), eye)
            diffuse = diffuse - share[:, None] * parts[0]
            specular = specular - share[:, None] * parts[1]
            continue
        index = share.nonzero()[:, 0]
        parts = ops.shade(_at(surface, index), (dark, *lamp), eye)
        weight = share[index, None]
        diffuse = diffuse.index_add(0, index, -weight * parts[0])
        specular = specular.index_add(0, index, -weight * parts[1])
    return diffuse, specular


@torch.no_grad()
def _blocked(
    ops: Backend,
    mesh: Mesh,
    surface: Surface,
    normal: Tensor,
    directions: Tensor,
    positions: Tensor,
    side: int,
) -> Tensor:
    """[N] in 0..1 of one light, directions [B,1 or 0,3] or positions [B,0 or 1,3]; 0 where the
    shading normals [N,3] turn away from it."""
    blocked = normal.new_zeros(len(normal))
    point = positions.shape[1] == 1
    for image, light in enumerate((positions if point else directions)[:, 0]):
        maps = shadow_maps(ops, mesh.vertices[image], mesh.triangles, light, point, side)
        facing = brdf.dot(normal, maps.direction(surface.position))[:, 0] > 0
        index = (facing & (surface.image == image)).nonzero()[:, 0]
        smooth = F.normalize(surface.normal[index], dim=-1)
        blocked[index] = 1 - maps.visibility(surface.position[index], smooth)
    return blocked


def _corners(depth: Tensor) -> Tensor:
    """[S,S] -> [(S-1)(S-1),4], each texel with those right of it, below it and below right."""
    below, above = depth[1:], depth[:-1]
    four = (above[:, :-1], above[:, 1:], below[:, :-1], below[:, 1:])
    return torch.stack(four, dim=-1).reshape(-1, 4)


def _closer(depth: Tensor, clip: Tensor) -> Tensor:
    """[N] in 0..1: the share of the four texels of a map [S,S] around clip [4,N] that do not lie
    in front of it, weighted bilinearly; 1 outside of the map."""
    side = len(depth)
    x, y, z, w = clip
    x, y, z = x / w, y / w, z / w
    outside = ~((w > 0) & (x.abs() < 1) & (y.abs() < 1))  # also where 0/0 made a NaN
    x, y = (torch.where(outside, 0.0, v) for v in (x, y))
    x, y = (((v + 1) * (side / 2) - 0.5).clamp(0, side - 1.001) for v in (x, y))
    column, row = x.floor(), y.floor()
    right, down = x - column, y - row
    first = (row * (side - 1) + column).long()
    free = (_corners(depth).index_select(0, first) >= z[:, None]).to(z)
    above, below = torch.lerp(free[:, ::2], free[:, 1::2], right[:, None]).unbind(-1)
    return torch.where(outside, 1.0, torch.lerp(above, below, down))


def cone_offsets() -> Tensor:
    """[K,2] tangents of the angles to a light's middle, evenly spread by the golden angle (Vogel,
    "A better way to construct the sunflower head", 1979)."""
    index = torch.arange(DIRECTIONS, dtype=torch.float64)
    radius = math.tan(math.radians(HALF_ANGLE_DEG)) * ((index + 0.5) / DIRECTIONS).sqrt()
    angle = math.pi * (3 - math.sqrt(5)) * index
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1).float()


def _frame(axis: Tensor) -> Tensor:
    """Rotation [3,3] whose last row is the unit vector `axis`."""
    least = torch.zeros_like(axis)
    least[axis.abs().argmin()] = 1.0
    first = F.normalize(torch.linalg.cross(least, axis), dim=-1)
    return torch.stack([first, torch.linalg.cross(axis, first), axis])


def _perspective(distance: float, radius: float) -> Tensor:
    """[4,4] from (x, y, h, 1) to clip space, seen from `distance` before the middle of a sphere:
    all of that, or as much as can be from near or inside."""
    sine = min(radius / distance, WIDEST) if distance > 0 else WIDEST
    near, far = max(distance - radius, 0.02 * radius), distance + radius
    clip = torch.eye(4) * (math.sqrt(1 - sine**2) / sine)
    clip[3] = torch.tensor([0.0, 0.0, -1.0, distance])
    clip[2] = clip[3] * ((far + near) / (far - near))
    clip[2, 3] -= 2 * far * near / (far - near)
    return clip


def _at(surface: Surface, index: Tensor) -> Surface:
    """The surface at some of its points."""
    values: dict[str, Any] = {item.name: getattr(surface, item.name) for item in fields(surface)}
    for name, value in values.items():
        values[name] = None if value is None else value[index]
    return Surface(**values)
