"""What the eyes in photos tell: the colours of iris and sclera, and that of the light.

The white of an eye lies in the shade of lid and lashes, which the head has not: what its albedo
takes over is as much that shade as its colour. The gloss of the cornea is left out. The brightest
part of it has nearly the same colour in everybody, and so tells red light from red skin.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.fit.evidence.irises import read_eyes
from fitme.fit.observation import Crops, masks_of
from fitme.fit.ratio import albedo_ratio
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.head.parts import Role
from fitme.reflectance.eyes import IRIS_SHARE, PUPIL_SHARE, eye_radius
from fitme.render import RenderOutput

RING = (1.15 * PUPIL_SHARE, 0.92 * IRIS_SHARE)  # of the eye's tile, without pupil and rim
WHITE = (1.15 * IRIS_SHARE, 0.5)
MATT = (0.25, 0.9)  # shares of an area's pixels, by brightness, between lashes and gloss
SHADE = -1.2  # log ratio, below which a pixel is lashes or a lid's shadow
BRIGHT = (0.7, 0.98)  # shares of the rest, by brightness: open to the light, and no gloss
USUAL = (0.06, 0.0, -0.06)  # log colour: vessels, and light that skin throws on it
SPREAD = 0.1  # of people around it: so small a difference says nothing
BELIEF = 0.6  # in what is beyond that
MANY = 60  # pixels that say as much about the light as the prior
ENOUGH = 25  # pixels that say as much as the prior, which is no change
DARKER, LIGHTER = (1.0, 0.5), (0.8, 0.5)  # of the mean log ratio, of iris and sclera
CHROMA = (0.5, 0.12)  # of the log ratio less its mean, likewise


EYE_PIXELS = 1024  # side of the crops in which the eyes' colours are looked up


@torch.no_grad()
def color_eyes(session: Session, state: FitState) -> None:
    """Give the person the colours of iris and sclera that the photos show."""
    state.person.eyes = torch.zeros_like(state.person.eyes)  # those of the picture
    out, crops, seen = seen_eyes(session, state)
    marks = crops.from_photo(session.landmarks(crops))
    drawn = session.camera(state, crops).project(session.head.landmarks(state.posed(session.head)))
    found = read_eyes(out, crops, seen, session.head.parts_with(Role.EYE), marks, drawn)
    state.person.eyes = eye_gain(out, crops, seen) if found is None else found[None]


@torch.no_grad()
def balance(session: Session, state: FitState) -> None:
    """Turn the lights' colours, and what is expected of them, by the whites of the eyes."""
    frames = state.frames
    frames.white += light_tint(*seen_eyes(session, state))
    frames.tint += frames.white


def seen_eyes(session: Session, state: FitState) -> tuple[RenderOutput, Crops, Tensor]:
    """Picture and crops at full size, and where the crops [P,n,n] show eyes."""
    crops = session.crops(EYE_PIXELS)
    out = session.view(state, crops, EYE_PIXELS // 4)
    return out, crops, session.eyes(out) * masks_of(state.frames.trusted, crops.size)


def eye_gain(out: RenderOutput, crops: Crops, seen: Tensor) -> Tensor:
    """[1,2,3]: log of the albedos of iris and sclera that P photos show over that of their renders.

    seen [P,n,n] in 0..1: eyeballs whose pixels are trusted.
    """
    ratio, radius = albedo_ratio(out, crops), eye_radius(out.uv)
    gains = []
    for k, (least, most) in enumerate((RING, WHITE)):
        values = ratio[(seen > 0.5) & (radius > least) & (radius < most)]
        gains.append(_bounded(_matt(values), k))
    return torch.stack(gains)[None]


def light_tint(out: RenderOutput, crops: Crops, seen: Tensor) -> Tensor:
    """[P,3], mean 0: how much the logs of the lights' colours should change for the brightest parts
    of the scleras to look as those of most people do; 0 without colour. `seen` as above."""
    ratio, radius = albedo_ratio(out, crops), eye_radius(out.uv)
    white = (seen > 0.5) & (radius > WHITE[0])
    shifts = []
    for values, where, gray in zip(ratio, white, crops.gray.tolist(), strict=True):
        found = _bright(values[where])
        shifts.append(values.new_zeros(3) if gray or found is None else found)
    return torch.stack(shifts)


def _bright(values: Tensor) -> Tensor | None:
    """[3] of a sclera's pixels [N,3]; None where all lie in deep shade."""
    values = values[values.amin(-1) > SHADE]
    if len(values) == 0:
        return None
    middle = _between(values, BRIGHT).median(0).values
    chroma = middle - middle.mean() - middle.new_tensor(USUAL)
    beyond = (1 - SPREAD / chroma.norm().clamp_min(SPREAD)) * chroma
    return BELIEF * len(values) / (len(values) + MANY) * beyond


def _matt(values: Tensor) -> Tensor:
    """[3] of pixels [N,3]: the middle of those neither in lashes nor shining, shrunk where few."""
    if len(values) == 0:
        return values.new_zeros(3)
    matt = _between(values, MATT)
    return matt.median(0).values * len(matt) / (len(matt) + ENOUGH)


def _between(values: Tensor, shares: tuple[float, float]) -> Tensor:
    """Those of pixels [N,3], N > 0, whose brightness lies between two of its quantiles; all where
    they are so few that none does."""
    brightness = values.mean(-1)
    least, most = brightness.quantile(brightness.new_tensor(shares))
    between = (brightness >= least) & (brightness <= most)
    return values[between] if bool(between.any()) else values


def _bounded(gain: Tensor, area: int) -> Tensor:
    """A log gain [3], smoothly kept within what eyes may be."""
    grey = gain.mean()
    bound = DARKER[area] if grey < 0 else LIGHTER[area]
    return bound * (grey / bound).tanh() + CHROMA[area] * ((gain - grey) / CHROMA[area]).tanh()
