"""What of a photo's detail is folds of its expression: out of the neutral maps, into `Wrinkles`.

Tuning and refinement explain what the photos show: mostly where skin is compressed by the
expression that is folds, whose shading comes and goes with it. Detail of the maps beyond W's own
is divided by the compression of the photos that show it (HiFace, arXiv 2303.11225, tells static
from dynamic detail by the tension likewise): what runs in lines becomes displacement, as far
as the photos' light explains its shading, and their shade. A photo's own render stays what it was.
Where no photo shows compressed skin, folds are the usual ones of `fitme.detail.prior`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.displacement import bounded, integrated, slopes, texel_metres, tilted, tilts
from fitme.detail.wrinkles import STRAIN_TEXELS, Wrinkles, fold_weights, strain_maps
from fitme.fit.observation import masks_of
from fitme.fit.session import COARSE_TEXELS, Session
from fitme.fit.stages.fold_shading import (
    averaged_along,
    banded,
    cavity,
    crease_hue,
    heights_of,
)
from fitme.fit.stages.refine import DARKEST as DARKEST_RADIANCE
from fitme.fit.stages.refine import STEEP_RESPONSE, tilt_responses
from fitme.fit.state import FitState
from fitme.fit.visibility import sample, texel_pixels
from fitme.head.curves import smoothstep
from fitme.head.tension import principal
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import resized
from fitme.render import RenderOutput

# Chosen by the pictures of eight photos and by `benchmarks.detail` on four made people, together.
FOLD_TEXELS = 512  # of maps of folds, at most: half a millimetre a texel
PIXELS = 256  # of crops in which the light's response is measured
COMPRESSED = (0.02, 0.08)  # strain below which nothing is a fold, above which all detail is
INNER = 7  # texels of the regions: width over which broad displacement ends at lips and nostrils
NEAR = 5  # texels of the maps of strain: folds lie beside the skin that is compressed most
SOFT = 5  # texels of the maps of strain, about a centimetre
DARKEST = 1.5  # log of the shade, either way
DEEP = (0.08, 0.2)  # log of the shade of lines: creases that leave nothing to the skin
LONG = (0.5, 0.7)  # of the band that its mean along lines keeps: spots, lines
NARROW_M = 0.002  # half width of such a line
BESIDE_M = 0.007  # from a fold and from its mirror image: dimples
LEAST = 0.004  # share and strain below which the photos tell nothing
TINY = 1e-6  # weight of a photo that shows nothing
UNSEEN = 0.05  # weight below which a photo says nothing of a texel
USUAL = 0.6  # of the depth of the usual folds of a face of 70, for whom no photo shows folds
FLATTER = 0.5  # of the static relief that fully stretched skin loses


@dataclass(frozen=True)
class _Seen:
    """What P photos show of the folds, in maps of r texels."""

    share: Tensor  # [r,r] in 0..1 of the detail that is folds
    fold: Tensor  # [r,r,3] see `Wrinkles`
    response: Tensor  # [r,r,2] log radiance per tilt of the normals
    weight: Tensor  # [r,r] how well it is seen
    pressed: Tensor  # [r,r] compression of what is seen


@torch.no_grad()
def fold_out(
    session: Session, state: FitState, maps: ReflectanceMaps, own: ReflectanceMaps
) -> tuple[ReflectanceMaps, Wrinkles]:
    """The maps [1,R,R,.] of the neutral face, given W's `own`, and what expressions add."""
    head, texels = session.head, maps.diffuse_albedo.shape[1]
    neutral = state.geometry(head).vertices()
    side = min(texels, FOLD_TEXELS)
    metres = texel_metres(head, neutral, side)
    texel = metres.mean(-1)
    seen = _seen(session, state, neutral)
    marked = torch.maximum(session.regions.marked, session.regions.lashes)
    skin = session.regions.skin * (1 - marked)
    clear = _wide(skin, side)
    share = _softened(seen.share, _wide(skin, STRAIN_TEXELS)[0])
    dynamic = _wide(share, side) * clear

    change = resized(maps.diffuse_albedo, side).clamp_min(1e-3).log()
    change = change - resized(own.diffuse_albedo, side).clamp_min(1e-3).log()
    band = banded(change, clear, metres)
    shade = averaged_along(band, metres)
    line = _lines(shade.mean(-1), band.mean(-1), metres)
    shade = torch.lerp(shade, banded(change, clear, metres, fine=False), line)
    shade = (shade * dynamic[..., None]).clamp(-DARKEST, DARKEST)  # to the last bit: no smudges
    tilt = tilts(resized(maps.normal, side)) - tilts(resized(own.normal, side))
    fine = integrated(tilt * dynamic[..., None], metres)
    fine = banded(fine[..., None], clear, metres)[..., 0] * dynamic
    fine_tilt = torch.lerp(bounded(slopes(fine, metres)), tilt, line * dynamic[..., None])
    kept = ReflectanceMaps(
        (maps.diffuse_albedo * resized(-shade, texels).exp()).clamp(0.002, 0.9),
        maps.specular_albedo, tilted(maps.normal, -resized(fine_tilt, texels)),
    )  # fmt: skip

    # What the light explains of the shade is displacement; the shade keeps the rest.
    response = resized(seen.response[None], side)
    broad = heights_of(shade[0].mean(-1), response[0], _wide(seen.weight, side)[0])[None]
    height = fine + broad * texel * dynamic * _wide(_inner(skin), side)
    fold_tilt = bounded(slopes(height, metres))
    guess = (response * (fold_tilt - fine_tilt)).sum(-1, keepdim=True)
    shade = shade - _explained(session, state, kept, (fine_tilt, fold_tilt), guess)

    usual = session.models.usual_folds
    compressed = resized(usual.compressed[:, :, :, None], side)[..., 0]
    # Skin that a photo shows compressed and without a fold folds less than others'.
    smooth = 1 - (seen.pressed / usual.complete).clamp(0, 1)
    compressed = USUAL * _likest(compressed, height, dynamic) * clear * _wide(smooth, side)
    height = height + compressed * (1 - dynamic)
    shade = shade + (cavity(compressed / texel) * (1 - dynamic))[..., None]
    others = fold_weights(usual.angle, usual.complete[..., None])
    shade = crease_hue(shade, resized(kept.diffuse_albedo, side))
    fold = torch.where((share > LEAST)[..., None], seen.fold, others)  # complete in the photo
    rest = integrated(tilts(resized(kept.normal, side)), metres)
    rest = banded(rest[..., None], clear, metres)[..., 0]
    return kept, Wrinkles(height, -FLATTER * rest, shade, fold[None])


