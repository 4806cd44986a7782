"""What of a photo's detail is folds of its expression: out of the neutral maps, into `Wrinkles`.

Tuning and refinement explain what the photos show: mostly where skin is compressed by the
expression that is folds, whose shading comes and goes with it. Detail of the maps beyond W's own
is divided by the compression of the photos that show it (HiFace, arXiv 2303.11225, tells static
from dynamic detail by the tension likewise): normals become displacement, and of the albedo what
changes all channels alike and runs along the folds becomes their shade. A photo's own render stays
what it was.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.displacement import bounded, slopes, texel_metres, tilted
from fitme.detail.wrinkles import STRAIN_TEXELS, Wrinkles, fold_weights, strain_maps
from fitme.fit.observation import masks_of
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.fit.visibility import texel_weights
from fitme.head.tension import principal
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import resized

FOLD_TEXELS = 512  # of maps of folds, at most: half a millimetre a texel
COMPRESSED = (0.02, 0.08)  # strain below which nothing is a fold, above which all detail is
FINEST_M, COARSEST_M = 0.0005, 0.012  # Gaussians between which the shade of folds lies
ALONG_M = 0.004  # half length over which a fold is followed; spots are shorter
STEPS_ALONG = 4  # samples on each side
DARKEST = 0.6  # log of the shade, either way
UNSEEN = 0.05  # weight below which a photo says nothing of a texel


@torch.no_grad()
def fold_out(
    session: Session, state: FitState, maps: ReflectanceMaps
) -> tuple[ReflectanceMaps, Wrinkles | None]:
    """The maps [1,R,R,.] of the neutral face, and the folds that the photos' expressions add;
    None where no photo compresses the skin."""
    head, texels = session.head, maps.diffuse_albedo.shape[1]
    neutral = state.geometry(head).vertices()
    posed = state.posed(head)
    strain = strain_maps(head, neutral, posed, STRAIN_TEXELS)
    camera = session.camera(state, session.crops(256))
    trusted = masks_of(state.frames.trusted, camera.height)
    seen = texel_weights(head, posed, camera, trusted, STRAIN_TEXELS)
    pressed = (-principal(strain)[1]).clamp_min(0)  # [P,r,r]
    weight = seen.square()
    total = weight.sum(0)
    moving = ((pressed - COMPRESSED[0]) / (COMPRESSED[1] - COMPRESSED[0])).clamp(0, 1)
    share = (moving * weight).sum(0) / total.clamp_min(UNSEEN**2)
    if not bool((share > 0).any()):
        return maps, None
    most = (pressed * (seen > UNSEEN)).amax(0)
    mean = (strain * (weight * moving)[..., None]).sum(0)
    angle = principal(mean)[2]
    fold = fold_weights(angle, most.clamp_min(COMPRESSED[0])[..., None]) * (share > 0)[..., None]

    side = min(texels, FOLD_TEXELS)
    clear = _wide(session.regions.skin * (1 - session.regions.marked_or_lids), side)
    dynamic = _wide(share, side) * clear
    metres = texel_metres(head, neutral, side)
    base = session.own_w_maps(state, side)
    change = resized(maps.diffuse_albedo, side).clamp_min(1e-3).log()
    change = change - base.diffuse_albedo.clamp_min(1e-3).log()
    shade = _along(_band(change, clear, metres), angle, metres) * dynamic[..., None]
    shade = DARKEST * (shade / DARKEST).tanh()
    tilt = _tilts(resized(maps.normal, side)) - _tilts(base.normal)
    height = integrated(tilt * dynamic[..., None]) * metres.mean(-1)
    height = _band(height[..., None], clear, metres)[..., 0] * dynamic
    tilt = resized(bounded(slopes(height, metres)), texels)
    kept = ReflectanceMaps(
        (maps.diffuse_albedo * resized(-shade, texels).exp()).clamp(0.002, 0.9),
        maps.specular_albedo, tilted(maps.normal, -tilt),
    )  # fmt: skip
    return kept, Wrinkles(height, torch.zeros_like(height), shade, fold[None])


def integrated(tilt: Tensor) -> Tensor:
    """Heights [B,R,R] in texels whose slopes are nearest to the tilts [B,R,R,2] of a normal map
    (Frankot and Chellappa 1988)."""
    side = tilt.shape[1]
    row = torch.fft.fftfreq(side, device=tilt.device)[:, None] * 2 * math.pi
    column = torch.fft.rfftfreq(side, device=tilt.device)[None] * 2 * math.pi
    x, y = torch.fft.rfft2(-tilt[..., 0]), torch.fft.rfft2(tilt[..., 1])
    square = (row.square() + column.square()).clamp_min(1e-9)
    found = (-1j * column * x - 1j * row * y) / square
    found[:, 0, 0] = 0
    return torch.fft.irfft2(found, s=(side, side))


def _tilts(normal: Tensor) -> Tensor:
    """Normals [...,3] -> [...,2] at z = 1."""
    return normal[..., :2] / normal[..., 2:].clamp_min(0.1)


def _wide(mask: Tensor, texels: int) -> Tensor:
    """[r,r] -> [1,R,R]."""
    return resized(mask[None, ..., None], texels)[..., 0]


def _band(values: Tensor, clear: Tensor, metres: Tensor) -> Tensor:
    """Values [1,R,R,C] between FINEST_M and COARSEST_M, of what is clear [1,R,R]."""
    texels = clear.shape[-1]
    texel = float(metres.mean(-1)[clear[0] > 0.5].mean())
    both = torch.cat([values * clear[..., None], clear[..., None]], -1)
    fine = _gauss(both, FINEST_M / texel)
    few = max(32, round(4 * texels * texel / COARSEST_M))
    coarse = resized(_gauss(resized(both, few), few * COARSEST_M / (texel * texels)), texels)
    fine, coarse = (part[..., :-1] / part[..., -1:].clamp_min(0.05) for part in (fine, coarse))
    return (fine - coarse) * clear[..., None]


def _gauss(images: Tensor, sigma: float) -> Tensor:
    """Images [1,R,R,C] blurred by `sigma` pixels."""
    reach = max(1, math.ceil(3 * sigma))
    at = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = (-0.5 * (at / sigma).square()).exp()
    kernel = kernel / kernel.sum()
    wide = F.pad(images.movedim(-1, 0), (reach,) * 4, mode="replicate")
    wide = F.conv2d(wide, kernel.view(1, 1, -1, 1))
    return F.conv2d(wide, kernel.view(1, 1, 1, -1)).movedim(0, -1)


def _along(values: Tensor, angle: Tensor, metres: Tensor) -> Tensor:
    """Values [1,R,R,C] averaged along the folds, which are at right angles to `angle` [r,r]: what is
    longer than it is wide stays."""
    texels = values.shape[1]
    double = torch.stack([(2 * angle).cos(), (2 * angle).sin()], -1)
    double = resized(double[None], texels)[0]
    wide = 0.5 * torch.atan2(double[..., 1], double[..., 0])
    turn = torch.stack([-wide.sin(), wide.cos()], -1)  # along (u, v)
    step = ALONG_M / STEPS_ALONG * turn / metres * (2 / texels)
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
