"""The head's texture atlas as fields: where on the head, in millimetres, each texel lies.

Everything the synthesizer draws is sized and placed with these fields, so it follows the anatomy
of the neutral mean head and not the distortion of the atlas. Only the `HeadModel` API is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.render import get_backend

FINEST_SHARED = 512  # smaller atlases are averages of this one, so that they agree with it
FRONT_HALF_WIDTH, FRONT_HALF_HEIGHT, FRONT_STEP = 100.0, 150.0, 0.5  # mm


@dataclass(frozen=True)
class Atlas:
    """Fields over an R x R atlas, row 0 at v = 0. Outside the mesh all are extended smoothly."""

    resolution: int
    xyz: Tensor  # [R,R,3] mm on the neutral mean head; +X is the person's left
    normal: Tensor  # [R,R,3] of that head
    inside: Tensor  # [R,R] bool, a triangle of the head covers the texel
    regions: dict[str, Tensor]  # name -> [R,R] in 0..1
    slope: Tensor  # [R,R,3] turns height differences per texel into slopes, see `normals_of`
    uv_per_mm: Tensor  # [R,R,2,3] how u and v change along a direction on the surface, 1/mm
    texel_mm: Tensor  # [R,R] side of a texel
    front: Tensor  # [h,w,2] uv seen from the front at x = -100..100 mm, y = 150..-150 mm
    rims: tuple[Tensor, Tensor, Tensor]  # border loops [N,5] (x, y, z mm, u, v): eyes L R, mouth

    def to(self, device: torch.device | str) -> Atlas:
        moved: dict[str, Any] = {
            k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)
        }
        regions = {k: v.to(device) for k, v in self.regions.items()}
        left, right, mouth = (rim.to(device) for rim in self.rims)
        return replace(self, regions=regions, rims=(left, right, mouth), **moved)

    def reduced(self, resolution: int) -> Atlas:
        """The same on fewer texels, by averaging."""
        scale = self.resolution / resolution
        return replace(
            self, resolution=resolution, xyz=average(self.xyz, resolution),
            normal=F.normalize(average(self.normal, resolution), dim=-1),
            inside=average(self.inside, resolution) > 0.5,
            regions={k: average(v, resolution) for k, v in self.regions.items()},
            slope=average(self.slope, resolution) / scale,
            uv_per_mm=average(self.uv_per_mm, resolution),
            texel_mm=average(self.texel_mm, resolution) * scale,
        )  # fmt: skip

    def front_uv(self, xy: Tensor) -> Tensor:
        """uv [...,2] of the surface seen from the front at (x, y) [...,2] in mm."""
        x, y = xy.unbind(-1)
        at = torch.stack([x / (2 * FRONT_HALF_WIDTH) + 0.5, 0.5 - y / (2 * FRONT_HALF_HEIGHT)], -1)
        return sample(self.front, at)

    def step_uv(self, uv: Tensor, direction: Tensor) -> Tensor:
        """Change of uv [...,2] per mm along a 3D direction [...,3], projected onto the surface at
        uv [...,2] and brought to unit length there."""
        normal = F.normalize(sample(self.normal, uv), dim=-1)
        along = direction - (direction * normal).sum(-1, keepdim=True) * normal
        along = F.normalize(along, dim=-1)
        inverse = sample(self.uv_per_mm.flatten(2), uv).unflatten(-1, (2, 3))
        return (inverse * along[..., None, :]).sum(-1)

    def mean_texel_mm(self) -> float:
        """Typical side of a texel in the frontal face."""
        face = self.regions["face"] > 0.5
        return float(self.texel_mm[face].mean())


def sample(field: Tensor, uv: Tensor) -> Tensor:
    """field [H,W,C] at uv [...,2] -> [...,C], bilinear, clamped at the border."""
    flat = uv.reshape(1, 1, -1, 2) * 2 - 1
    image = field.permute(2, 0, 1)[None]
    out = F.grid_sample(image, flat, mode="bilinear", padding_mode="border", align_corners=False)
    return out[0, :, 0].mT.reshape(*uv.shape[:-1], field.shape[-1])


def fill(values: Tensor, known: Tensor) -> Tensor:
    """Extend [H,W,C] from texels where known [H,W] is true: average down, then up (push-pull)."""
    weight = known[None, None].to(values)
    image = values.permute(2, 0, 1)[None] * weight
    levels = [(image, weight)]
    while min(levels[-1][0].shape[-2:]) > 1 and float(levels[-1][1].min()) == 0:
        total = F.avg_pool2d(levels[-1][0] * levels[-1][1].gt(0), 2, ceil_mode=True)
        count = F.avg_pool2d(levels[-1][1], 2, ceil_mode=True)
        levels.append((total / count.clamp_min(1e-12), count.gt(0).to(values)))
    below = levels[-1][0]
    for image, weight in reversed(levels[:-1]):
        size = (image.shape[-2], image.shape[-1])
        below = F.interpolate(below, size=size, mode="bilinear", align_corners=False)
        below = torch.where(weight > 0, image, below)
    return below[0].permute(1, 2, 0)


def average(field: Tensor, resolution: int) -> Tensor:
    """[R,R] or [R,R,...] averaged down to `resolution`."""
    flat = field.reshape(*field.shape[:2], -1).permute(2, 0, 1)[None].float()
    out = F.adaptive_avg_pool2d(flat, resolution)[0].permute(1, 2, 0)
    return out.reshape(resolution, resolution, *field.shape[2:])


def build_atlas(head: HeadModel, resolution: int) -> Atlas:
    """Rasterise the part "head" of a model into its own UV tile. Runs on the CPU."""
    head = head.to("cpu")
    chosen = head.part == head.part_names.index("head")
    triangles, uv_triangles = head.triangles[chosen].int(), head.uv_triangles[chosen].int()
    names = sorted(head.regions)
    masks = torch.stack([head.regions[name] for name in names], 1)
    points = head.mean * 1000
    normals = get_backend("cpu").vertex_normals(head.mean[None], triangles)[0]
    attributes = torch.cat([points, normals, masks], 1)
    flat = torch.cat([head.uv * 2 - 1, torch.tensor([[0.0, 1.0]]).expand(len(head.uv), 2)], 1)
    size = (resolution, resolution)
    values, inside = rasterize(flat, uv_triangles, attributes, triangles, size)
    values = fill(values, inside)
    xyz, normal = values[..., :3], F.normalize(values[..., 3:6], dim=-1)
    regions = {name: values[..., 6 + i].contiguous() for i, name in enumerate(names)}
    return Atlas(
        resolution, xyz, normal, inside, regions, *_metric(xyz, normal),
        _front_view(head, points, triangles, uv_triangles), _rims(head, triangles, uv_triangles),
    )  # fmt: skip


def rasterize(
    clip: Tensor, cover: Tensor, attributes: Tensor, triangles: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Draw triangles `cover` of clip [V,4]; attributes [A,C] are indexed by `triangles`."""
    ops = get_backend("cpu")
    rast, _ = ops.rasterize(clip[None], cover, size)
    values, _ = ops.interpolate(attributes[None], rast, triangles)
    return values[0], rast[0, ..., 3] > 0


