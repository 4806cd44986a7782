"""How a map in the skin's atlas moves the vertices of a head: a fixed sparse linear map.

A map's texels are control points of a uniform cubic B-spline over the tile, as bilinear samples of
64 texels would leave creases that shading shows. Where several texture vertices meet at one vertex
it takes their mean, and so do vertices that touch where the lips meet: nothing tears.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.samples import Samples
from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.reflectance.atlas import bake_vertex_field
from fitme.render.geometry import vertex_normals
from fitme.runtime.made_once import made_once

INSIDE = ("lips", "mouth_inside")  # regions
# Metres on the mean head.
TOUCHING = 0.0003  # the lips meet within 0.1 mm; edges there are 0.9 mm
RIM = (0.0005, 0.012)  # of the mouth's bag from the lips: moves with them, with their mean
FRAME_BLUR = (
    0.008  # spread over which frames are smoothed: both lips and all of a nostril share one
)


@dataclass(frozen=True)
class MapSurface:
    """The texels of a map on the mean head, and how they move its vertices."""

    positions: Tensor  # [R,R,3] metres, of the mean head
    frames: Tensor  # [R,R,3,3] columns: smoothed normal, tangent towards +X, tangent upwards
    samples: Samples  # of the vertices, and last the middle of the lips
    follows: Tensor  # [V] share of the middle of the lips that a vertex inside the mouth takes

    @staticmethod
    def of(head: HeadModel, texels: int) -> MapSurface:
        """For maps of `texels` a side; on a CPU made once per head. Raises KeyError for a head
        without skin."""
        if head.device.type != "cpu":
            return MapSurface._made(head, texels)
        named = {"skin": head.skin.name, **{f"{part.name}:": part.role.name for part in head.parts}}
        regions = {name: head.regions[name] for name in INSIDE if name in head.regions}
        found = made_once(
            __file__, "surface",
            (f"{texels} {named} {list(regions)}", *regions.values(), head.mean, head.triangles,
             head.part, head.uv, head.uv_triangles),
            lambda: MapSurface._made(head, texels)._arrays(),
        )  # fmt: skip
        made = {name: torch.from_numpy(array) for name, array in found.items()}
        forward, backward = (
            (made[f"{side}.0"], made[f"{side}.1"], made[f"{side}.2"])
            for side in ("forward", "backward")
        )
        samples = Samples(forward, backward)
        return MapSurface(made["positions"], made["frames"], samples, made["follows"])

    def _arrays(self) -> dict[str, Any]:
        tables = {"forward": self.samples.forward, "backward": self.samples.backward}
        flat = {f"{side}.{k}": table[k] for side, table in tables.items() for k in range(3)}
        whole = {"positions": self.positions, "frames": self.frames, "follows": self.follows}
        return {name: tensor.numpy() for name, tensor in (flat | whole).items()}

    @staticmethod
    def _made(head: HeadModel, texels: int) -> MapSurface:
        skin = head.part_vertices(head.skin.name)
        fields = torch.cat([head.mean, _skin_normals(head)], 1)
        baked = bake_vertex_field(head, fields, texels)
        baked = 0.5 * (baked + baked.flip(1) * baked.new_tensor([-1.0, 1.0, 1.0] * 2))
        positions = baked[..., :3].contiguous()
        lips = _lips(head, skin)
        near, follows, nearest = _inside(head, skin, lips)
        touching, shares = _grouped(*_touching(head, lips), len(head.mean))
        middle = lips[:, None] if len(lips) else nearest[:1, None]
        columns, weights = _by_vertex(head, texels)
        used = touching[nearest]  # [V,N]
        by_row = shares[nearest] * near[:, None]
        entries = [
            (torch.arange(len(used), device=head.device)[:, None].expand_as(used), used, by_row),
            (
                torch.full_like(middle, len(used)),
                middle,
                torch.full_like(middle, 1 / len(middle), dtype=torch.float32),
            ),
        ]
        row, vertex, share = (
            torch.cat([entry[k].reshape(-1) for entry in entries]) for k in range(3)
        )
        kept = share > 0
        row, vertex, share = row[kept], vertex[kept], share[kept]
        weight = weights[vertex] * share[:, None]
        row = row[:, None].expand_as(weight)
        samples = Samples.of(row, columns[vertex], weight, len(used) + 1, texels**2)
        return MapSurface(positions, _frames(positions, baked[..., 3:]), samples, follows)

    @property
    def texels(self) -> int:
        return len(self.positions)

    def moved(self, field: Tensor) -> Tensor:
        """What a map [R,R,3] in the frames, metres, adds to the vertices, [V,3]."""
        across = (self.frames * field[..., None, :]).sum(-1).reshape(-1, 3)
        sampled = self.samples(across)
        return sampled[:-1] + self.follows[:, None] * sampled[-1]

    def to(self, device: torch.device | str) -> MapSurface:
        """The same on another device."""
        return MapSurface(
            self.positions.to(device), self.frames.to(device), self.samples.to(device),
            self.follows.to(device),
        )  # fmt: skip


def _skin_normals(head: HeadModel) -> Tensor:
    return vertex_normals(head.mean[None], head.part_triangles(head.skin.name))[0]


def _grouped(owner: Tensor, member: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Members of each of `count` owners from pairs [N] and [N]: [count,most], and each one's share
    of the mean, 0 where there is none."""
    owner, order = owner.sort(stable=True)
    number = torch.bincount(owner, minlength=count)
    first = number.cumsum(0) - number
    place = torch.arange(len(owner), device=owner.device) - first[owner]
    index = owner.new_zeros(count, max(int(number.max()), 1))
    share = torch.zeros(index.shape, device=owner.device)
    index[owner, place] = member[order]
    share[owner, place] = 1 / number[owner].float()
    return index, share


