"""Where highlights of the skin say that a photo's lamp is.

The fit finds its lamp by soft shading, which says little of where it is beside a surround that is
as soft. A highlight says more: there the skin mirrors the lamp to the camera.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.evidence.highlights import highlights
from fitme.fit.observation import Crops, display, masks_of
from fitme.fit.session import COARSE_TEXELS, Session
from fitme.fit.state import FitState
from fitme.fit.visibility import pixels_of
from fitme.render import RenderOutput
from fitme.render.brdf import reflect
from fitme.render.light import sh_basis

PIXELS = 256  # of the crops
LARGEST = 0.6  # of a white card: more gloss is something else, or clipped
LEAST = 0.004  # mean gloss of the skin beyond the render's, from which it says where a lamp is
ONE_PLACE = 0.93  # length of the highlights' mean normal: they lie within about 20 degrees
MOST = 0.8  # radians that a lamp is turned
WORSE = 1.05  # times the square error of skin that is no highlight, at which a lamp is left
NONE = 1e-3  # intensity of no lamp


@torch.no_grad()
def aim_lamps(session: Session, state: FitState) -> None:
    """Turn each photo's lamp to where its highlights say it is, if they are in one place. What the
    lamp no longer lights the harmonics do, so that matt skin looks the same; where it does not, as
    shadows fall otherwise, the lamp stays."""
    if not session.settings.specular:
        return
    crops, frames = session.crops(PIXELS), state.frames
    camera = session.camera(state, crops)
    maps = session.maps(session.pivot(state), COARSE_TEXELS)
    vertices = state.posed(session.head)
    out = session.picture(state, vertices, camera, maps)
    missing, known = missing_gloss(session, state, out, crops)
    total = missing.sum((1, 2))
    middle, normal = (
        (image * missing[..., None]).sum((1, 2)) / total.clamp_min(1e-6)[:, None]
        for image in (out.position, out.normal)
    )
    sure = (total > LEAST * known.sum((1, 2))) & (normal.norm(dim=-1) > ONE_PLACE)
    intensity = frames.lamp.norm(dim=-1)
    old = frames.lamp / intensity.clamp_min(NONE)[:, None]
    view = F.normalize(camera.position - middle, dim=-1)
    new = towards(old, reflect(view, F.normalize(normal, dim=-1)), MOST)
    new = torch.where((sure & (intensity > NONE))[:, None], new, old)
    # A lamp's irradiance over pi is its intensity times the cosine; see `with_catchlight`.
    change = math.pi * (sh_basis(old) - sh_basis(new)) * intensity[:, None]
    before = frames.lamp.clone()
    frames.gray.add_(change)
    frames.lamp.copy_(new * intensity[:, None])
    session.cast(state, vertices)
    turned = session.picture(state, vertices, camera, maps)
    weight = known * masks_of(frames.trusted, crops.size)
    stays = miss(turned, crops, weight) > WORSE * miss(out, crops, weight)
    frames.lamp.copy_(torch.where(stays[:, None], before, frames.lamp))
    frames.gray.sub_(change * stays[:, None])


def miss(out: RenderOutput, crops: Crops, weight: Tensor) -> Tensor:
    """[P]: mean square of display colours from the photos', weight [P,n,n]."""
    square = (display(out.color, crops.some_gray) - crops.display).square().mean(-1)
    return (square * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1)


def missing_gloss(
    session: Session, state: FitState, out: RenderOutput, crops: Crops
) -> tuple[Tensor, Tensor]:
    """[P,n,n] each: gloss that photos in colour show and their renders have not, of what a white
    card there reflects, 0 where it is no highlight; and which pixels show bare skin."""
    trusted = masks_of(state.frames.trusted, crops.size)
    known = pixels_of(out, session.regions.skin)
    if session.uncovered is not None:
        known = known * masks_of(session.uncovered, crops.size)
    known = known * (~crops.gray).to(known)[:, None, None]
    beyond, shines = highlights(session.regions, out, crops, trusted)
    return beyond.clamp(0, LARGEST) * shines * known, known


def towards(old: Tensor, new: Tensor, most: float) -> Tensor:
    """Unit vectors [...,3] from old to new ones, turned by at most about `most` radians."""
    angle = (old * new).sum(-1, keepdim=True).clamp(-1, 1).acos()
    return F.normalize(torch.lerp(old, new, (most / angle.clamp_min(1e-3)).clamp_max(1)), dim=-1)
