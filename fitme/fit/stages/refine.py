"""Last texel refinement: fine detail that the photos show and the tuned generator lacks.

Lashes, single moles, the edge of a brow. In closed form: where a texel is seen, the photo over
the render, as a ratio of diffuse albedos under the estimated light. Only what is finer than a
few centimetres is taken over, so that errors of the light stay out of the albedo, and never more
than a stop. Before that, wrinkles of bare skin go into the normals (`fitme.fit.stages.relief`), as
far as the photo's colours and pixels tell them from pigment; the albedo takes the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.displacement import tilted
from fitme.fit.observation import Crops, masks_of
from fitme.fit.ratio import albedo_ratio, mean_within, shading
from fitme.fit.session import Session
from fitme.fit.stages.relief import relief_tilts, shading_weights
from fitme.fit.stages.tints import even_lips, skin_chroma
from fitme.fit.state import FitState
from fitme.fit.visibility import depth_of, feathered, pixels_of, sample, texel_pixels
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import ambient_visibility
from fitme.reflectance.means import box_mean
from fitme.reflectance.regions import AtlasRegions
from fitme.render import RenderOutput

COARSE = 1 / 14  # of the crop: detail above this size is the generator's and the light's
LIGHTER = (0.15, 0.4)  # of the mean log ratio; highlights must not be painted on, hairs may be
HAIRS = 1 / 200  # of the atlas: what is finer is no highlight
DARKER = (0.6, 1.5)  # of skin, and of brows, lips and lids with lashes
CHROMA = 1.0  # of the log ratio less its mean, of what is made up; of skin see `skin_chroma`
FULL = (0.5, 0.2)  # weight at which a texel takes all of its detail; of skin and lips, brows, lids
RIM = 1 / 340  # of the atlas: where detail fades before what is not seen; twice cost 0.1 dB
PASSES = 2  # what is between texels and pixels is left over from the first
GRAIN = 0.08  # log ratios of bare skin that its mirror image may share
OWN = 0.95  # how much less what is no bare skin says about the light's errors
OPEN = (0.55, 0.75)  # ambient visibility: deeper in creases darkness is shadow, not pigment
RELIEF_COARSE = 1 / 50  # of the crop: coarser shading is the mesh's and the light's
TILT = 0.1  # of normals, whose effect on the picture is the shading's response
STEEP_RESPONSE = 3.0  # log radiance per tilt; beyond it the picture is not linear in the tilt
DARKEST = 0.004  # linear radiance
HAIRY = 0.3  # log contrast in fine detail above which it is hair and not skin
HAIR = (-0.4, -0.15)  # log albedo against bare skin: hair, skin
HAIR_SPREAD = 0.03  # of the atlas: hair is where much of the skin is dark
RESOLVED_M = (0.0011, 0.0007)  # sides of pixels too large and small enough for relief
MARGIN_M = 0.0035  # around eyes and mouth
JUMP_M = 0.012  # depth range within 5 pixels at which one part of the face hides another


@torch.no_grad()
def refine(session: Session, state: FitState, maps: ReflectanceMaps) -> ReflectanceMaps:
    """maps [1,R,R,.] with the photos' fine detail in the diffuse albedo and, where the settings
    have relief, what of it is shading in the normals."""
    settings, head, regions = session.settings.refine, session.head, session.regions
    relief = settings.relief and session.settings.normals
    frames, trusted = state.frames, state.frames.trusted
    texels = maps.diffuse_albedo.shape[1]
    crops = session.crops(settings.pixels)
    size = crops.size
    vertices, camera = state.posed(head), session.camera(state, crops)

    def picture(shown: ReflectanceMaps) -> RenderOutput:
        return session.picture(state, vertices, camera, shown, eye_texels=256)

    out = picture(maps)
    own = pixels_of(out, regions.marked_or_lids)
    # Make-up would else end in a cliff where hair begins.
    soft = masks_of(feathered(trusted), size)
    trust = torch.lerp(masks_of(_eroded(trusted), size), soft, own)
    trust = trust * (out.part == 0) * (shading(out).amin(-1) > 0.05) * ~_jumps(out.rast)
    pixels, weight = texel_pixels(head, vertices, camera, texels)
    weight = weight * _wide(regions.skin, texels)
    open_skin = unhidden(ambient_visibility(head, regions.size))
    weight = weight * _wide(torch.maximum(open_skin, regions.lids), texels)
    metres = frames.translation[:, 2] / camera.K[:, 0, 0]  # a pixel's side
    told = _informative(crops, metres)[:, None, None]
    if relief and told.any():
        clear = trust * told * _clear(out.part, metres)
        bare = weight * _bare(maps, regions)
        maps = replace(maps, normal=_relief(maps, picture, out, crops.pixels, clear, pixels, bare))
        out = picture(maps)

    marked, painted = (_wide(mask, texels) for mask in (regions.marked_or_lids, regions.lips))
    # Lips bend away to where they meet: what is seen of that is the dark line between them.
    full = FULL[0] + (FULL[1] - FULL[0]) * marked * (1 - painted)
    sure = sample(trust[..., None], pixels)[..., 0]
    found, weight = sure * (weight / full).clamp(0, 1), weight * sure
    confidence = torch.lerp((weight / full).clamp(0, 1), found, marked)
    confidence = _inside(confidence.amax(0))
    share = weight.square() / weight.square().sum(0).clamp_min(1e-6)
    skin = trust * (1 - OWN * own)
    wanted, albedo = torch.zeros_like(maps.diffuse_albedo[0]), maps.diffuse_albedo
    for again in range(PASSES):
        if again:
            out = picture(replace(maps, diffuse_albedo=albedo))
        ratio = albedo_ratio(out, crops)
        fine = ratio - mean_within(ratio, skin, COARSE * size)
        wanted = wanted + (sample(fine, pixels) * share[..., None]).sum(0)
        coarse = _blurred(wanted.movedim(-1, 0), round(HAIRS * texels)).movedim(0, -1)
        detail = limited(coarse, marked, painted)
        detail = detail + limited(wanted - coarse, marked, painted, LIGHTER[1])
        albedo = maps.diffuse_albedo * mirrored(detail, confidence, marked).exp()
        albedo = albedo.clamp(0.002, 0.9)
    bare_skin = _wide(regions.bare, texels)
    albedo = even_lips(albedo[0], painted, confidence, bare_skin)[None].clamp(0.002, 0.9)
    return ReflectanceMaps(albedo, maps.specular_albedo, maps.normal)


def _relief(
    maps: ReflectanceMaps, picture: Callable[[ReflectanceMaps], RenderOutput], out: RenderOutput,
    photo: Tensor, trust: Tensor, pixels: Tensor, weight: Tensor,
) -> Tensor:  # fmt: skip
    """Normals [1,R,R,3] whose slopes shade as the photos do.

    `picture` renders maps, `out` is that of `maps`; photo [P,n,n,3] and trust [P,n,n] in pixels,
    pixels [P,R,R,2] and weight [P,R,R] of the texels.
    """
    grey = shading_weights().to(out.color)
    before = out.color.clamp_min(DARKEST).log()
    responses = tilt_responses(maps, picture, out)
    coarse = RELIEF_COARSE * photo.shape[1]
    photo = photo.clamp_min(DARKEST).log()
    both = torch.cat([(photo - before).clamp(-1.5, 1.0), photo], -1)
    both = both - mean_within(both, trust, coarse)
    ratio, own = both[..., :3] @ grey, both[..., 3:] @ grey
    # Detail of the generator that the photo has not is no relief with the sign turned.
    fine = torch.where(ratio * own > 0, ratio.sign() * torch.minimum(ratio.abs(), own.abs()), 0.0)
    contrast = _blurred((both[..., :3].mean(-1) * trust).square(), round(coarse / 2)).sqrt()
    trust = trust / (1 + (contrast / HAIRY) ** 4)
    found = sample(torch.stack([fine, *responses, trust], -1), pixels)
    response = found[..., 1:3].clamp(-STEEP_RESPONSE, STEEP_RESPONSE)
    tilt = relief_tilts(found[..., 0], response, weight * found[..., 3])
    return tilted(maps.normal, tilt[None])


def tilt_responses(
    maps: ReflectanceMaps, picture: Callable[[ReflectanceMaps], RenderOutput], out: RenderOutput
) -> list[Tensor]:
    """Changes of log radiance [P,n,n] per tilt of the maps' normals along x and along y; `out` is
    the picture of the maps."""
    grey = shading_weights().to(out.color)
    before = out.color.clamp_min(DARKEST).log()
    responses = []
    for axis in (0, 1):
        tilt = maps.normal.new_zeros(2)
        tilt[axis] = TILT
        color = picture(replace(maps, normal=tilted(maps.normal, tilt))).color
        responses.append((color.clamp_min(DARKEST).log() - before) @ grey / TILT)
    return responses


def limited(fine: Tensor, marked: Tensor, painted: Tensor, lighter: float = LIGHTER[0]) -> Tensor:
    """Log ratios [...,3], smoothly kept within what skin's fine detail may be. It may be darker
    where `marked` [...], brows, lips and lids, and of more colour where `painted` [...]."""

    def between(limits: tuple[float, float], mask: Tensor) -> Tensor:
        return (limits[0] + (limits[1] - limits[0]) * mask)[..., None]

    grey = fine.mean(-1, keepdim=True)
    free = CHROMA * ((fine - grey) / CHROMA).tanh()
    chroma = torch.lerp(skin_chroma(fine), free, painted[..., None])
    bound = torch.where(grey < 0, between(DARKER, marked), lighter)
    return bound * (grey / bound).tanh() + chroma


def mirrored(detail: Tensor, confidence: Tensor, marked: Tensor) -> Tensor:
    """Log ratios [R,R,3] as far as they are sure, [R,R] in 0..1; where they are not, the mirror
    image's as far as it is: the two sides of a face are alike. Of bare skin, which is not `marked`
    [R,R], grain but neither shadows nor moles."""
    own = detail * confidence[..., None]
    other = detail.flip(1)
    grain = GRAIN * (other / GRAIN).tanh()
    other = torch.lerp(grain, other, marked[..., None])
    return own + other * ((1 - confidence) * confidence.flip(1))[..., None]


def unhidden(visible: Tensor) -> Tensor:
    """Ambient visibility -> 0..1: 0 in creases, whose darkness is shadow."""
    return ((visible - OPEN[0]) / (OPEN[1] - OPEN[0])).clamp(0, 1)


def _bare(maps: ReflectanceMaps, regions: AtlasRegions) -> Tensor:
    """[R,R] in 0..1: skin without brows, lips and hair; hair is what is far darker than skin."""
    dark = maps.diffuse_albedo.clamp_min(1e-3).log().mean(-1)
    dark = F.adaptive_avg_pool2d(dark, regions.size)
    known = dark[0][regions.bare > 0.5]
    if not len(known):  # a head without regions: what is skin of it nobody knows
        return dark.new_zeros((maps.diffuse_albedo.shape[1],) * 2)
    dark = dark - known.median()
    dark = _blurred(dark, round(regions.size * HAIR_SPREAD))[0]
    skin = ((dark - HAIR[0]) / (HAIR[1] - HAIR[0])).clamp(0, 1)
    marked = F.max_pool2d(regions.marked[None], 5, 1, 2)[0]
    return _wide(skin * (1 - marked), maps.diffuse_albedo.shape[1])


def _blurred(images: Tensor, side: int) -> Tensor:
    """Images [P,n,n], twice averaged over squares of about `side` pixels."""
    for _ in range(2):
        images = box_mean(images[:, None], (side | 1) // 2)[:, 0]
    return images


def _informative(crops: Crops, metres: Tensor) -> Tensor:
    """[P]: 1 for photos whose colours and pixels tell wrinkles from spots."""
    sharp = ((RESOLVED_M[0] - metres) / (RESOLVED_M[0] - RESOLVED_M[1])).clamp(0, 1)
    return sharp * (~crops.gray).to(sharp)


def _clear(part: Tensor, metres: Tensor) -> Tensor:
    """[P,n,n]: 0 near what is not skin, such as eyes with their lashes; part [P,n,n]."""
    clear = []
    for image, side in zip((part != 0).float(), metres, strict=True):
        reach = max(1, round(MARGIN_M / float(side)))
        other = F.max_pool2d(image[None, None], 2 * reach + 1, 1, reach)
        clear.append(1 - F.avg_pool2d(other, 2 * reach + 1, 1, reach)[0, 0])
    return torch.stack(clear)


def _inside(confidence: Tensor) -> Tensor:
    """[R,R] that falls to 0 within RIM of where nothing is seen, without cliffs."""
    reach = max(1, round(0.5 * RIM * len(confidence)))
    soft = _blurred((confidence > 0.02).to(confidence)[None], 2 * reach + 1)[0]
    return confidence * (2 * soft - 1).clamp(0, 1)


def _eroded(trusted: Tensor) -> Tensor:
    """Masks [P,n,n] without the rim where hair begins: half-trusted pixels are not painted on."""
    reach = max(1, trusted.shape[-1] // 64)
    least = -F.max_pool2d(-trusted[:, None], 2 * reach + 1, 1, reach)[:, 0]
    return (2 * least - 1).clamp(0, 1)


def _wide(mask: Tensor, texels: int) -> Tensor:
    """A mask [r,r] of the atlas as [texels,texels]."""
    return F.interpolate(mask[None, None], (texels, texels), mode="bilinear")[0, 0]


def _jumps(rast: Tensor) -> Tensor:
    """[P,n,n] bool: pixels near which one part of the face hides another. There the head and the
    photo never agree to the pixel, and the difference would become a line on the skin."""
    jumps = []
    for image in rast:
        depth = depth_of(image)[None, None]
        farthest = F.max_pool2d(depth, 5, 1, 2)
        nearest = -F.max_pool2d(-depth, 5, 1, 2)
        jumps.append(F.max_pool2d((farthest - nearest > JUMP_M).float(), 5, 1, 2)[0, 0] > 0)
    return torch.stack(jumps)
