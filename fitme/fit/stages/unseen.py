"""What tuning did where no photo shows skin: the generator's fine detail there is made up.

Tuned layers are shared by the whole atlas: a shadow at the edge of what is seen becomes a row of
spots beyond it. Where neither a texel nor its mirror image is seen, the change of the tuned maps
against W's own is replaced by the smooth mean of the change nearby. And beside what covers the
skin, hair above all, its shadow and its stray strands become flecks: there bare skin may change as
little in its fine detail as skin does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.observation import masks_of
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.fit.visibility import feathered, pixels_of, sample, texel_pixels, texel_weights
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import resized
from fitme.reflectance.means import window_mean

TEXELS = 256  # of the mask of what is seen
NEARBY = 1 / 12  # of the atlas: how far the change of what is seen is carried on
FULL = 0.05  # weight of a texel from which its detail is its own; 0.35 cost 0.15 dB on photos
RIM = 1 / 16  # of the crop: how far from what is not skin its shadows and strands reach
FLECKS = 0.05  # log: fine detail that bare skin there may have beyond W's own
BROAD_TEXELS = 20  # of TEXELS, twice over: what is broader is no fleck, about 15 mm
LITTLE = 0.02  # weight of the overall change in the mean


@torch.no_grad()
def settle_unseen(
    session: Session, state: FitState, maps: ReflectanceMaps, own: ReflectanceMaps
) -> ReflectanceMaps:
    """The tuned maps [1,R,R,.], with W's `own` detail where nothing is seen."""
    seen = _wide(seen_texels(session, state), maps.diffuse_albedo.shape[1])
    shown = (torch.maximum(seen, seen.flip(2)) / FULL).clamp(0, 1)
    log = own.diffuse_albedo.clamp_min(1e-3).log()
    change = maps.diffuse_albedo.clamp_min(1e-3).log() - log
    change = without_flecks(change, _wide(_rim(session, state), change.shape[1]))
    albedo = (log + torch.lerp(_carried(change, shown), change, shown)).exp()
    return ReflectanceMaps(
        albedo.clamp(0.002, 0.9),
        torch.lerp(own.specular_albedo, maps.specular_albedo, shown),
        F.normalize(torch.lerp(own.normal, maps.normal, shown), dim=-1),
    )


def seen_texels(session: Session, state: FitState) -> Tensor:
    """[r,r] in 0..1: how well the photos show each texel's skin, less a soft edge, which brows,
    lips and lids do not have."""
    trusted = state.frames.trusted
    crops = session.crops(trusted.shape[-1], exact=True)
    trusted = masks_of(trusted, crops.size)
    marked = pixels_of(session.view(state, crops), session.regions.marked_or_lids)
    soft = torch.lerp(feathered(trusted), trusted, marked)
    vertices, camera = state.posed(session.head), session.camera(state, crops)
    seen = texel_weights(session.head, vertices, camera, soft, TEXELS).amax(0)
    return seen * resized(session.regions.skin[None, ..., None], TEXELS)[0, ..., 0]


def _rim(session: Session, state: FitState) -> Tensor:
    """[r,r] in 0..1: bare skin near what the photos show that is no skin."""
    crops = session.crops(state.frames.trusted.shape[-1], exact=True)
    trusted = masks_of(state.frames.trusted, crops.size)
    vertices, camera = state.posed(session.head), session.camera(state, crops)
    pixels, weight = texel_pixels(session.head, vertices, camera, TEXELS)
    inner = sample(feathered(trusted, RIM)[..., None], pixels)[..., 0]
    inner = (inner * (weight > 0)).amax(0)
    marked = F.max_pool2d(session.regions.marked_or_lids[None], 5, 1, 2)
    bare = session.regions.skin * (1 - marked[0])
    return (1 - inner) * resized(bare[None, ..., None], TEXELS)[0, ..., 0]


def without_flecks(change: Tensor, rim: Tensor) -> Tensor:
    """A change [1,R,R,3] whose fine detail is bounded where `rim` [1,R,R,1]."""
    coarse = resized(change, TEXELS).movedim(-1, 1)
    for _ in range(2):
        coarse = window_mean(coarse, BROAD_TEXELS + 1, BROAD_TEXELS + 1)
    coarse = resized(coarse.movedim(1, -1), change.shape[1])
    fine = change - coarse
    return coarse + torch.lerp(fine, FLECKS * (fine / FLECKS).tanh(), rim)


def _carried(change: Tensor, shown: Tensor) -> Tensor:
    """Smooth mean of a change [1,R,R,3] of what is shown [1,R,R,1], everywhere; that of all that is
    shown where nothing near is."""
    overall = (change * shown).sum((1, 2)) / shown.sum((1, 2)).clamp_min(1)
    few = round(4 / NEARBY)
    both = resized(torch.cat([change * shown, shown], -1), few).movedim(-1, 1)
    for _ in range(3):
        both = F.avg_pool2d(both, 3, 1, 1, count_include_pad=False)
    mean = (both[:, :-1] + LITTLE * overall[..., None, None]) / (both[:, -1:] + LITTLE)
    return resized(mean.movedim(1, -1), change.shape[1])


def _wide(mask: Tensor, texels: int) -> Tensor:
    """[r,r] -> [1,R,R,1]."""
    return resized(mask[None, ..., None], texels)
