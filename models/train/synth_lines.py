"""Wrinkles: where the lines of a face run, as curves seen from the front in millimetres.

Each set of lines is [B,S,n,2] points (x, y) with a depth [B,S,n] in mm; a line's width decides
which of three buffers it is drawn into. Depths are of a face aged 70; `Face.wear` scales them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.models.train.synth_anatomy import Anatomy
from fitme.models.train.synth_atlas import sample
from fitme.models.train.synth_parameters import Face
from fitme.models.train.synth_random import Stream
from fitme.models.train.synth_splat import bezier, blur, splat

WIDTHS = (0.40, 0.85, 2.0)  # mm, standard deviation of the groove: fine, medium, broad


@dataclass(frozen=True)
class Lines:
    points: Tensor  # [B,S,n,2] mm from the front
    depth: Tensor  # [B,S,n] mm
    width: int  # index into WIDTHS


def _ends(count: int, device: torch.device, power: float = 0.6) -> Tensor:
    """[n] that fades a line in and out."""
    t = (torch.arange(count, device=device) + 0.5) / count
    return torch.sin(math.pi * t) ** power


class LineSet:
    """Collects the lines of B faces. `n` points per line follow the resolution."""

    def __init__(self, face: Face, anatomy: Anatomy, stream: Stream) -> None:
        self.face, self.p, self.stream = face, anatomy.points, stream
        self.anatomy, self.device = anatomy, anatomy.atlas.xyz.device
        self.step = max(0.5 * anatomy.atlas.mean_texel_mm(), 0.12)
        self.found: list[Lines] = []

    def points_for(self, length_mm: float) -> int:
        return min(max(6, math.ceil(length_mm / self.step)), 700)

    def curve(
        self, start: Tensor, control: Tensor, end: Tensor, depth: Tensor, width: int, length: float
    ) -> None:
        """Quadratic curves between [B,S,2] points with depth [B,S]."""
        count = self.points_for(length)
        points, _ = bezier(start, control, end, count)
        self.add(points, depth[..., None] * _ends(count, self.device), width)

    def add(self, points: Tensor, depth: Tensor, width: int) -> None:
        wobble = self.stream.normal(f"line.{len(self.found)}", points.shape[1], 2, 3)
        t = torch.linspace(0, 1, points.shape[2], device=self.device)
        phase = t * torch.tensor([[5.0], [11.0], [23.0]], device=self.device)  # [3,n]
        waves = torch.sin(phase + 6 * wobble[:, :, 0, :, None]) * wobble[:, :, 1, :, None]
        size = torch.tensor([0.55, 0.28, 0.13], device=self.device)[:, None]
        shift = (waves * size).sum(2)  # [B,S,n]
        along = points[:, :, 1:] - points[:, :, :-1]
        along = torch.cat([along, along[:, :, -1:]], 2)
        across = torch.stack([-along[..., 1], along[..., 0]], -1)
        across = across / across.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        # Real lines are broken: their depth comes and goes.
        broken = (1 + 0.45 * torch.sin(phase[1] * 1.7 + 9 * wobble[:, :, 0, 1, None])).clamp_min(0)
        self.found.append(Lines(points + across * shift[..., None], depth * broken, width))

    def per_side(self, values: Tensor) -> Tensor:
        """Mirror the x of [B,2S,...,2] points of which the second half belongs to -X."""
        half = values.shape[1] // 2
        sign = torch.ones(values.shape[1], device=self.device)
        sign[half:] = -1
        flip = torch.stack([sign, torch.ones_like(sign)], -1)
        return values * flip.view(1, -1, *([1] * (values.ndim - 3)), 2)

    def amount(self, name: str, spread: float = 0.5) -> Tensor:
        return (self.face.wear * self.face.scale(name, spread))[:, None]


def face_lines(face: Face, anatomy: Anatomy, stream: Stream) -> list[Lines]:
    """All lines of the faces."""
    lines = LineSet(face, anatomy, stream)
    forehead(lines)
    frown(lines)
    around_eyes(lines)
    around_mouth(lines)
    _neck(lines)
    _lips(lines)
    return lines.found


def pair(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([x, y], -1)


def forehead(s: LineSet) -> None:
    count = 6
    u = s.stream.uniform("forehead", count, 6)
    top = s.p.brow[0] + 11
    row = torch.arange(count, device=s.device)
    y = top + row * 6.2 + 3.0 * (u[..., 0] - 0.5) * 2
    left, right = -46 + 22 * u[..., 1], 46 - 22 * u[..., 2]
    lift = 3.5 * (u[..., 3] - 0.25)
    depth = 0.26 * s.amount("forehead_lines", 0.6) * (0.35 + u[..., 4]) * (1 - 0.09 * row)
    depth = depth * (u[..., 5] > 0.12)
    start, end = pair(left, y + 2), pair(right, y + 2 + u[..., 0])
    middle = pair((left + right) / 2, y + lift)
    s.curve(start, middle, end, depth, 1, 80)
    s.curve(start, middle, end, 0.5 * depth, 2, 80)
    fine = s.stream.uniform("forehead.fine", 12, 4)
    y = top - 4 + fine[..., 0] * 42
    x = -34 + 68 * fine[..., 1]
    half = 5 + 10 * fine[..., 2]
    depth = 0.07 * s.amount("forehead_lines") * (0.3 + fine[..., 3])
    s.curve(pair(x - half, y), pair(x, y + 1), pair(x + half, y), depth, 0, 26)


def frown(s: LineSet) -> None:
    u = s.stream.uniform("frown", 4, 4)
    x = 5.0 + 3.5 * u[..., 0] + s.p.mouth.new_tensor([0.0, 4.0, 0.0, 4.0])
    y = s.p.eye_inner[1] + 10 + 5 * u[..., 1]
    depth = s.p.mouth.new_tensor([0.30, 0.10, 0.30, 0.10]) * (0.3 + u[..., 2])
    depth = depth * s.amount("frown_lines", 0.7)
    start = s.per_side(pair(x - 0.5, y))
    middle = s.per_side(pair(x - 0.6, y + 7))
    end = s.per_side(pair(x + 1.5, y + 13 + 5 * u[..., 3]))
    s.curve(start, middle, end, depth, 1, 18)
    v = s.stream.uniform("procerus", 2, 3)
    y = s.p.eye_inner[1] + 3 + 5 * torch.arange(2, device=s.device) + 2 * v[..., 0]
    half = 6 + 3 * v[..., 1]
    depth = 0.13 * s.amount("frown_lines", 0.7) * (0.3 + v[..., 2])
    s.curve(pair(-half, y), pair(0 * y, y + 1.5), pair(half, y), depth, 1, 18)


def around_eyes(s: LineSet) -> None:
    count = 7
    u = s.stream.uniform("crow", 2 * count, 5)
    fan = torch.linspace(0.75, -0.85, count, device=s.device).repeat(2)
    angle = fan + 0.16 * (u[..., 0] - 0.5)
    length = 8 + 12 * u[..., 1]
    near = 4.5 + 4 * u[..., 2]
    corner = s.p.eye_outer
    c, sn = angle.cos(), angle.sin()

    def at(r: Tensor, drop: float) -> Tensor:
        x, y = corner[0] + c * r * 0.85, corner[1] - 1 + sn * r - drop * r**2 / 40
        return s.per_side(pair(x, y))

    depth = 0.17 * s.amount("crows_feet", 0.6) * (0.25 + u[..., 3])
    s.curve(at(near, 0.3), at(near + length * 0.5, 0.3), at(near + length, 0.5), depth, 1, 20)
    # Under the eye: arcs that follow the lower margin, further and further from it.
    rows = 5
    v = s.stream.uniform("pouch", 2 * rows, 5)
    row = torch.arange(rows, device=s.device).repeat(2)
    inner, outer = s.p.eye_inner, s.p.eye_outer
    drop = 5.0 + 3.0 * row + 1.5 * v[..., 0]
    x0 = torch.lerp(inner[0], outer[0], -0.02 + 0.35 * v[..., 1])
    x1 = torch.lerp(inner[0], outer[0], 0.75 + 0.35 * v[..., 2])
    base = (inner[1] + outer[1]) / 2
    start = s.per_side(pair(x0, base - 1.5 - 0.75 * drop))
    middle = s.per_side(pair((x0 + x1) / 2 - 1, base - 7 - 1.15 * drop))
    end = s.per_side(pair(x1, base - 3 - 0.55 * drop))
    depth = 0.13 * s.amount("under_eye_lines") * (0.3 + v[..., 3])
    s.curve(start, middle, end, depth, 0, 24)
    one = s.stream.uniform("bag", 2, 1)
    depth = 0.34 * (0.10 + s.amount("under_eye_lines", 0.6)) * (0.6 + 0.5 * one[..., 0])
    low = s.per_side(pair(inner[0].expand(1, 2) + 0.5, base.expand(1, 2) - 5.5))
    mid = s.per_side(pair(inner[0].expand(1, 2) + 8, base.expand(1, 2) - 17.5))
    far = s.per_side(pair(outer[0].expand(1, 2) - 5, base.expand(1, 2) - 15.5))
    batch = depth.shape[0]
    low, mid, far = (end.expand(batch, -1, -1) for end in (low, mid, far))
    s.curve(low, mid, far, depth, 2, 30)


def around_mouth(s: LineSet) -> None:
    wing, corner = s.p.nose_wing, s.p.mouth_corner
    u = s.stream.uniform("fold", 2, 4)
    zero = torch.zeros_like(u[..., 0])
    start = s.per_side(pair(zero + wing[0] + 1.5, zero + wing[1] + 4))
    middle = s.per_side(pair(corner[0] + 6 + 3 * u[..., 0], zero + wing[1] - 8))
    end = s.per_side(pair(corner[0] + 8.5 + 3 * u[..., 1], corner[1] - 1 - 8 * u[..., 2]))
    amount = s.amount("nasolabial", 0.5)
    s.curve(start, middle, end, (0.06 + 0.55 * amount) * (0.8 + 0.4 * u[..., 3]), 2, 48)
    s.curve(start, middle, end, 0.30 * amount.clamp_max(2) ** 1.3 * (0.6 + 0.6 * u[..., 0]), 1, 48)
    v = s.stream.uniform("marionette", 2, 3)
    start = s.per_side(pair(zero + corner[0] + 1.5, zero + corner[1] - 2))
    middle = s.per_side(pair(zero + corner[0] + 4.5, zero + corner[1] - 10))
    end = s.per_side(pair(corner[0] + 2 + 4 * v[..., 0], corner[1] - 18 - 6 * v[..., 1]))
    s.curve(start, middle, end, 0.42 * s.amount("mouth_lines") * (0.3 + v[..., 2]), 2, 26)
    s.curve(start, middle, end, 0.16 * s.amount("mouth_lines") * (0.3 + v[..., 0]), 1, 26)
    # Upright lines around the lips.
    for name, count, y0, step in (("above", 15, 9.0, 1.0), ("below", 11, -11.0, -1.0)):
        w = s.stream.uniform("lip." + name, count, 4)
        x = torch.linspace(-20, 20, count, device=s.device) + 3 * (w[..., 0] - 0.5)
        fall = 0.010 * x.square()
        begin = s.p.mouth[1] + y0 - step * fall * 0.8
        reach = step * (3.5 + 5 * w[..., 1])
        depth = 0.065 * s.amount("mouth_lines", 0.7) ** 1.3 * w[..., 2] * (x.abs() > 2.5)
        top = pair(x * 1.12, begin + reach)
        s.curve(pair(x, begin), pair(x * 1.04, begin + reach / 2), top, depth, 0, 9)


def _neck(s: LineSet) -> None:
    count = 4
    u = s.stream.uniform("neck", count, 4)
    row = torch.arange(count, device=s.device)
    y = s.p.chin[1] - 36 - 10 * row + 4 * (u[..., 0] - 0.5)
    left, right = -38 + 22 * u[..., 1], 38 - 22 * u[..., 2]
    depth = (0.09 + 0.30 * s.amount("neck_lines")) * (0.2 + u[..., 3])
    s.curve(pair(left, y + 4), pair((left + right) / 2, y - 4), pair(right, y + 4), depth, 1, 80)


def _lips(s: LineSet) -> None:
    """The furrows of the vermilion, fanning out from the middle."""
    count = 44
    # Starting at the lip line itself would catch what lies between the lips.
    for name, near, reach in (("upper", 0.7, 8.2), ("lower", -2.4, -8.8)):
        u = s.stream.uniform("furrow." + name, count, 4)
        x = torch.linspace(-21, 21, count, device=s.device) + 1.4 * (u[..., 0] - 0.5)
        fall = (1 - (x / 25).square()).clamp_min(0.1)
        begin = s.p.mouth[1] + near + 0 * x
        far = begin + reach * fall * (0.55 + 0.4 * u[..., 1])
        depth = 0.055 * (s.face.scale("lip_lines", 0.4) * (0.8 + 0.7 * s.face["age"]))[:, None]
        depth = depth * (0.3 + 1.1 * u[..., 2])
        lean = x * (1 + 0.10 * (1 + u[..., 3]))
        middle = pair((x + lean) / 2, (begin + far) / 2)
        s.curve(pair(x, begin), middle, pair(lean, far), depth, 0, 9)


def draw_lines(lines: list[Lines], anatomy: Anatomy) -> tuple[Tensor, Tensor]:
    """Height in mm (grooves below zero, with the slight ridge beside a groove) and groove depth
    in mm, both [B,R,R]."""
    atlas = anatomy.atlas
    texel = atlas.mean_texel_mm()
    height, groove = None, None
    for index, width in enumerate(WIDTHS):
        chosen = [line for line in lines if line.width == index]
        if not chosen:
            continue
        uv, mass = [], []
        for line in chosen:
            at = atlas.front_uv(line.points)
            gap = (at[:, :, 1:] - at[:, :, :-1]).norm(dim=-1) * atlas.resolution
            gap = torch.cat([gap, gap[:, :, -1:]], 2).clamp_max(4.0)
            local = sample(atlas.texel_mm[..., None], at)[..., 0]
            uv.append(at.flatten(1, 2))
            mass.append((line.depth * gap * texel / local).flatten(1, 2))
        points, weight = torch.cat(uv, 1), torch.cat(mass, 1)
        drawn = splat(points, torch.full_like(weight, 0.35), weight[..., None], atlas.resolution)
        # A line of unit mass per texel blurred by s has the peak 1 / (sqrt(2 pi) s).
        sigma = width / texel
        valley = blur(drawn[..., 0], sigma) * (math.sqrt(2 * math.pi) * sigma)
        ridge = blur(drawn[..., 0], 2.3 * sigma) * (math.sqrt(2 * math.pi) * sigma)
        part = -valley + 0.8 * ridge
        height = part if height is None else height + part
        groove = valley if groove is None else groove + valley
    assert height is not None and groove is not None
    fade = 1 - smoothstep(0.3, 0.9, anatomy.regions["nostrils"])
    return height * fade, groove * fade
