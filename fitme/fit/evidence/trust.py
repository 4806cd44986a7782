"""How far each pixel can be explained by skin under the estimated light: hair, glasses, hands and
hard shadows stand out from the render."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.fit.observation import Crops, display
from fitme.fit.ratio import mean_within
from fitme.fit.session import Session
from fitme.fit.visibility import pixels_of
from fitme.reflectance.means import window_mean
from fitme.render import RenderOutput

BRIGHTER = 0.1  # display units: so much lighter than expected, brows and lids are hair or rims
DOUBTED = (0.25, 0.65)  # mean trust around brows, lips and lids at which they count not, or fully
AROUND = 10 / 256  # of the crop: skin that tells of brows, lips and lids
# Display units: a pixel is half trusted at OFF times the median error of the face, within LIMITS,
# and trust falls off over SOFT of that.
OFF, LIMITS, SOFT = 3.5, (0.12, 0.30), 0.15
USUAL = 0.1  # median error of a face of which nothing is seen
FRINGE = 48  # a crop's side over the width of a fringe's strand


@torch.no_grad()
def trust(session: Session, out: RenderOutput, crops: Crops) -> Tensor:
    """[P,n,n] in 0..1: how likely each pixel shows skin that the model can explain.

    The difference to the render, smoothed, against its own spread in the face. Brows, lips and
    lids, which may be painted, are trusted at least as the skin around them is.
    """
    rendered, target = display(out.color, crops.some_gray), crops.display
    inside = session.skin(out)
    marked = marks(session, out, (target - rendered).mean(-1))
    miss = (rendered - target).square().sum(-1).sqrt()
    plain = 1 - marked
    kernel = max(3, crops.size // FRINGE | 1)
    near, share = (
        window_mean(values[:, None], kernel, kernel)[:, 0] for values in (miss * plain, plain)
    )
    near = torch.where(share > 0.05, near / share.clamp_min(0.05), miss)
    trusted, reach = [], AROUND * crops.size
    for part, within, mark in zip(near, inside, marked, strict=True):
        values = part[within > 0.5]
        middle = values.median() if len(values) else part.new_tensor(USUAL)
        limit = (OFF * middle).clamp(*LIMITS)
        own = torch.sigmoid((limit - part) / (SOFT * limit))
        around = mean_within(own[None, :, :, None], (within * (1 - mark))[None], reach)
        around = ((around[0, ..., 0] - DOUBTED[0]) / (DOUBTED[1] - DOUBTED[0])).clamp(0, 1)
        trusted.append(torch.maximum(own, mark * around))
    return torch.stack(trusted)


def marks(session: Session, out: RenderOutput, brighter: Tensor) -> Tensor:
    """[P,n,n] in 0..1: brows, lips, lids and eyes; brows and lids only where the photo is not
    `brighter` [P,n,n], display units, than the render, which is hair or a rim's glint."""
    free = pixels_of(out, session.regions["lips"]) + session.eyes(out)
    dark = torch.sigmoid((BRIGHTER - brighter) / (0.3 * BRIGHTER))
    marked = pixels_of(out, session.regions.marked_or_lids) * torch.maximum(dark, free)
    return (marked + free).clamp(0, 1)
