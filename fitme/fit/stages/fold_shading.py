"""Maps of folds: what of a change runs along them, and which heights shade so."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.stages.relief import CLOUDY, Tilts, conjugate_gradients
from fitme.reflectance.atlas import resized

# Chosen as those of `fitme.fit.stages.folds`.
FINEST_M, COARSEST_M = 0.0005, 0.012  # Gaussians between which the shade of folds lies
ALONG_M = 0.005  # half length over which a fold is followed; spots are shorter
STEPS_ALONG = 3  # samples on each side
NEARBY_M = 0.0025  # Gaussian within which a fold has one direction
BAND = (1.5, 40.0)  # texels of the atlas of 1024 between which heights are found
PRIOR = 0.12  # (spread of the shading over that of slopes) squared
STEPS = 12  # of conjugate gradients


def heights_of(shading: Tensor, response: Tensor, weight: Tensor) -> Tensor:
    """Heights [R,R] in texels of folds, from their shading [R,R], natural logarithm, its change
    per tilt of the normals, response [R,R,2], and the weight [R,R] of each texel.

    The equation of `fitme.fit.stages.relief` with the band of folds.
    """
    linear = Tilts(shading.shape[-1], shading.device, *BAND)
    rows = torch.cat([response, torch.full_like(response[..., :1], CLOUDY)], -1).movedim(-1, 0)
    rows, strength = rows * (weight > 0), weight.square()

    def normal_matrix(q: Tensor) -> Tensor:
        found = (rows * linear(q)).sum(0) * strength
        return linear.adjoint(rows * found) + PRIOR * q

    wanted = linear.adjoint(rows * (strength * shading))
    return linear.height(conjugate_gradients(normal_matrix, wanted, STEPS))


def cavity(height: Tensor) -> Tensor:
    """Log of the diffuse light [B,R,R] that folds of heights [B,R,R] in texels get in even light
    from everywhere, over that of flat skin; 0 on ridges ("dark is deep", see
    `fitme.fit.stages.relief`)."""
    side = height.shape[-1]
    row = torch.fft.fftfreq(side, device=height.device)[:, None]
    column = torch.fft.rfftfreq(side, device=height.device)[None]
    length = 2 * math.pi * (row.square() + column.square()).sqrt()
    return CLOUDY * torch.fft.irfft2(length * torch.fft.rfft2(height), s=(side, side)).clamp_max(0)


def crease_hue(shade: Tensor, albedo: Tensor) -> Tensor:
    """The shade of folds [B,R,R,3], log, as dark as it is and with the hue that creases have.

    Light that reaches a crease has partly come from its other side and took skin's colour there: of
    the light V that is left by what hides the surround, V / (1 - (1 - V) albedo) remains (Oliver,
    "Visual appearance of surface cavities", Applied Optics 1989). `albedo` [B,R,R,3] is the skin's.
    Ridges get no hue. What else a photo's folds have of one is coloured light, or the coarse chroma
    of a compressed picture.
    """
    grey = shade.mean(-1, keepdim=True)
    mean, dark = albedo.mean(-1, keepdim=True), grey.clamp_max(0).exp()
    visible = dark * (1 - mean) / (1 - dark * mean)
    bounced = -(1 - (1 - visible) * albedo).log()
    return grey + bounced - bounced.mean(-1, keepdim=True)


def banded(values: Tensor, clear: Tensor, metres: Tensor, fine: bool = True) -> Tensor:
    """Values [1,R,R,C] between FINEST_M and COARSEST_M, of what is clear [1,R,R]; with all that
    is finer, too, if not `fine`."""
    texels = clear.shape[-1]
    known = clear[0] > 0.5
    texel = float(metres.mean(-1)[known if known.any() else ...].mean())
    both = torch.cat([values * clear[..., None], clear[..., None]], -1)
    own = _gauss(both, FINEST_M / texel) if fine else both
    few = max(32, round(4 * texels * texel / COARSEST_M))
    coarse = resized(_gauss(resized(both, few), few * COARSEST_M / (texel * texels)), texels)
    own, coarse = (part[..., :-1] / part[..., -1:].clamp_min(0.05) for part in (own, coarse))
    return (own - coarse) * clear[..., None]


def _gauss(images: Tensor, sigma: float) -> Tensor:
    """Images [1,R,R,C] blurred by `sigma` pixels."""
    reach = max(1, math.ceil(3 * sigma))
    at = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = (-0.5 * (at / sigma).square()).exp()
    kernel = kernel / kernel.sum()
    wide = F.pad(images.movedim(-1, 0), (reach,) * 4, mode="replicate")
    wide = F.conv2d(wide, kernel.view(1, 1, -1, 1))
    return F.conv2d(wide, kernel.view(1, 1, 1, -1)).movedim(0, -1)


def averaged_along(values: Tensor, metres: Tensor) -> Tensor:
    """Values [1,R,R,C] averaged along the lines that they are made of: what is longer than it is
    wide stays.

    Lines run at right angles to the main axis of the structure tensor. (Not to the compression: the
    fold beside the nose runs along the edge of the cheek that slides over it.)
    """
    texels = values.shape[1]
    across = line_angle(values[0].mean(-1), float(NEARBY_M / metres.mean()))
    along = torch.stack([-across.sin(), across.cos()], -1)  # (u, v)
    step = ALONG_M / STEPS_ALONG * along / metres * (2 / texels)
    at = (torch.arange(texels, device=values.device) + 0.5) / texels * 2 - 1
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1)
    images = values.movedim(-1, 1)
    total = torch.zeros_like(images)
    for k in range(-STEPS_ALONG, STEPS_ALONG + 1):
        total += F.grid_sample(
            images, (grid + k * step)[None], mode="bilinear", padding_mode="border",
            align_corners=False,
        )  # fmt: skip
    return total.movedim(1, -1) / (2 * STEPS_ALONG + 1)


def line_angle(values: Tensor, reach: float) -> Tensor:
    """Angle [R,R] in (u, v) across the lines of values [R,R] within about `reach` texels."""
    by_v, by_u = torch.gradient(values)
    tensor = torch.stack([by_u * by_u - by_v * by_v, 2 * by_u * by_v], -1)[None]
    double = _gauss(tensor, reach)[0]
    return 0.5 * torch.atan2(double[..., 1], double[..., 0])