def _seen(session: Session, state: FitState, neutral: Tensor) -> _Seen:
    """Compression and light as the photos show them; neutral [1,V,3]."""
    head, posed = session.head, state.posed(session.head)
    strain = strain_maps(head, neutral, posed, STRAIN_TEXELS)
    crops = session.crops(PIXELS, exact=True)
    camera = session.camera(state, crops)
    pixels, weight = texel_pixels(head, posed, camera, STRAIN_TEXELS)
    trusted = masks_of(state.frames.trusted, crops.size)
    weight = weight * sample(trusted[..., None], pixels)[..., 0]
    pressed = (-principal(strain)[1]).clamp_min(0)  # [P,r,r]
    moving = ((pressed - COMPRESSED[0]) / (COMPRESSED[1] - COMPRESSED[0])).clamp(0, 1)
    square = weight.square()
    share = (moving * square).sum(0) / square.sum(0).clamp_min(UNSEEN**2)
    clear = (weight > UNSEEN) | (weight.amax(0) <= UNSEEN)
    most = (pressed * clear).amax(0).clamp_min(LEAST)
    angle = principal((strain * (square * moving + TINY)[..., None]).sum(0))[2]

    def picture(maps: ReflectanceMaps) -> RenderOutput:
        return session.picture(state, posed, camera, maps)

    coarse = session.maps(session.pivot(state), COARSE_TEXELS)
    found = torch.stack(tilt_responses(coarse, picture, picture(coarse)), -1)
    found = sample(found.clamp(-STEEP_RESPONSE, STEEP_RESPONSE), pixels)
    mean = (found * square[..., None]).sum(0) / square.sum(0).clamp_min(UNSEEN**2)[..., None]
    shown = most * (weight.amax(0) > UNSEEN)
    return _Seen(share, fold_weights(angle, most[..., None]), mean, weight.amax(0), shown)


