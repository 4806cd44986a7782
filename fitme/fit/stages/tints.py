"""Which colours the photos' fine detail may give to skin and to lips.

Skin's pigments darken as they colour (Tsumura et al., "Independent-component analysis of skin color
image", 1999: melanin and haemoglobin absorb): a mole is brown because it is dark. Detail that has a
hue and is no darker than the skin around it, or one that neither pigment has, is light of another
colour or the coarse chroma of a compressed photo, and would be a yellow, green or pink patch under
any other light.

Lips are of one pigment, or of one lipstick: the upper one, which sees the ground, and the lower
one, which sees the sky, are no two hues.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.reflectance.skin import HAEMOGLOBIN, MELANIN

BESIDE = 0.5  # sine of 30 degrees: between the hues of both pigments and one that none has
PALE = 0.05  # log chroma that detail no darker than skin may have: vessels, and what is freckled
PIGMENT = 0.8  # log chroma per log of darkening; of melanin 0.65, of haemoglobin 1.15
STRONGEST = 0.5  # log chroma of skin's detail, however dark
SHARE = 0.5  # share of skin's chroma taken over: coloured light varies more than skin at this scale
LIP_HUE = 0.04  # log chroma beside their common hue that lips may have
RICHEST = 1.15  # of the lips' mean chroma over skin's: what the richest spot of them may have
SEEN = 0.3  # weight from which lips are seen; what is behind them keeps its own hue
TUNED = 0.1  # weight of unseen lips in their common hue: the generator is tuned to the person's
FEW = 1e-3  # of the lips: what must be seen of them


def skin_chroma(detail: Tensor) -> Tensor:
    """The chroma [...,3], mean 0, that skin may have of the log ratios `detail` [...,3]: as rich as
    it is dark where its hue is one of pigments, hardly any where it is not."""
    grey = detail.mean(-1, keepdim=True)
    chroma = SHARE * (detail - grey)
    length = _length(chroma)
    dark = (-grey).clamp_min(0) * pigmented(chroma)[..., None]
    most = (PALE + PIGMENT * dark).clamp_max(STRONGEST)
    return chroma * most * (length / most).tanh() / length.clamp_min(1e-6)


def pigmented(chroma: Tensor) -> Tensor:
    """How far the hue of log chroma [...,3], mean 0, is one that more pigment gives, in 0..1: 1
    between those of melanin and haemoglobin, 0 from `BESIDE` beside them on."""
    grey = chroma.new_ones(3) / 3**0.5
    melanin, blood = (_chroma_of(chroma.new_tensor(pigment)) for pigment in (MELANIN, HAEMOGLOBIN))

    def beyond(border: Tensor, other: Tensor) -> Tensor:
        """How far chroma lies beside a border, on the side where the other is not."""
        across = torch.linalg.cross(grey, border)
        return -(chroma @ across) * torch.sign(across @ other)

    outside = torch.maximum(beyond(melanin, blood), beyond(blood, melanin)).clamp_min(0)
    outside = outside / _length(chroma)[..., 0].clamp_min(1e-6)
    return (1 - outside / BESIDE).clamp(0, 1) * (chroma @ (melanin + blood) > 0)


def _chroma_of(absorption: Tensor) -> Tensor:
    """The direction [3] of log chroma in which more of a pigment moves skin."""
    chroma = absorption.mean() - absorption
    return chroma / chroma.norm()


def even_lips(albedo: Tensor, lips: Tensor, seen: Tensor, skin: Tensor) -> Tensor:
    """Diffuse albedo [R,R,3] whose lips have one hue, paler or richer.

    lips [R,R] their mask, seen [R,R] how well the photos show each texel, skin [R,R] a mask of bare
    skin, all in 0..1. From the skin's mean chroma towards the lips' own each texel keeps its way,
    up to RICHEST of it; what lies beside this way is bounded by LIP_HUE. Lightness stays.
    """
    bare = (skin * seen)[..., None]
    if float((lips * seen).mean()) < FEW * float(lips.mean()) or float(bare.sum()) < 1:
        return albedo
    weight = (lips * seen.clamp_min(TUNED))[..., None]
    log = albedo.clamp_min(1e-3).log()
    grey = log.mean(-1, keepdim=True)
    chroma = log - grey
    pale = (chroma * bare).sum((0, 1)) / bare.sum()
    for _ in range(2):  # the second time without the skin inside the mask
        way = (chroma * weight).sum((0, 1)) / weight.sum().clamp_min(1e-6) - pale
        length = way.norm().clamp_min(1e-3)
        along = ((chroma - pale) @ way) / length
        weight = weight * (along / length)[..., None].clamp(0, 1)
    beside = chroma - pale - along[..., None] * way / length
    off = _length(beside)
    beside = beside * LIP_HUE * (off / LIP_HUE).tanh() / off.clamp_min(1e-6)
    along = torch.minimum(along, RICHEST * length)
    even = pale + along[..., None] * way / length + beside
    mask = lips * (seen / SEEN).clamp(0, 1)
    return (grey + torch.lerp(chroma, even, mask[..., None])).exp()


def _length(values: Tensor) -> Tensor:
    """[...,1] of [...,3], rounded once: torch's norm takes ten times as long where the three lie in
    planes of their own, as they do here."""
    x, y, z = values.unbind(-1)
    return (x * x + y * y + z * z).double().sqrt().to(values)[..., None]
