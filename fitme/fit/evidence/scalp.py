"""The hair of the head, which the maps carry as if it were cropped: W takes its colour.

What hangs over the face stays out of the maps (`fitme.fit.evidence.covered`), and the top of the
head is no part of the losses, as real hair has another shape than the head. But how light and of
what colour it is on the whole, hair or bald skin, W can tell, with the hairline that goes with it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fitme.fit.evidence.hair import CROP_PIXELS
from fitme.fit.observation import Crops
from fitme.fit.ratio import shading
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.fit.visibility import pixels_of
from fitme.render import RenderOutput

FEW = 100  # pixels of the top of the head that say something
DARKEST, LIGHTEST = 0.02, 0.5  # diffuse albedo of cropped hair and of bald heads
CHROMA = 0.8  # of the log albedo less its mean: hats and coloured light are not followed farther
MATT = 0.4  # least share of a pixel that is no highlight
SHADED = 0.05  # of a white card: darker pixels say nothing


def scalp_tone(out: RenderOutput, crops: Crops, crown: Tensor) -> Tensor | None:
    """[3]: log of the diffuse albedo that most of the top of the head has, `crown` [P,n,n] in
    pixels, under the estimated lights; None where hardly any of it is seen."""
    lit = (shading(out).amin(-1) > SHADED) & (crops.pixels.amax(-1) < 0.97)
    inside = crops.pixels.amax(-1) > 0  # beyond the photo's edge crops are black
    # The highlights of hair lie elsewhere than the head's: not all may be taken off.
    matt = torch.maximum(crops.pixels - out.specular, MATT * crops.pixels)
    shown = (matt / shading(out).clamp_min(SHADED)).clamp_min(DARKEST).log()
    own = out.albedo.clamp_min(DARKEST).log()
    own = shown.mean(-1, keepdim=True) + own - own.mean(-1, keepdim=True)
    shown = torch.where(crops.gray[:, None, None, None], own, shown)
    values = shown[(crown > 0.5) & lit & inside]
    if len(values) < FEW:
        return None
    middle = values.median(0).values
    grey = middle.mean().clamp(math.log(DARKEST), math.log(LIGHTEST))
    return grey + CHROMA * ((middle - middle.mean()) / CHROMA).tanh()


@torch.no_grad()
def scalp_contrast(session: Session, state: FitState) -> Tensor | None:
    """[3]: log albedo of the top of the head over that of the cheeks; None where the photos hardly
    show it, 0 where the head is to be bald."""
    if session.settings.hair == "bald":
        return state.frames.tint.new_zeros(3)
    crops = session.crops(CROP_PIXELS, exact=True)
    out = session.view(state, crops)
    tone = scalp_tone(out, crops, pixels_of(out, session.regions.crown))
    if tone is None:
        return None
    own = session.maps(session.pivot(state), session.regions.size).diffuse_albedo
    return tone - log_mean(own, session.regions.bare)


def log_mean(albedo: Tensor, where: Tensor) -> Tensor:
    """[3]: log of the mean of an albedo [1,R,R,3] over a mask [R,R]."""
    mean = (albedo[0] * where[..., None]).sum((0, 1)) / where.sum().clamp_min(1e-3)
    return mean.clamp_min(1e-3).log()
