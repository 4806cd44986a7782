"""Neck, nape and crown: where the atlas is stretched and no photo says much.

A texel is there up to ten times as long as wide, and the generator's grain, which knows the atlas
only, became streaks. It is replaced by grain that follows the surface. The outermost texels, which
the generator fades, were a pale seam from crown to nape: they mirror what lies further in, and both
sides end in the same colour.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.displacement import texel_metres
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.head.curves import smoothstep
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import bake_vertex_field, resized
from fitme.reflectance.grain import grain
from fitme.reflectance.means import window_mean

FADED = 1 / 170  # of the atlas: width of the border that the generator fades
MEETING = 1 / 12  # of the atlas: width over which the two sides come to one colour
STRETCHED = (1.6, 2.6)  # length over width of texels: grain is the generator's, or the surface's
SMOOTH = 1 / 100  # of the atlas: what is finer is grain
FINE_M, COARSE_M = 0.0016, 0.006  # sizes of grain; the fine only where texels resolve it
SKIN, HAIR = 0.035, 0.09  # log contrast of the grain
HAIR_LONG = 0.2  # along which axis, upwards, hair's grain is drawn out
FLAT = 0.8  # of the normals there, which were streaks as well
PLACE_TEXELS = 512  # of maps of places on the surface


@torch.no_grad()
def draw_backs(session: Session, state: FitState, maps: ReflectanceMaps) -> ReflectanceMaps:
    """Maps [1,R,R,.] without seam and streaks off the face."""
    head, regions = session.head, session.regions
    texels = maps.diffuse_albedo.shape[1]
    neutral = state.geometry(head).vertices()
    metres = texel_metres(head, neutral, texels)
    place = bake_vertex_field(head, head.mean, PLACE_TEXELS)
    place = resized(place[None], texels)[0]
    long = metres.amax(-1)
    off = resized(1 - regions["face"][None, ..., None], texels)[..., 0]
    weight = (off * smoothstep(*STRETCHED, long / metres.amin(-1)))[..., None]
    log = maps.diffuse_albedo.clamp_min(1e-3).log()
    log = torch.lerp(log, _bordered(log), off[..., None])
    normal = torch.lerp(maps.normal, _mirrored(maps.normal), off[..., None])
    specular = torch.lerp(maps.specular_albedo, _bordered(maps.specular_albedo), off[..., None])
    wide = (metres[..., 0] > metres[..., 1])[None, ..., None]

    def smoothed(image: Tensor) -> Tensor:
        """Streaks run along the longer sides of texels: the mean across them."""
        return torch.where(wide, _blurred(image, down=True), _blurred(image, down=False))

    hair = resized(regions.scalp[None, ..., None], texels)
    drawn = place * place.new_tensor((1.0, HAIR_LONG, 1.0))
    fine = smoothstep(FINE_M, 0.5 * FINE_M, long)
    shown = weight[0, ..., 0] > 0  # to make grain is slow
    skin, long_grain = (_grain(where[shown], fine[shown]) for where in (place, drawn))
    noise = torch.zeros_like(fine)
    noise[shown] = torch.lerp(skin, long_grain, hair[0, ..., 0][shown])
    noise = (SKIN + (HAIR - SKIN) * hair) * noise[None, ..., None]
    flat = torch.zeros_like(normal)
    flat[..., 2] = 1
    return ReflectanceMaps(
        torch.lerp(log, smoothed(log) + noise, weight).exp().clamp(0.002, 0.9),
        torch.lerp(specular, smoothed(specular), weight),
        F.normalize(torch.lerp(normal, flat, FLAT * weight), dim=-1),
    )


def _grain(place: Tensor, fine: Tensor) -> Tensor:
    """[N] of places [N,3]; fine grain where `fine` [N] is 1."""
    return 0.7 * grain(place, COARSE_M, 2) + 0.7 * fine * grain(place, FINE_M, 1, seed=7)


def _mirrored(image: Tensor) -> Tensor:
    """An image [1,R,R,C] whose border mirrors what lies inside of it."""
    width = max(1, round(FADED * image.shape[1]))
    inside = image[:, width:-width, width:-width].movedim(-1, 1)
    return F.pad(inside, (width,) * 4, mode="reflect").movedim(1, -1)


def _bordered(image: Tensor) -> Tensor:
    """`_mirrored`, and of one smooth colour where its left and right ends meet at the nape."""
    image = _mirrored(image)
    texels = image.shape[1]
    smooth = _blurred(image, down=True)
    apart = 0.5 * (smooth[:, :, -1:] - smooth[:, :, :1])
    width = max(2, round(MEETING * texels))
    fade = 1 - smoothstep(0.0, 1.0, torch.arange(texels).to(image) / width)
    fade = (fade - fade.flip(0))[None, None, :, None]
    return image + apart * fade


def _blurred(image: Tensor, down: bool) -> Tensor:
    """An image [1,R,R,C], twice averaged over SMOOTH along its columns, or else its rows."""
    reach = max(1, round(0.5 * SMOOTH * image.shape[1]))
    side = (2 * reach + 1, 1) if down else (1, 2 * reach + 1)
    image = image.movedim(-1, 1)
    for _ in range(2):
        image = window_mean(image, *side)
    return image.movedim(1, -1)