def _by_vertex(head: HeadModel, texels: int) -> tuple[Tensor, Tensor]:
    """Texels [V,N] and the B-spline's weights of them at each vertex, 0 off the skin."""
    chosen = head.part == head.skin.index
    pairs = torch.stack([head.triangles[chosen].reshape(-1), head.uv_triangles[chosen].reshape(-1)])
    # As one number each: torch's `unique` along a dimension compares pairs one by one on the CPU.
    many = int(head.uv_triangles.max()) + 1
    pair = (pairs[0] * many + pairs[1]).unique()
    vertex, corner = pair // many, pair % many
    texture, share = _grouped(vertex, corner, len(head.mean))
    place = head.uv[texture] * texels - 0.5  # [V,M,2]
    first = place.floor()
    weight = _cubic(place - first)  # [V,M,2,4]
    index = first.long()[..., None] + torch.arange(-1, 3, device=head.device)
    index = index.clamp(0, texels - 1)
    column = index[..., 1, :, None] * texels + index[..., 0, None, :]
    both = weight[..., 1, :, None] * weight[..., 0, None, :] * share[..., None, None]
    return column.flatten(1), both.flatten(1)


def _cubic(t: Tensor) -> Tensor:
    """Weights [...,4] of the uniform cubic B-spline at t in 0..1."""
    third = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return torch.stack(third, -1) / 6


def _lips(head: HeadModel, skin: Tensor) -> Tensor:
    """Vertices of the lips, inside of the mouth included, as far as they are skin."""
    inner = sum(
        (head.regions[name] for name in INSIDE if name in head.regions),
        torch.zeros(len(head.mean), device=head.device),
    )
    return skin[inner[skin] > 0]


def _touching(head: HeadModel, lips: Tensor) -> tuple[Tensor, Tensor]:
    """Each vertex [N] with those [N] that touch it on the mean head, itself among them."""
    own = torch.arange(len(head.mean), device=head.device)
    first, second = (torch.cdist(head.mean[lips], head.mean[lips]) < TOUCHING).nonzero().T
    apart = first != second
    return torch.cat([own, lips[first[apart]]]), torch.cat([own, lips[second[apart]]])


def _inside(head: HeadModel, skin: Tensor, lips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each vertex [V]: the share that it takes of the skin's vertex named third, and that of
    the middle of the lips. The skin is its own; the bag's rim hangs on the lips, teeth and tongue
    keep their places behind them; eyes stay."""
    near, follows = (torch.zeros(len(head.mean), device=head.device) for _ in range(2))
    nearest = torch.arange(len(head.mean), device=head.device)
    near[skin] = 1
    for part in head.parts:
        if not part.is_inside_mouth or not len(lips):
            continue
        own = head.part_vertices(part.name)
        away, index = torch.cdist(head.mean[own], head.mean[lips]).min(1)
        hang = 1 - smoothstep(*RIM, away) if part.role is Role.MOUTH else torch.zeros_like(away)
        near[own], follows[own], nearest[own] = hang, 1 - hang, lips[index]
    return near, follows, nearest


def _frames(positions: Tensor, normals: Tensor) -> Tensor:
    """Frames [R,R,3,3] of the texels: normals [R,R,3] averaged over FRAME_BLUR, which keeps both
    sides of a fold together."""
    side = len(positions)
    points, left = positions.reshape(-1, 3), positions[:, : (side + 1) // 2].reshape(-1, 3)
    near = torch.cdist(left, points).square_().mul_(-0.5 / FRAME_BLUR**2).exp_()
    half = F.normalize(near @ normals.reshape(-1, 3), dim=-1).reshape(side, -1, 3)
    right = half[:, : side // 2].flip(1) * half.new_tensor([-1.0, 1.0, 1.0])
    normal = torch.cat([half, right], 1).reshape(-1, 3)
    across = F.normalize(torch.linalg.cross(normal.new_tensor([[0.0, 1.0, 0.0]]), normal), dim=-1)
    return torch.stack([normal, across, torch.linalg.cross(normal, across)], -1).reshape(
        *positions.shape, 3
    )
