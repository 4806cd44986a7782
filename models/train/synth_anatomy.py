"""Where the features of a face are on the atlas: lids, lips, brows, beard, and soft regions.

All positions are millimetres on the neutral mean head, with |x| so that left and right share one
description. What differs between people (asymmetry included) comes from the synthesizer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel
from fitme.models.train.synth_atlas import (
    FINEST_SHARED,
    Atlas,
    average,
    build_atlas,
    fill,
    sample,
)
from fitme.models.train.synth_landmarks import (
    Landmarks,
    find_landmarks,
    lid_margins,
)
from fitme.models.train.synth_splat import blur

HEAD_AXIS = 10.0  # mm: z about which the hairline's azimuths turn
FOREHEAD = 50.0  # mm from the brows up to the hairline
#: azimuth in degrees from the face's middle; height, 0 that of the ears, 1 the forehead's middle
HAIRLINE = (
    (0, 1.0), (14, 1.01), (28, 1.02), (40, 0.93), (50, 0.76), (58, 0.56), (64, 0.36), (70, 0.12),
    (75, -0.10), (80, -0.17), (90, -0.15), (115, -0.15), (125, -0.30), (140, -0.65), (180, -0.76),
)  # fmt: skip
EAR = (34.0, 25.0)  # mm: half its height and length, and the bare skin around it
CORNER = (34.0, 13.0)  # azimuth and width of the corners of the forehead, degrees


@dataclass(frozen=True)
class Anatomy:
    """Fields [R,R] of an atlas; names of `regions` are in `build_anatomy`."""

    atlas: Atlas
    points: Landmarks
    margins: Tensor  # [2 eyes, 2 (upper, lower), LID_POINTS, 5] x, y, z (mm), u, v, inner first
    lid_distance: Tensor  # mm outwards from the visible lid margin, negative on the inside
    lid_upper: Tensor  # 1 above the eye, 0 below
    lid_along: Tensor  # 0 at the inner corner, 1 at the outer
    lip: Tensor  # about mm inwards from the vermilion border, near it
    lip_upper: Tensor  # 1 on the upper lip
    beard: Tensor  # [R,R,4]: where moustache, chin, cheek and neck hair can grow
    hair: Tensor  # about mm behind the hairline of a young person, negative in front of it
    temple: Tensor  # 0..1, most at the corners of the forehead, where hair recedes
    regions: dict[str, Tensor]

    def reduced(self, resolution: int) -> Anatomy:
        """The same on a smaller atlas: averages of texels."""
        if resolution == self.atlas.resolution:
            return self
        fields = {
            name: average(value, resolution) for name, value in vars(self).items()
            if isinstance(value, Tensor) and name != "margins"
        }  # fmt: skip
        fields["regions"] = {k: average(v, resolution) for k, v in self.regions.items()}
        return replace(self, atlas=self.atlas.reduced(resolution), **fields)

    def to(self, device: torch.device | str) -> Anatomy:
        moved = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        regions = {k: v.to(device) for k, v in self.regions.items()}
        points = self.points.to(device)
        return replace(self, atlas=self.atlas.to(device), points=points, regions=regions, **moved)


def bump(xyz: Tensor, centre: Tensor, radii: tuple[float, float, float]) -> Tensor:
    """Gaussian of (|x|, y, z) about `centre` [3] with standard deviations `radii` in mm."""
    place = torch.cat([xyz[..., :1].abs(), xyz[..., 1:]], -1)
    return torch.exp(-0.5 * ((place - centre) / place.new_tensor(radii)).square().sum(-1))


def build_anatomy(head: HeadModel, resolution: int) -> Anatomy:
    """Find the features of `head` on an atlas of R x R texels. Runs on the CPU."""
    atlas = build_atlas(head, max(resolution, FINEST_SHARED))
    margins = lid_margins(head)
    points = find_landmarks(head, margins)
    lid_distance, lid_upper, lid_along = _lids(atlas, margins, points)
    texel = atlas.mean_texel_mm()
    lip = _lip_distance(atlas, texel)
    soft = {name: blur(_filled(atlas, name)[None], 2.5 / texel)[0] for name in atlas.regions}
    soft["scalp"] = blur(soft["scalp"][None], 6.0 / texel)[0]
    regions = _regions(atlas, points, soft, lid_distance, lid_upper, lid_along)
    inside = torch.maximum(regions["nostrils"], smoothstep(0.5, 2.0, lip))
    beard = _beard(atlas, points, lip) * (1 - inside)[..., None]
    beard = beard * (1 - smoothstep(0.2, 0.7, soft["ears"]))[..., None]
    fine = Anatomy(
        atlas, points, margins, lid_distance, lid_upper, lid_along, lip, _lip_upper(atlas),
        beard, *_hairline(atlas, points), regions,
    )  # fmt: skip
    return fine.reduced(resolution)


def _filled(atlas: Atlas, name: str) -> Tensor:
    """A region mask that runs on into the holes of the atlas."""
    return fill(atlas.regions[name][..., None], atlas.inside)[..., 0]


def _lip_distance(atlas: Atlas, texel_mm: float) -> Tensor:
    """Signed distance [R,R] in mm from the vermilion border, positive on the lips.

    The region mask is a set of vertices with a ragged edge. Its outline is star-shaped seen from
    the middle of the mouth in the atlas: read it as a radius per angle and smooth that.
    """
    mask = blur(_filled(atlas, "lips")[None], 0.8 / texel_mm)[0]
    size, angles = atlas.resolution, 360
    middle = atlas.rims[2][:, 3:].mean(0)
    theta = torch.arange(angles) * (2 * math.pi / angles)
    rays = torch.stack([theta.cos(), theta.sin()], -1)
    radii = torch.arange(0.5, 0.2 * size, 0.25) / size
    along = sample(mask[..., None], middle + rays[:, None] * radii[:, None])[..., 0]
    beyond = (along < 0.5) & (along.roll(1, 1) >= 0.5)
    radius = radii[beyond.int().argmax(1)]
    kernel = torch.exp(-0.5 * (torch.arange(-9, 10) / 3.0) ** 2)
    wide = F.pad(radius[None, None], (9, 9), mode="circular")
    radius = F.conv1d(wide, (kernel / kernel.sum())[None, None])[0, 0]
    border = sample(atlas.xyz, middle + rays * radius[:, None])
    texels = (torch.arange(size) + 0.5) / size
    offset = torch.stack(torch.meshgrid(texels, texels, indexing="xy"), -1) - middle
    turn = torch.atan2(offset[..., 1], offset[..., 0]) / (2 * math.pi) % 1 * angles
    low, share = turn.long() % angles, turn % 1
    limit = torch.lerp(radius[low], radius[(low + 1) % angles], share)
    distance = torch.full((size, size), 30.0)
    near = offset.norm(dim=-1) < 0.14
    dense = F.interpolate(
        F.pad(border.mT[None], (0, 1), mode="circular"), scale_factor=2, mode="linear"
    )[0].mT
    parts = [torch.cdist(part, dense).amin(1) for part in atlas.xyz[near].split(16384)]
    distance[near] = torch.cat(parts).clamp_max(30.0)
    return distance * torch.sign(limit - offset.norm(dim=-1))


def _lids(atlas: Atlas, margins: Tensor, points: Landmarks) -> tuple[Tensor, Tensor, Tensor]:
    """Signed distance from the visible margin, upper weight, position along, [R,R] each."""
    xyz = atlas.xyz
    distance = torch.full(xyz.shape[:2], 40.0)
    texels = (torch.arange(atlas.resolution) + 0.5) / atlas.resolution
    uv = torch.stack(torch.meshgrid(texels, texels, indexing="xy"), -1)
    for side, rim in enumerate(atlas.rims[:2]):
        edge, edge_uv = margins[side].reshape(-1, 5).split((3, 2), -1)
        sign = 1.0 if side == 0 else -1.0
        near = ((xyz - edge.mean(0)).norm(dim=-1) < 40) & (xyz[..., 0] * sign > 0)
        # Which side of the margin is read in the atlas, where the lid's fold is spread out.
        depth = torch.cdist(edge_uv, rim[:, 3:]).amin(1)  # the mesh runs on behind the margin
        which = torch.cdist(uv[near], edge_uv).argmin(1)
        away = torch.cdist(xyz[near], edge).amin(1)
        behind = (torch.cdist(uv[near], rim[:, 3:]).amin(1) < depth[which]) & (away < 15)
        distance[near] = torch.where(behind, -away, away)
    x, y = xyz[..., 0].abs(), xyz[..., 1]
    along = (x - points.eye_inner[0]) / (points.eye_outer[0] - points.eye_inner[0])
    line = torch.lerp(points.eye_inner[1], points.eye_outer[1], along)
    return distance, torch.sigmoid((y - line) / 0.8), along


def _lip_upper(atlas: Atlas) -> Tensor:
    """1 above the lip line, from the height of the open border of the mouth."""
    rim = atlas.rims[2]
    order = rim[:, 0].argsort()
    x, v = rim[order, 0], rim[order, 4]
    coefficients = torch.stack([x**k for k in (0, 2, 4)], 1).double()
    fit = torch.linalg.lstsq(coefficients, v[:, None].double()).solution[:, 0].float()
    at = atlas.xyz[..., 0].clamp(-30, 30)
    line = sum(fit[i] * at**k for i, k in enumerate((0, 2, 4)))
    size = atlas.resolution
    v_here = (torch.arange(size) + 0.5)[:, None] / size
    return torch.sigmoid((line - v_here) * 1024 / 2.0)


def _regions(
    atlas: Atlas, points: Landmarks, soft: dict[str, Tensor],
    lid_distance: Tensor, lid_upper: Tensor, lid_along: Tensor,
) -> dict[str, Tensor]:  # fmt: skip
    """Soft regions in 0..1 that colour, gloss and marks refer to."""
    xyz = atlas.xyz
    p = points
    x, y, z = xyz[..., 0].abs(), xyz[..., 1], xyz[..., 2]
    offset = xyz.new_tensor
    cheek = offset([p.eye_outer[0] * 0.93, p.nose_wing[1] + 4, p.eye_outer[2] + 2])
    brow_line = sum(p.brow[k] * x.clamp_max(float(p.brow_span[1])) ** k for k in range(4))
    front = smoothstep(20.0, 60.0, z)
    near_lid = smoothstep(-2.0, 0.5, lid_distance)
    trough = smoothstep(24.0, 5.0, lid_distance) * near_lid * (1 - lid_upper)
    regions = {
        "cheek": bump(xyz, cheek, (15.0, 15.0, 26.0)),
        "nose_tip": bump(xyz, p.nose_tip + offset([0.0, 1.0, 0.0]), (11.0, 10.0, 13.0)),
        "nose_wing": bump(xyz, p.nose_wing + offset([-3.0, 0.0, 2.0]), (7.0, 8.0, 12.0)),
        "nose": soft["nose"],
        "nostrils": soft["nostrils"],
        "ears": soft["ears"],
        "neck": soft["neck"],
        "scalp": soft["scalp"],
        "forehead": smoothstep(0.0, 20.0, y - brow_line)
        * smoothstep(0.9, 0.0, soft["scalp"])
        * front,
        "chin": bump(xyz, p.chin, (20.0, 15.0, 20.0)),
        "perioral": bump(xyz, p.mouth, (26.0, 18.0, 22.0)),
        "temple": bump(xyz, offset([p.eye_outer[0] + 20, p.eye_outer[1] + 16, 55.0]), (13, 18, 22)),
        "upper_lid": smoothstep(13.0, 5.0, lid_distance) * near_lid * lid_upper,
        "under_eye": trough * smoothstep(1.25, 0.35, lid_along) * smoothstep(-0.35, 0.1, lid_along),
        "eye_corner": bump(xyz, p.eye_inner + offset([-1.5, -0.5, 0.0]), (3.0, 3.0, 6.0)),
        "front": front,
        "face": soft["face"],
    }
    return regions


def _hairline(atlas: Atlas, p: Landmarks) -> tuple[Tensor, Tensor]:
    """`Anatomy.hair` and `Anatomy.temple`: a height for each azimuth about the head's axis, over
    the forehead, around its corners, down in front of the ear, behind it and across the nape."""
    x, y, z = atlas.xyz.unbind(-1)
    z = z - HEAD_AXIS
    angle = torch.rad2deg(torch.atan2(x.abs(), z))
    turn = torch.linspace(0, 180, 361)
    degrees, share = np.array(HAIRLINE).T
    curve = torch.from_numpy(PchipInterpolator(degrees, share)(turn.numpy())).float()
    curve = p.ear[1] + curve * (p.brow[0] + FOREHEAD - p.ear[1])  # mm
    at = (angle * 2).clamp(0, 359.99)
    low, part = at.long(), at % 1
    line = torch.lerp(curve[low], curve[low + 1], part)
    # Where the line falls steeply a height is not a distance.
    radius = (x.square() + z.square()).sqrt()
    slope = (curve[low + 1] - curve[low]) / (math.radians(0.5) * radius.clamp_min(20.0))
    hair = (y - line) / (1 + slope.square()).sqrt()
    offset = (atlas.xyz[..., 1:] - p.ear[1:]) / hair.new_tensor(EAR)
    beside = (offset.norm(dim=-1) - 1) * EAR[1]  # about mm outwards from the ear's outline
    corner, width = CORNER
    temple = torch.exp(-0.5 * ((angle - corner) / width).square())
    return torch.minimum(hair, 2 * beside), temple


def _beard(atlas: Atlas, p: Landmarks, lip: Tensor) -> Tensor:
    """Growth [R,R,4] in 0..1 of moustache, chin, cheek (with jaw and sideburn) and neck; soft,
    to be sharpened with noise into a person's own line."""
    x, y, z = atlas.xyz[..., 0].abs(), atlas.xyz[..., 1], atlas.xyz[..., 2]
    lip_top = p.mouth[1] + 8
    below_nose = smoothstep(0.0, -5.0, y - p.nose_base[1] - 0.12 * x)
    moustache = (
        below_nose * smoothstep(-6.0, 2.0, y - p.mouth[1] + 2)
        * smoothstep(p.mouth_corner[0] + 10, p.mouth_corner[0] - 3, x + 0.4 * (y - lip_top))
        * (1 - 0.35 * torch.exp(-0.5 * (x / 3.0) ** 2)) * smoothstep(70.0, 85.0, z)
    )  # fmt: skip
    # From the sideburn in front of the ear (z about 15) down to the corner of the mouth.
    back = ((95 - z) / 80).clamp(0, 1)
    line = p.mouth[1] + 4 + back * 30 + back**3 * 26
    side_front = smoothstep(p.ear[2] + 6, p.ear[2] + 24, z)
    jaw_low = p.chin[1] - 14 + back * 26
    under = smoothstep(14.0, -6.0, jaw_low - y)
    beside = smoothstep(p.mouth_corner[0] - 8, p.mouth_corner[0] + 8, x)
    above_chin = smoothstep(p.mouth[1] - 8, p.mouth[1] - 20, y)
    cheek = smoothstep(9.0, -11.0, y - line) * side_front * torch.maximum(beside, above_chin)
    chin = (
        smoothstep(34.0, 14.0, x) * smoothstep(p.mouth[1] - 5, p.mouth[1] - 13, y)
        * smoothstep(55.0, 75.0, z)
    )  # fmt: skip
    sparse = bump(atlas.xyz, p.mouth + y.new_tensor([12.0, -15.0, -4.0]), (6.0, 4.0, 20.0))
    neck_low = p.chin[1] - 40 + back * 20
    neck = (1 - under) * smoothstep(-6.0, 14.0, y - neck_low) * side_front
    growth = torch.stack([moustache, chin * under * (1 - 0.65 * sparse), cheek * under, neck], -1)
    return growth * smoothstep(0.2, -0.9, lip)[..., None]