def _likest(examples: Tensor, height: Tensor, dynamic: Tensor) -> Tensor:
    """The one [1,R,R] of examples [E,R,R] that correlates best with heights [1,R,R] where they are
    the photos' own, dynamic [1,R,R]."""
    own = height * dynamic
    if not bool(own.any()):
        return examples[:1]
    likeness = (examples * own).sum((1, 2)) / (examples * dynamic).norm(dim=(1, 2)).clamp_min(1e-9)
    return examples[likeness.argmax()][None]


def _explained(
    session: Session, state: FitState, maps: ReflectanceMaps, tilts: tuple[Tensor, Tensor],
    guess: Tensor,
) -> Tensor:  # fmt: skip
    """By how much the photos' light makes the second tilts [1,R,R,2] of the maps' normals brighter
    than the first, natural logarithm [1,R,R,3] as rendered; `guess` [1,R,R,1] where no photo shows
    the texel."""
    side = guess.shape[1]
    crops = session.crops(side)
    posed, camera = state.posed(session.head), session.camera(state, crops)
    small = ReflectanceMaps(*(resized(value, side) for value in vars(maps).values()))
    pictures = []
    for tilt in tilts:
        shown = replace(small, normal=tilted(small.normal, tilt))
        color = session.picture(state, posed, camera, shown).color
        pictures.append(color.clamp_min(DARKEST_RADIANCE).log())
    pixels, weight = texel_pixels(session.head, posed, camera, side)
    found = sample((pictures[1] - pictures[0]).clamp(-1, 1), pixels)
    total = weight.sum(0)[..., None]
    mean = (found * weight[..., None]).sum(0) / total.clamp_min(UNSEEN)
    return torch.where(total > UNSEEN, mean, guess)


def _lines(along: Tensor, band: Tensor, metres: Tensor) -> Tensor:
    """[1,R,R,1] in 0..1: deep folds and what is NARROW_M beside them, by the band of changes
    [1,R,R] and its mean along lines. Photos show them sharp, and no skin beside them is anything
    else. Dimples at a fold's end are as short as moles, but both sides of a face have them."""
    deep = smoothstep(*DEEP, -along) * smoothstep(*LONG, along / band.clamp_max(-1e-3))
    side, far = (max(1, round(at / float(metres.mean()))) | 1 for at in (NARROW_M, BESIDE_M))
    dark = smoothstep(*DEEP, -band)[:, None]
    paired = dark * F.max_pool2d(dark.flip(-1), far, 1, far // 2)
    paired = paired * F.max_pool2d(deep[:, None], far, 1, far // 2)
    wide = F.max_pool2d(torch.maximum(deep[:, None], paired), side, 1, side // 2)
    for _ in range(2):
        wide = F.avg_pool2d(wide, side, 1, side // 2)
    return wide.movedim(1, -1)


def _inner(clear: Tensor) -> Tensor:
    """A mask [r,r] that falls to 0 inside its edges."""
    return (2 * F.avg_pool2d(clear[None], INNER, 1, INNER // 2)[0] - 1).clamp(0, 1)


def _softened(mask: Tensor, clear: Tensor) -> Tensor:
    """A mask [r,r], wider by about NEAR and without edges that would become cliffs; of what is
    clear [r,r]."""
    near = F.max_pool2d(mask[None], NEAR, 1, NEAR // 2)[0]
    both = torch.stack([near * clear, clear])
    for _ in range(2):
        both = F.avg_pool2d(both, SOFT, 1, SOFT // 2)
    return both[0] / both[1].clamp_min(0.05)


def _wide(mask: Tensor, texels: int) -> Tensor:
    """[r,r] -> [1,R,R]."""
    return resized(mask[None, ..., None], texels)[..., 0]
