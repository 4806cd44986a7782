"""Where a photo shows gloss that the skin model has not, or nothing but white.

Skin reflects in two ways (Shafer, "Using color to separate reflection components", 1985): through
pigment, which has the skin's colour, and off its surface, which has the light's. A pixel that has
much more of the latter than its render is a highlight of sweat, oil or make-up under a flash, and
tells no more of the pigment below than that it is not brighter. A clipped one tells as little.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.observation import Crops, display
from fitme.fit.ratio import shading
from fitme.fit.visibility import pixels_of
from fitme.head.curves import smoothstep
from fitme.image.color import luminance
from fitme.reflectance.means import window_mean
from fitme.reflectance.regions import AtlasRegions
from fitme.render import RenderOutput

# Gloss beyond the render's and the face's own, of what a white card in that place reflects: none,
# surely a highlight. A forehead under a flash came to 0.2 and more; with 0.05 and 0.11 a sixth of
# two faces in soft light did not count.
GLOSS = (0.12, 0.22)
WETTER = 2.0  # how much surer gloss on lips is a highlight
BRIGHTER = (0.02, 0.07)  # display units over the render's diffuse part: highlights are no shade
CLIPPED = (0.93, 0.985)  # display units of the second brightest channel: told, clipped
SKIN = (0.3, 0.8)  # of the face's region: none, skin
LEAST_LIGHT = 0.05  # radiance of a white card, below which nothing shines
ALIKE = 0.01  # squared sine between skin's colour and the light's, below which none is told apart
SMOOTH, NEAR = 1 / 128, 1 / 128  # of the crop: noise; how far a highlight's edge reaches


@torch.no_grad()
def dull_pixels(regions: AtlasRegions, out: RenderOutput, crops: Crops, face: Tensor) -> Tensor:
    """[P,n,n] in 0..1: 0 where the photos show highlights that their renders have not; face
    [P,n,n] weighs the pixels that tell how glossy the skin is overall."""
    bare = _bare(regions, out)
    clipped = smoothstep(*CLIPPED, crops.display.median(-1).values) * bare
    _, shines = highlights(regions, out, crops, face)
    return 1 - _softened(torch.maximum(shines, clipped), bare)


@torch.no_grad()
def highlights(
    regions: AtlasRegions, out: RenderOutput, crops: Crops, face: Tensor
) -> tuple[Tensor, Tensor]:
    """[P,n,n] each: gloss of the photos beyond that of the render and of the face overall, of what
    a white card in that place reflects; and how surely that is a highlight, 0..1. face [P,n,n] as
    `dull_pixels` takes it."""
    bare = _bare(regions, out)
    more = gloss(crops.pixels, out) - gloss(out.color, out)
    more = more * (1 + (WETTER - 1) * pixels_of(out, regions.lips))
    brighter = (crops.display - display(out.diffuse, crops.gray)).mean(-1)
    beyond = []
    for own, within in zip(more, face * bare, strict=True):
        known = own[within > 0.5]
        beyond.append(own - (known.median() if len(known) else own.new_zeros(())))
    found = torch.stack(beyond)
    shines = smoothstep(*GLOSS, found) * smoothstep(*BRIGHTER, brighter) * bare
    return found, shines * (~crops.gray).to(bare)[:, None, None]


def _bare(regions: AtlasRegions, out: RenderOutput) -> Tensor:
    """[P,n,n] in 0..1: skin without brows and lids."""
    plain = (1 - torch.maximum(regions.brows, regions.lids)) * regions.skin
    return smoothstep(*SKIN, pixels_of(out, plain))


def gloss(color: Tensor, out: RenderOutput) -> Tensor:
    """[P,n,n]: how much of linear colours [P,n,n,3] has the light's colour and not that of the
    render's skin under it, over what a white card there reflects; of gray photos nonsense."""
    smooth = max(1, round(SMOOTH * color.shape[1])) | 1
    color, skin, light = (_blurred(v, smooth) for v in (color, out.diffuse, shading(out)))
    white = luminance(light).clamp_min(LEAST_LIGHT)
    both = [F.normalize(value, dim=-1) for value in (skin, light)]
    cosine = (both[0] * both[1]).sum(-1)
    along_skin, along_light = ((color * axis).sum(-1) for axis in both)
    apart = (1 - cosine.square()).clamp_min(ALIKE)
    share = (along_light - cosine * along_skin) / apart
    return share * luminance(both[1]) / white


def _softened(found: Tensor, within: Tensor) -> Tensor:
    """Masks [P,n,n], wider by about NEAR and smooth."""
    side = max(1, round(NEAR * found.shape[-1])) | 1
    wide = F.max_pool2d(found[:, None], side, 1, side // 2)
    for _ in range(2):
        wide = window_mean(wide, side, side)
    return wide[:, 0] * within


def _blurred(image: Tensor, side: int) -> Tensor:
    """Images [P,n,n,C], averaged over squares of `side` pixels."""
    image = image.movedim(-1, 1)
    return window_mean(image, side, side).movedim(1, -1)
