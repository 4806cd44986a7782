"""The colours of iris and sclera that photos show, in closed form.

The white of an eye lies in the shade of lid and lashes, which the head has not: what its albedo
takes over is as much that shade as its colour. The gloss of the cornea is left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.fit.observation import Crops
from fitme.fit.refine import albedo_ratio
from fitme.reflectance import IRIS_SHARE, PUPIL_SHARE, eye_radius
from fitme.render import RenderOutput

RING = (1.15 * PUPIL_SHARE, 0.92 * IRIS_SHARE)  # of the eye's tile, without pupil and rim
WHITE = (1.15 * IRIS_SHARE, 0.5)
MATT = (0.25, 0.9)  # shares of an area's pixels, by brightness, between lashes and gloss
ENOUGH = 25  # pixels that say as much as the prior, which is no change
DARKER, LIGHTER = (1.0, 0.5), (0.8, 0.5)  # of the mean log ratio, of iris and sclera
CHROMA = (0.5, 0.12)  # of the log ratio less its mean, likewise


def eye_gain(out: RenderOutput, crops: Crops, seen: Tensor) -> Tensor:
    """[1,2,3]: log of the albedos of iris and sclera that P photos show over that of their renders.

    seen [P,n,n] in 0..1: eyeballs whose pixels are trusted.
    """
    ratio = albedo_ratio(out, crops.pixels)
    gray = crops.gray[:, None, None, None]
    ratio = torch.where(gray, ratio.mean(-1, keepdim=True).expand_as(ratio), ratio)
    radius = eye_radius(out.uv)
    gains = []
    for k, (least, most) in enumerate((RING, WHITE)):
        values = ratio[(seen > 0.5) & (radius > least) & (radius < most)]
        gains.append(_bounded(_matt(values), k))
    return torch.stack(gains)[None]


def _matt(values: Tensor) -> Tensor:
    """[3] of pixels [N,3]: the middle of those neither in lashes nor shining, shrunk where few."""
    if len(values) == 0:
        return values.new_zeros(3)
    brightness = values.mean(-1)
    least, most = brightness.quantile(brightness.new_tensor(MATT))
    matt = values[(brightness >= least) & (brightness <= most)]
    return matt.median(0).values * len(matt) / (len(matt) + ENOUGH)


def _bounded(gain: Tensor, area: int) -> Tensor:
    """A log gain [3], smoothly kept within what eyes may be."""
    grey = gain.mean()
    bound = DARKER[area] if grey < 0 else LIGHTER[area]
    return bound * (grey / bound).tanh() + CHROMA[area] * ((gain - grey) / CHROMA[area]).tanh()