def _metric(xyz: Tensor, normal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """From the first fundamental form E, F, G of xyz [R,R,3] per texel: `slope`, `uv_per_mm` and
    the side of a texel."""
    size = xyz.shape[0]
    image = xyz.permute(2, 0, 1)[None]
    # A light blur: interpolation inside triangles makes the derivative jump at their edges.
    image = F.avg_pool2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")[0].permute(1, 2, 0)
    count = torch.full((size,), 2.0)
    count[0] = count[-1] = 1.0
    along_u = (padded[1:-1, 2:] - padded[1:-1, :-2]) / count[None, :, None]
    along_v = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / count[:, None, None]
    along_u = along_u - (along_u * normal).sum(-1, keepdim=True) * normal
    along_v = along_v - (along_v * normal).sum(-1, keepdim=True) * normal
    floor = 0.02 * 512 / size  # mm; keeps degenerate texels (at the seam's corners) finite
    e = (along_u * along_u).sum(-1).clamp_min(floor**2)
    f = (along_u * along_v).sum(-1)
    g = (along_v * along_v).sum(-1).clamp_min(floor**2)
    det = (e * g - f * f).clamp_min(floor**4)
    root = e.sqrt() * det.sqrt()
    slope = torch.stack([e.rsqrt(), f / root, -e / root], -1)
    row_u = (g[..., None] * along_u - f[..., None] * along_v) / det[..., None]
    row_v = (e[..., None] * along_v - f[..., None] * along_u) / det[..., None]
    return slope, torch.stack([row_u, row_v], -2) / size, det**0.25


def normals_of(height: Tensor, atlas: Atlas) -> Tensor:
    """Tangent-space normals [B,R,R,3] (unit, OpenGL Y+: green grows towards smaller v, which is
    up in the image) of a height field [B,R,R] in mm over the neutral head.

    With h_u, h_v the differences per texel and E, F, G the metric, the surface gradient has the
    component h_u / sqrt(E) along the tangent (growing u) and
    (F h_u - E h_v) / sqrt(E (EG - F^2)) along the bitangent (towards smaller v).
    """
    # Left and right border meet at the back of the head, but texel rows there do not run on
    # across the seam in the same direction: one-sided differences are right.
    rows = F.pad(height[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    h_u = (rows[:, 1:-1, 2:] - rows[:, 1:-1, :-2]) / 2
    h_v = (rows[:, 2:, 1:-1] - rows[:, :-2, 1:-1]) / 2
    du, cross, dv = atlas.slope.unbind(-1)
    x = h_u * du
    y = h_u * cross + h_v * dv
    return F.normalize(torch.stack([-x, -y, torch.ones_like(x)], -1), dim=-1)


def _front_view(head: HeadModel, points: Tensor, triangles: Tensor, uv_tri: Tensor) -> Tensor:
    """uv [h,w,2] of what an orthographic camera in front of the face sees."""
    x, y, z = points.unbind(-1)
    clip = torch.stack([x / FRONT_HALF_WIDTH, -y / FRONT_HALF_HEIGHT, -z / 300], -1)
    clip = torch.cat([clip, torch.ones_like(clip[:, :1])], -1)
    size = (int(2 * FRONT_HALF_HEIGHT / FRONT_STEP), int(2 * FRONT_HALF_WIDTH / FRONT_STEP))
    uv, seen = rasterize(clip, triangles, head.uv, uv_tri, size)
    return fill(uv, seen)


def _rims(head: HeadModel, triangles: Tensor, uv_tri: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The open borders of the head around the left eye, the right eye and the mouth."""
    tri = triangles.long()
    edges = torch.cat([tri[:, [0, 1]], tri[:, [1, 2]], tri[:, [2, 0]]])
    unique, count = edges.sort(1).values.unique(dim=0, return_counts=True)
    border = unique[count == 1]
    uv_of = torch.zeros(len(head.mean), 2)
    uv_of[tri.reshape(-1)] = head.uv[uv_tri.long().reshape(-1)]
    loops = _loops(border)
    found = []
    for part in ("eye_L", "eye_R", "mouth"):
        centre = head.mean[head.part_vertices(part)].mean(0)
        if part == "mouth":  # its own middle lies deep inside
            centre = head.mean[head.regions["lips"] > 0.5].mean(0)
        loop = min(loops, key=lambda index: float((head.mean[index].mean(0) - centre).norm()))
        found.append(torch.cat([head.mean[loop] * 1000, uv_of[loop]], 1))
    return found[0], found[1], found[2]


def _loops(border: Tensor) -> list[Tensor]:
    """Border edges [E,2] -> closed loops of vertex indices, in order."""
    neighbours: dict[int, list[int]] = {}
    for a, b in border.tolist():
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    left, loops = set(neighbours), []
    while left:
        start = min(left)
        loop, here = [], start
        while here in left:
            left.remove(here)
            loop.append(here)
            here = next((n for n in neighbours[here] if n in left), start)
        loops.append(torch.tensor(loop))
    return loops
