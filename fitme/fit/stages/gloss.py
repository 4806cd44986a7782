"""Highlights that the photos show and their renders lack go into the specular albedo.

They are masked while the diffuse albedo is found (`fitme.fit.evidence.highlights`). Where the light
that the fit has found makes the render shine, the photo's gloss over the render's says how much
more the skin there reflects: least squares over soft neighbourhoods of the atlas, drawn to what the
generator makes. Oil, sweat and make-up raise F0 little (from 0.028 to 0.035 to 0.045) and fill the
skin's furrows, which narrows the lobe and brightens its middle; both are one factor here, of at
most MOST. Of it as much is kept as brings the render nearest to the photos: a lamp that is not
where it was makes gloss where there was none.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fitme.fit.evidence.lamps import miss, missing_gloss
from fitme.fit.ratio import shading
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.fit.visibility import sample, texel_pixels
from fitme.image.color import luminance
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import resized
from fitme.reflectance.means import window_mean

PIXELS = 256  # of the crops
TEXELS = 128  # of the maps that this is found on
NEARBY = 1 / 20  # of the atlas: width of a neighbourhood
MOST = 2.4  # factor of the specular albedo
# Specular radiance of the render whose square weighs as much as what is thought of a place
# beforehand: a forehead in soft light has 0.02 to 0.03, under a flash 0.1.
SURE = 0.03
SHARES = (1.0, 0.7, 0.4)  # of what was found, that are compared with none of it
# Times the square error without, below which a share is kept.
BETTER = 0.998


@torch.no_grad()
def shine(session: Session, state: FitState, maps: ReflectanceMaps) -> ReflectanceMaps:
    """maps [1,R,R,.] whose specular albedo is raised where photos in colour show highlights."""
    crops = session.crops(PIXELS)
    if not session.settings.specular or bool(crops.gray.all()):
        return maps
    vertices, camera = state.posed(session.head), session.camera(state, crops)
    out = session.picture(state, vertices, camera, maps)
    missing, known = missing_gloss(session, state, out, crops)
    missing, own = missing * luminance(shading(out)), luminance(out.specular)
    pixels, weight = texel_pixels(session.head, vertices, camera, TEXELS)
    plain = session.regions.skin * (1 - session.regions.marked_or_lids)
    weight = weight * resized(plain[None, ..., None], TEXELS)[..., 0]
    parts = sample(torch.stack([missing * own * known, own.square() * known, known], -1), pixels)
    more = lacking((parts * weight[..., None]).sum(0)).clamp(0, MOST - 1)
    more = resized(more[None, ..., None], maps.specular_albedo.shape[1])
    more = more * (1 - resized(session.regions.lips[None, ..., None], more.shape[1]))
    best, least = maps, BETTER * miss(out, crops, known).sum()
    for share in SHARES if float(more.max()) > 0 else ():
        shining = replace(maps, specular_albedo=maps.specular_albedo * (1 + share * more))
        drawn = session.picture(state, vertices, camera, shining)
        found = miss(drawn, crops, known).sum()
        if found < least:
            best, least = shining, found
    return best


def lacking(sums: Tensor) -> Tensor:
    """[R,R]: what the specular albedo lacks, as a share of it, from sums over the photos [R,R,3] of
    missing times own gloss, own gloss squared, and how well both are known. Both sides of a face
    are alike: what only one shows is half believed of the other."""
    sums = sums + 0.5 * sums.flip(1)
    side = round(NEARBY * len(sums)) | 1
    near = sums.movedim(-1, 0)[None]
    for _ in range(3):
        near = window_mean(near, side, side)
    missing, own, known = near[0]
    before = SURE**2 * known.clamp_min(0.05)
    return missing / (own + before)
