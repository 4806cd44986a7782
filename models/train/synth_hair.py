"""Brows, lashes, beards and the hair of the head, stroke by stroke.

Hair colour: that of a tuft by its pigments, as in `fitme.hair.color`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.hair.color import DEPTH, EUMELANIN, FLOOR, PHEOMELANIN
from fitme.head.curves import smoothstep
from fitme.models.train.synth_anatomy import Anatomy
from fitme.models.train.synth_atlas import Atlas, sample
from fitme.models.train.synth_parameters import Face
from fitme.models.train.synth_pool import Pool
from fitme.models.train.synth_random import SolidNoise, Stream, band
from fitme.models.train.synth_splat import strokes

BROW_HAIRS, LASHES = 680, (120, 70)  # per side; lashes of the upper and lower lid
BROW_WIDTH, LASH_WIDTH, BEARD_WIDTH = 0.10, 0.13, 0.12  # mm
PEAK = 1.7  # optical depth of one hair's middle


@dataclass(frozen=True)
class HairLayer:
    """Hair in front of the skin, [B,R,R]: optical depth, and brightness about 1."""

    depth: Tensor
    tone: Tensor

    @staticmethod
    def of(drawn: Tensor) -> HairLayer:
        """From `strokes` [B,R,R,2]."""
        return HairLayer(drawn[..., 0], drawn[..., 1] / drawn[..., 0].clamp_min(1e-4))

    def over(self, colour: Tensor, hair: Tensor) -> Tensor:
        """Lay hair of colour [B,3] over an albedo [B,R,R,3]."""
        cover = 1 - torch.exp(-self.depth)[..., None]
        tone = self.tone.clamp(0.3, 2.5)[..., None]
        return torch.lerp(colour, (hair[:, None, None] * tone).clamp(0.004, 0.6), cover)


def hair_colour(face: Face, lighter: float = 0.0) -> Tensor:
    """Albedo [B,3] of a tuft; `lighter` 0..1 for hair that is fairer than the brows."""
    tone = face["tone"]
    # Fair hair and red hair come with light skin.
    dark = torch.lerp(torch.ones_like(tone), face["hair_dark"], smoothstep(0.45, 0.85, tone))
    red = face.amount("hair_red", 0.55) * smoothstep(0.55, 0.85, tone)
    eumelanin = 0.35 + 9.0 * (dark * (1 - 0.25 * lighter)) ** 2.2 * (1 - 0.6 * red)
    pheomelanin = 0.15 + 1.6 * red + 0.25 * dark
    dark_sigma, red_sigma = tone.new_tensor(EUMELANIN), tone.new_tensor(PHEOMELANIN)
    sigma = eumelanin[:, None] * dark_sigma + pheomelanin[:, None] * red_sigma
    colour = torch.exp(-DEPTH * sigma.sqrt()) + FLOOR
    grey = smoothstep(0.55, 1.05, face["age"] + 0.5 * (face["hair_grey"] - 0.5) + 0.1 * lighter)
    return torch.lerp(colour, tone.new_tensor([0.39, 0.375, 0.345]), 0.8 * grey[:, None])


def _lay(
    atlas: Atlas, start: Tensor, direction: Tensor, bend: Tensor, length: Tensor,
    width: float, depth: Tensor, tone: Tensor,
) -> HairLayer:  # fmt: skip
    """Hairs [B,N] from uv `start` [B,N,2] along 3D `direction` [B,N,3], turning by the 3D vector
    `bend` towards the tip; length in mm."""
    half = length[..., None] / 2
    control = start + atlas.step_uv(start, direction) * half
    end = control + atlas.step_uv(start, direction + bend) * half
    texel = sample(atlas.texel_mm[..., None], start)[..., 0]
    drawn = strokes(start, control, end, width / texel, depth, tone, atlas.resolution)
    return HairLayer.of(drawn)


def _both(values: Tensor) -> Tensor:
    """[B,2,N,...] -> [B,2N,...]."""
    return values.flatten(1, 2)


def brows(face: Face, anatomy: Anatomy, stream: Stream) -> HairLayer:
    """Two brows along the middle line of the region, each hair turned as real ones are: upwards
    at the nose, then outwards, the upper edge combed down onto the lower one."""
    p, atlas = anatomy.points, anatomy.atlas
    shape = (2, BROW_HAIRS)

    def per(name: str) -> Tensor:
        return face[name].view(-1, 1, 1)

    t = stream.uniform("brow.t", *shape) ** 0.92
    across = stream.normal("brow.s", *shape).clamp(-2.2, 2.2) * 0.52
    begin = p.brow_span[0] + 0.8 + 1.6 * per("brow_gap") - 1.5 * per("masculine")
    span = p.brow_span[1] - 3.5 + 2.6 * per("brow_length") - begin
    x = begin + span * t
    thick = p.brow_span[2] * face.scale("brow_thickness", 0.22) * (0.78 + 0.35 * face["masculine"])
    taper = (0.62 + 0.16 * face["brow_taper"]).clamp(0.2, 0.95).view(-1, 1, 1)
    profile = smoothstep(-0.25, 0.22, t) * (1 - taper * smoothstep(0.45, 1.05, t))
    line = sum(p.brow[k] * x.clamp_max(float(p.brow_span[1]) + 2) ** k for k in range(4))
    line = line - (x - p.brow_span[1] - 2).clamp_min(0) * 0.7
    side = torch.tensor([1.0, -1.0], device=x.device)
    arch = (0.9 * per("brow_arch") + 0.6 - 1.2 * per("masculine")) * torch.sin(2.6 * t**1.4)
    lift = 1.3 * per("brow_height") - 3.6 + 0.7 * per("brow_asymmetry") * side.view(1, 2, 1)
    tilt = (1.3 * per("brow_tilt")) * (t - 0.4)
    sag = -1.6 * per("age") * smoothstep(0.4, 1.0, t)
    y = line + arch + lift + tilt + sag + across * thick.view(-1, 1, 1) * profile
    slope = (-0.10 - 0.75 * smoothstep(0.5, 1.0, t)) + 0.06 * per("brow_tilt")
    rising = torch.deg2rad(66 * (1 - smoothstep(-0.05, 0.42, t)) + 14 * (1 - t))
    mess = (0.16 * face.scale("brow_mess", 0.45)).view(-1, 1, 1)
    angle = rising + 0.6 * slope - 0.34 * across * smoothstep(0.05, 0.3, t)
    angle = angle + mess * stream.normal("brow.angle", *shape)
    outward = side.view(1, 2, 1)

    def turned(a: Tensor) -> Tensor:
        return torch.stack([a.cos() * outward, a.sin(), torch.zeros_like(a)], -1)

    usual = 7.2 * face.scale("brow_hair_length", 0.18) * (0.9 + 0.2 * face["masculine"])
    ends = (0.55 + 0.45 * smoothstep(0.0, 0.25, t)) * (1 - 0.35 * smoothstep(0.6, 1.0, t))
    length = usual.view(-1, 1, 1) * ends
    length = length * (0.7 + 0.5 * stream.uniform("brow.length", *shape))
    density = torch.sigmoid(1.6 + 0.9 * face["brow_density"]).view(-1, 1, 1)
    keep = stream.uniform("brow.keep", *shape) < density * (1 - 0.35 * smoothstep(0.8, 1.0, t))
    fine = 0.6 + 0.6 * stream.uniform("brow.fine", *shape)
    tone = (0.25 * stream.normal("brow.tone", *shape)).exp()
    start = atlas.front_uv(torch.stack([x * outward, y], -1))
    return _lay(
        atlas, _both(start), _both(turned(angle)), _both(turned(angle - 0.5) - turned(angle)),
        _both(length), BROW_WIDTH, _both(PEAK * fine * keep), _both(tone),
    )  # fmt: skip


def lashes(face: Face, anatomy: Anatomy, stream: Stream) -> HairLayer:
    """Lashes painted on the lids from the visible margin outwards, and the dark line of their
    roots."""
    atlas, parts = anatomy.atlas, []
    density = torch.sigmoid(0.9 + 0.8 * face["lash_density"]).view(-1, 1, 1)
    long = face.scale("lash_length", 0.22) * (1.15 - 0.35 * face["masculine"])
    for lid, count in enumerate(LASHES):
        name = f"lash.{lid}."
        t = (torch.arange(count, device=density.device) + 0.5) / count
        t = (t + stream.normal(name + "t", 2, count) * 0.35 / count).clamp(0.02, 0.99)
        row = anatomy.margins[:, lid]  # [2, points, 5]
        at = t * (row.shape[1] - 1)
        low = at.long().clamp_max(row.shape[1] - 2)
        side = torch.arange(2, device=t.device).view(1, 2, 1).expand_as(low)
        root = torch.lerp(row[side, low], row[side, low + 1], (at - low)[..., None])[..., 3:]
        outward = torch.tensor([1.0, -1.0], device=t.device).view(1, 2, 1)
        up = 1.0 if lid == 0 else -1.0
        fan = (t - 0.42) * 1.9 + 0.14 * stream.normal(name + "fan", 2, count)
        direction = torch.stack([fan * outward, up * torch.ones_like(fan), 0.3 * fan.abs()], -1)
        curl = torch.stack([0.7 * fan * outward, torch.zeros_like(fan), torch.zeros_like(fan)], -1)
        size = (2.5 if lid == 0 else 1.5) * long.view(-1, 1, 1)
        size = size * (0.6 + 0.5 * stream.uniform(name + "size", 2, count))
        size = size * (0.55 + 0.45 * smoothstep(0.0, 0.4, t))
        keep = stream.uniform(name + "keep", 2, count) < density * (1.0 if lid == 0 else 0.7)
        depth = PEAK * (1.1 if lid == 0 else 0.6) * keep
        parts.append(_lay(
            atlas, _both(root), _both(direction), _both(curl), _both(size),
            LASH_WIDTH, _both(depth), _both(torch.ones_like(size)),
        ).depth)  # fmt: skip
    d = anatomy.lid_distance
    line = torch.exp(-0.5 * ((d - 0.1) / 0.40) ** 2) * smoothstep(-0.02, 0.12, anatomy.lid_along)
    line = line * (0.25 + 0.75 * anatomy.lid_upper)
    depth = parts[0] + parts[1] + 1.3 * density * line
    return HairLayer(depth, torch.full_like(depth, 0.7))


def beard(face: Face, anatomy: Anatomy, pool: Pool, stream: Stream, noise: SolidNoise) -> HairLayer:
    """Shaven shadow, stubble, moustache, goatee or full beard."""
    atlas = anatomy.atlas
    count = len(pool.uv)
    grown = face.amount("beard", 0.45)  # 0 shaven, 1 full
    start = pool.scattered(stream, "beard.at", atlas, 0.7)
    wander = noise.field("beard.edge", 9.0)[..., :1]
    texels = torch.cat([anatomy.beard.expand(stream.batch, -1, -1, -1), wander], -1)
    here = torch.stack([sample(m, uv) for m, uv in zip(texels, start, strict=True)])
    parts, edge = here[..., :4], 0.10 * here[..., 4:] + 0.16 * face["beard_line"].view(-1, 1, 1)
    growth = smoothstep(0.10, 0.60, parts + edge * (parts > 0.01))
    wanted = torch.stack([
        smoothstep(0.20, 0.30, face["moustache"]), smoothstep(0.22, 0.34, face["chin_beard"]),
        smoothstep(0.42, 0.55, face["cheek_beard"]),
        smoothstep(0.42, 0.55, face["cheek_beard"]) * (0.3 + 0.7 * face["neck_beard"]),
    ], -1)[:, None]  # fmt: skip
    # Below the chosen length hair of all parts is left as stubble, shorter.
    styled = growth * wanted
    style = styled.amax(-1)
    length_long = (0.8 + 10.0 * grown**1.7)[:, None] * (0.65 + 0.35 * style)
    bare = growth.amax(-1)
    shaved = (grown == 0).float()[:, None]
    density = (0.95 * face.scale("beard_density", 0.25)).clamp(0.35, 1.3)[:, None]
    kept = stream.uniform("beard.keep", count)
    trimmed = 0.35 * (1 - style) * (0.3 + 0.7 * shaved)  # the shaven parts of a styled beard
    present = kept < density * torch.maximum(style * (1 - shaved), bare * trimmed)
    is_long = (kept < density * style) & (shaved == 0)
    length = torch.where(is_long, length_long, torch.full_like(length_long, 0.45))
    length = length * (0.6 + 0.7 * stream.uniform("beard.length", count))
    strength = torch.where(is_long, 1.0, 0.9 * face["shadow"][:, None])
    depth = PEAK * present * strength * face.bearded[:, None]
    depth = depth * (0.6 + 0.6 * stream.uniform("beard.fine", count))
    sign = torch.sign(pool.xyz[:, 0])
    moustache, chin, cheek, neck = parts.unbind(-1)
    jitter = stream.normal("beard.angle", count, 3) * 0.28
    direction = torch.stack([
        sign * (1.1 * moustache + 0.10 * cheek - 0.15 * chin),
        -torch.ones_like(cheek) + 1.04 * neck, 0.30 * cheek + 0.7 * neck,
    ], -1) + jitter  # fmt: skip
    bend = stream.normal("beard.bend", count, 3) * 0.35
    tone = (0.28 * stream.normal("beard.tone", count)).exp()
    drawn = _lay(atlas, start, direction, bend, length, BEARD_WIDTH, depth, tone)
    # Hair below the surface of shaven skin: a faint even tint.
    # Noise moves the edge but must not make hair where none grows.
    grows = anatomy.beard.amax(-1)
    field = smoothstep(0.15, 0.9, grows + 0.1 * wander[..., 0]) * smoothstep(0.0, 0.2, grows)
    # Grey stubble does not darken skin.
    light = hair_colour(face) @ wander.new_tensor([0.2126, 0.7152, 0.0722])
    dark = (1 - 3.0 * light).clamp(0.05, 1)[:, None, None]
    tint = dark * 0.22 * (face["shadow"] ** 1.5 * face.bearded)[:, None, None] * field
    soft = (grown * face.bearded)[:, None, None] * 0.9
    cover = (anatomy.beard * wanted[:, None]).amax(-1)
    ragged = cover + 0.12 * wander[..., 0] + 0.10 * noise.field("beard.rag", 2.0)[..., 0]
    under = noise.field("beard.under", 0.6, anatomy.atlas.xyz.new_tensor([1.0, 0.3, 0.5]))[..., 0]
    soft = soft * smoothstep(0.0, 0.2, cover)
    tint = tint + soft * smoothstep(0.25, 1.0, ragged) * (1 + 0.5 * under).clamp_min(0.1)
    total = drawn.depth + tint
    tone_map = (drawn.depth * drawn.tone + tint) / total.clamp_min(1e-4)
    return HairLayer(total, tone_map)


def scalp(face: Face, anatomy: Anatomy, noise: SolidNoise) -> HairLayer:
    """Cropped hair: a tint with the grain of hairs behind a person's own hairline, thin at its
    edge. With age men's forehead grows, first at its corners."""
    xyz = anatomy.atlas.xyz
    amount = 2.6 * face.amount("scalp_hair", 0.25) ** 1.3
    recede = 4.5 * face["hairline"] + 8.0 * face["masculine"] * face["age"] ** 2
    corners = 9.0 * face["masculine"] * (0.5 + 2.0 * face["age"] ** 2) + 3.0 * face["hairline"]
    wander = noise.field("scalp.edge", 6.0)[..., 0] + 0.5 * noise.field("scalp.edge2", 1.2)[..., 0]
    grain = noise.field("scalp.grain", 0.5, xyz.new_tensor([1.0, 0.4, 0.55]))[..., 0]
    front = smoothstep(-20.0, 30.0, xyz[..., 2])
    moved = (recede[:, None, None] + corners[:, None, None] * anatomy.temple) * front
    behind = anatomy.hair - moved + 1.6 * wander
    keep = band(anatomy.atlas.texel_mm, 0.5)
    # Hairs stand apart at the edge and close up behind it.
    mask = smoothstep(-3.0, 15.0, behind + 3.5 * grain * keep)
    depth = amount[:, None, None] * mask * (1 + 0.22 * grain * keep).clamp_min(0.15)
    return HairLayer(depth, (0.10 * grain).exp())
