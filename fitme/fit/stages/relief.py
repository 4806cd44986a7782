"""Fine relief from the photos' fine detail: what of it is shading, and which slopes shade so.

The logarithm of photo over render, [3] per texel, is s e + pigment + noise with e = (1, 1, 1):
shading changes all channels alike, pigment changes them along the absorption of melanin and
haemoglobin. The best linear estimate of s takes pigment as noise with the covariance C of skin's
fine detail (generalised least squares): s = e' C^-1 ratio / e' C^-1 e.

A tilt t of the normals changes s by J . t, with J the renderer's response, and by "dark is deep": a
groove sees less of the surround under any light (Langer and Zucker, "Shape-from-shading on a
cloudy day", 1994; Beeler et al., "High-quality single-shot capture of facial geometry", 2010,
section 6). How much less depends on depth over width, so for a height field h the second term is
CLOUDY |k| h in frequencies k, and no length enters. With g = |k| h the tilts are the Riesz
transform of g, and

    sum over photos of w (J . Riesz g + CLOUDY g - s)^2 + PRIOR q^2,  g = band q

is a well-conditioned linear least squares problem for conjugate gradients. The weight w carries the
spread of slopes to expect: large where detail runs in lines, as wrinkles do and spots, pores at
this resolution and noise do not. The atlas is taken as conformal, which on the face it nearly is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.displacement import bounded
from fitme.reflectance.skin import HAEMOGLOBIN, MELANIN

PIGMENT = 0.05  # spread of melanin and haemoglobin in fine detail, units of their axes
GREY_SPOTS, NOISE = 0.02, 0.02  # spread of grey pigment, and of each channel's noise
CLOUDY = 0.2  # log radiance per slope in even light from everywhere
PRIOR = 0.06  # (spread of s over spread of slopes) squared where w is 1
TEXELS = 1024  # the atlas the following lengths are for
FINEST, COARSEST = 1.0, 6.0  # texels: Gaussians between which the band lies
NEARBY = 20  # texels: a neighbourhood in which detail runs in lines or not
POOLED = 5  # its side after pooling
ISOTROPIC, LINES = 0.25, 0.7  # coherence of the structure tensor without and with lines
ORDINARY = 0.4  # share of the skin whose lines are no wrinkles
STRONGEST = 6.0  # times the ordinary variance
STEPS = 10  # of conjugate gradients


def shading_weights() -> Tensor:
    """[3], sum 1: takes the shading out of the log ratio of two colours."""
    melanin, haemoglobin, grey = torch.tensor((MELANIN, HAEMOGLOBIN, (1.0, 1.0, 1.0)))
    spread = PIGMENT**2 * (melanin.outer(melanin) + haemoglobin.outer(haemoglobin))
    spread = spread + GREY_SPOTS**2 * grey.outer(grey) + NOISE**2 * torch.eye(3)
    weights = torch.linalg.solve(spread, grey)
    return weights / weights.sum()


class Tilts:
    """The linear map from q [R,R] to the tilts of a normal map and to g, [3,R,R]; `finest` and
    `coarsest` are texels of the atlas of TEXELS."""

    def __init__(
        self, texels: int, device: torch.device | str = "cpu", finest: float = FINEST,
        coarsest: float = COARSEST,
    ) -> None:  # fmt: skip
        row = torch.fft.fftfreq(texels, device=device)[:, None]
        column = torch.fft.rfftfreq(texels, device=device)[None]
        length = (row.square() + column.square()).sqrt()
        angle = 2 * math.pi * texels / TEXELS * length
        band = (-0.5 * (finest * angle).square()).exp()
        band = band * (1 - (-0.5 * (coarsest * angle).square()).exp())
        unit = band / length.clamp_min(1e-6)
        self.to_height = unit / (2 * math.pi)
        # n = (-dh/du, dh/dv, 1): rows grow with v, which points down, the map's y points up.
        self.kernel = torch.stack([-1j * column * unit, 1j * row * unit, band + 0j])
        self.size = (texels, texels)

    def __call__(self, q: Tensor) -> Tensor:
        """[R,R] -> [3,R,R]."""
        return torch.fft.irfft2(self.kernel * torch.fft.rfft2(q), s=self.size)

    def height(self, q: Tensor) -> Tensor:
        """[R,R] -> heights in texels [R,R], whose slopes are the tilts."""
        return torch.fft.irfft2(self.to_height * torch.fft.rfft2(q), s=self.size)

    def adjoint(self, values: Tensor) -> Tensor:
        """[3,R,R] -> [R,R]."""
        image = (self.kernel.conj() * torch.fft.rfft2(values)).sum(0)
        return torch.fft.irfft2(image, s=self.size)


def relief_tilts(shading: Tensor, response: Tensor, weight: Tensor) -> Tensor:
    """Tilts [R,R,2] of a normal map, x and y at z = 1, that shade as P photos show it.

    Args:
        shading: [P,R,R] natural logarithm, fine detail only; anything where weight is 0.
        response: [P,R,R,2] its change per tilt.
        weight: [P,R,R] in 0..1, how well each photo shows each texel of skin.

    Fades to 0 with the weight, and is nowhere steeper than STEEPEST.
    """
    seen = weight > 0  # nothing that is not skin gets into a sum, however large it is
    shading = torch.where(seen, shading, 0.0)
    response = torch.where(seen[..., None], response, 0.0)
    strength = weight.square() * wrinkled(shading, weight)
    linear = Tilts(shading.shape[-1], shading.device)
    rows = torch.cat([response, torch.full_like(response[..., :1], CLOUDY)], -1)
    rows = rows.movedim(-1, 1)  # [P,3,R,R]
    pairs = torch.einsum("prc,pirc,pjrc->ijrc", strength, rows, rows)
    wanted = torch.einsum("prc,pirc,prc->irc", strength, rows, shading)

    def normal_matrix(q: Tensor) -> Tensor:
        return linear.adjoint((pairs * linear(q)).sum(1)) + PRIOR * q

    q = conjugate_gradients(normal_matrix, linear.adjoint(wanted), STEPS)
    tilt = bounded(linear(q)[:2].movedim(0, -1))
    return tilt * (weight.amax(0) / 0.5).clamp(0, 1)[..., None]


def wrinkled(shading: Tensor, weight: Tensor) -> Tensor:
    """[P,R,R] in 0..STRONGEST: by how much the variance of shading [P,R,R] that runs in lines
    exceeds what the ordinary skin of the same photo has, over the latter; weight [P,R,R].

    Of the structure tensor of a neighbourhood, the difference of the eigenvalues.
    """
    texels = shading.shape[-1]
    linear = Tilts(texels, shading.device)
    few = max(1, round(POOLED * TEXELS / NEARBY))

    def nearby(values: Tensor) -> Tensor:
        small = F.adaptive_avg_pool2d(values[:, None], few)
        for _ in range(2):
            small = F.avg_pool2d(small, POOLED, 1, POOLED // 2, count_include_pad=False)
        return small[:, 0]

    found = []
    for values, seen in zip(shading, weight, strict=True):
        x, y, _ = linear(values * seen)
        xx, yy, xy, share = nearby(torch.stack([x * x, y * y, x * y, seen]))
        lines = ((xx - yy).square() + 4 * xy.square()).sqrt()
        coherence = lines / (xx + yy).clamp_min(1e-12)
        lines = lines / share.square().clamp_min(1e-2)
        usual = lines[share >= 0.5 * share.max()].quantile(ORDINARY)
        excess = (lines / usual.clamp_min(1e-9) - 1).clamp(0, STRONGEST)
        found.append(excess * ((coherence - ISOTROPIC) / (LINES - ISOTROPIC)).clamp(0, 1))
    wide = F.interpolate(torch.stack(found)[:, None], shading.shape[-2:], mode="bilinear")
    return wide[:, 0]


def conjugate_gradients(matrix: Callable[[Tensor], Tensor], target: Tensor, steps: int) -> Tensor:
    """x with matrix(x) = target, for a symmetric positive definite map, after `steps`."""
    x = torch.zeros_like(target)
    residual = direction = target
    square = residual.square().sum()
    for _ in range(steps):
        if float(square) < 1e-12:
            break
        image = matrix(direction)
        step = square / (direction * image).sum()
        x = x + step * direction
        residual = residual - step * image
        before, square = square, residual.square().sum()
        direction = residual + square / before * direction
    return x
