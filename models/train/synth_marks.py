"""Freckles, moles, age spots, pimples, scars and veins: dots and strokes added to the pigment
fields and to the relief."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.models.train.synth_anatomy import Anatomy
from fitme.models.train.synth_atlas import sample
from fitme.models.train.synth_parameters import Face
from fitme.models.train.synth_pool import Pool
from fitme.models.train.synth_random import SolidNoise, Stream
from fitme.models.train.synth_relief import Relief
from fitme.models.train.synth_splat import splat, strokes
from fitme.models.train.synth_tone import Pigment


def _dots(anatomy: Anatomy, uv: Tensor, radius_mm: Tensor, peak: Tensor) -> Tensor:
    """Gaussian spots [B,R,R] with the given peak [B,N]."""
    atlas = anatomy.atlas
    sigma = radius_mm / sample(atlas.texel_mm[..., None], uv)[..., 0]
    mass = peak * sigma.square() * (2 * torch.pi)
    return splat(uv, sigma, mass[..., None], atlas.resolution)[..., 0]


def _at(field: Tensor, points: Pool) -> Tensor:
    """A field [R,R] at the points of a pool, [N]."""
    return sample(field[..., None], points.uv)[:, 0]


def add_marks(
    face: Face, anatomy: Anatomy, pool: Pool, stream: Stream, noise: SolidNoise,
    pigment: Pigment, skin: Relief,
) -> None:  # fmt: skip
    """Adds to `pigment` and `skin` in place."""
    _freckles(face, anatomy, pool, stream, pigment)
    _moles(face, anatomy, pool, stream, pigment, skin)
    _age_spots(face, anatomy, pool, stream, noise, pigment)
    _pimples(face, anatomy, pool, stream, pigment, skin)
    _scars(face, anatomy, pool, stream, pigment, skin)
    _veins(face, anatomy, stream, pigment)


def _subset(pool: Pool, first: int, count: int) -> Pool:
    return Pool(pool.uv[first : first + count], pool.xyz[first : first + count])


def _freckles(face: Face, anatomy: Anatomy, pool: Pool, stream: Stream, out: Pigment) -> None:
    points = _subset(pool, 0, 1500)
    count = len(points.uv)
    # Freckles are a matter of light skin.
    amount = face.amount("freckles", 0.62) * smoothstep(0.35, 0.75, face["tone"])
    r = anatomy.regions
    sunny = r["cheek"] + 0.9 * r["nose"] + 0.45 * r["forehead"] + 0.12
    chance = amount[:, None] * _at(sunny, points).clamp_max(1.0)
    uv = points.scattered(stream, "freckle.at", anatomy.atlas, 1.5)
    keep = stream.uniform("freckle.keep", count) < chance
    size = stream.uniform("freckle.size", count)
    radius = 0.38 + 0.55 * size**2
    dark = 0.25 + 0.65 * stream.uniform("freckle.dark", count)
    peak = keep * dark * (0.6 + 0.4 * amount[:, None])
    # Where freckles meet they merge, they do not add up.
    out.melanin += 1.1 * torch.tanh(1.3 * _dots(anatomy, uv, radius, peak))


def _moles(
    face: Face, anatomy: Anatomy, pool: Pool, stream: Stream, out: Pigment, skin: Relief
) -> None:
    points = _subset(pool, 1500, 16)
    uv = points.scattered(stream, "mole.at", anatomy.atlas, 14.0)
    keep = stream.uniform("mole.keep", 16) < 0.6 * face.amount("moles", 0.3)[:, None] ** 1.4
    size = stream.uniform("mole.size", 16)
    radius = 0.45 + 1.0 * size**3
    peak = keep * (1.0 + 1.3 * stream.uniform("mole.dark", 16))
    # Two rounds: a plateau with a soft edge instead of a Gaussian.
    spot = _dots(anatomy, uv, radius, peak)
    out.melanin += 1.5 * torch.tanh(spot)
    skin.height += 0.16 * _dots(anatomy, uv, radius * 0.9, keep * size**2)


def _age_spots(
    face: Face, anatomy: Anatomy, pool: Pool, stream: Stream, noise: SolidNoise, out: Pigment
) -> None:
    points = _subset(pool, 1516, 40)
    uv = points.scattered(stream, "spot.at", anatomy.atlas, 6.0)
    amount = face.amount("age_spots", 0.3) * smoothstep(0.4, 0.9, face["age"])
    side = 0.35 + 0.65 * smoothstep(20.0, 45.0, points.xyz[:, 0].abs())
    keep = stream.uniform("spot.keep", 40) < amount[:, None] * side
    radius = 1.2 + 2.6 * stream.uniform("spot.size", 40) ** 2
    raw = _dots(anatomy, uv, radius, keep * (0.6 + 0.6 * stream.uniform("spot.dark", 40)))
    edge = 0.35 * noise.field("spot.edge", 1.6) + 0.2 * noise.field("spot.edge2", 3.5)
    ragged = raw * (1 + edge[..., 0])
    out.melanin += 0.85 * smoothstep(0.25, 0.85, ragged) * raw.clamp_max(1.0)


def _pimples(
    face: Face, anatomy: Anatomy, pool: Pool, stream: Stream, out: Pigment, skin: Relief
) -> None:
    points = _subset(pool, 1556, 70)
    uv = points.scattered(stream, "pimple.at", anatomy.atlas, 4.0)
    amount = face.amount("acne", 0.6) * smoothstep(0.75, 0.2, face["age"])
    r = anatomy.regions
    where = _at(r["cheek"] + r["chin"] + 0.8 * r["forehead"] + 0.15, points)
    keep = stream.uniform("pimple.keep", 70) < 0.8 * amount[:, None] * where.clamp_max(1)
    size = stream.uniform("pimple.size", 70)
    strength = stream.uniform("pimple.red", 70)
    out.blood += _dots(anatomy, uv, 1.3 + 1.3 * size, keep * (0.35 + 0.5 * strength))
    out.blood += _dots(anatomy, uv, 0.6 + 0.5 * size, keep * 0.5 * strength)
    # What is left behind is darker, most of all in dark skin.
    dark = (1 - face["tone"])[:, None]
    left = keep * (0.05 + 0.35 * dark) * (1 - strength)
    out.melanin += _dots(anatomy, uv, 1.0 + 0.8 * size, left)
    skin.height += _dots(anatomy, uv, 0.7 + 0.4 * size, keep * 0.16 * strength)


def _scars(
    face: Face, anatomy: Anatomy, pool: Pool, stream: Stream, out: Pigment, skin: Relief
) -> None:
    points = _subset(pool, 1626, 3)
    atlas = anatomy.atlas
    start = points.scattered(stream, "scar.at", atlas, 16.0)
    keep = stream.uniform("scar.keep", 3) < 1.2 * face.amount("scars", 0.75)[:, None]
    direction = stream.normal("scar.way", 3, 3)
    length = (5 + 11 * stream.uniform("scar.length", 3))[..., None] / 2
    control = start + atlas.step_uv(start, direction) * length
    turned = direction + 0.4 * stream.normal("scar.bend", 3, 3)
    end = control + atlas.step_uv(start, turned) * length
    texel = sample(atlas.texel_mm[..., None], start)[..., 0]
    width = (1.0 + 0.9 * stream.uniform("scar.width", 3)) / texel
    drawn = strokes(start, control, end, width, keep * 1.0, keep * 1.0, atlas.resolution, taper=0.5)
    out.melanin -= 0.5 * drawn[..., 0].clamp_max(1.5)
    out.blood += (0.25 - 0.5 * stream.uniform("scar.old", 1, 1)) * drawn[..., 0].clamp_max(1.5)
    skin.height -= 0.10 * drawn[..., 0].clamp_max(1.5)


def _veins(face: Face, anatomy: Anatomy, stream: Stream, out: Pigment) -> None:
    """Bluish lines at the temples and below the eyes, and fine red ones beside the nose."""
    atlas, p = anatomy.atlas, anatomy.points
    count = 8
    u = stream.uniform("vein", count, 5)
    sign = torch.tensor([1.0, -1.0], device=u.device).repeat(count // 2)
    x = (p.eye_outer[0] + 4 + 14 * u[..., 0]) * sign
    y = p.eye_outer[1] + 2 + 34 * u[..., 1]
    start = atlas.front_uv(torch.stack([x, y], -1))
    bend = stream.normal("vein.bend", count, 2, 3)
    way = torch.stack([0.5 * sign + 0 * x, 0.9 * torch.ones_like(x), -0.3 * torch.ones_like(x)], -1)
    length = (8 + 10 * u[..., 2])[..., None]
    control = start + atlas.step_uv(start, way + 0.5 * bend[:, :, 0]) * length
    end = control + atlas.step_uv(start, way + 0.8 * bend[:, :, 1]) * length
    amount = face.amount("veins", 0.55) * smoothstep(0.5, 0.9, face["tone"])
    depth = amount[:, None] * (0.4 + 0.6 * u[..., 3])
    texel = sample(atlas.texel_mm[..., None], start)[..., 0]
    drawn = strokes(start, control, end, 2.6 / texel, depth, depth, atlas.resolution, taper=0.4)
    blue = drawn[..., 0].clamp_max(1.0)
    out.oxygen -= 0.40 * blue
    out.blood += 0.22 * blue
    fine = 26
    v = stream.uniform("capillary", fine, 5)
    side = torch.tensor([1.0, -1.0], device=u.device).repeat(fine // 2)
    x = (p.nose_wing[0] - 4 + 22 * v[..., 0] ** 1.5) * side
    y = p.nose_wing[1] + 2 + 16 * (v[..., 1] - 0.4)
    start = atlas.front_uv(torch.stack([x, y], -1))
    bend = stream.normal("capillary.way", fine, 2, 3)
    length = (1.0 + 2.5 * v[..., 2])[..., None]
    control = start + atlas.step_uv(start, bend[:, :, 0]) * length
    end = control + atlas.step_uv(start, bend[:, :, 0] + 0.8 * bend[:, :, 1]) * length
    amount = face.amount("veins", 0.4) * face["age"]
    depth = amount[:, None] * (v[..., 3] > 0.3)
    texel = sample(atlas.texel_mm[..., None], start)[..., 0]
    drawn = strokes(start, control, end, 0.30 / texel, depth, depth, atlas.resolution)
    out.blood += 0.8 * drawn[..., 0].clamp_max(1.2)
