"""Last texel refinement: fine detail that the photos show and the tuned generator lacks.

Lashes, single moles, the edge of a brow. In closed form: where a texel is seen, the photo over
the render, as a ratio of diffuse albedos under the estimated light. Only what is finer than a
few centimetres is taken over, so that errors of the light stay out of the albedo, and never more
than a stop.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.avatar import head_mesh
from fitme.fit.observation import Observation, crop_size, cut
from fitme.fit.state import FitState
from fitme.fit.visibility import depth_of, sample, texel_pixels
from fitme.generated import generated_materials
from fitme.head import HeadModel
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance import AtlasRegions, bake_vertex_field
from fitme.render import render

COARSE = 1 / 14  # of the crop: detail above this size is the generator's and the light's
DARKER, LIGHTER = 0.6, 0.15  # of the log ratio; highlights must not be painted on
COLOUR = 0.5  # share of the detail's colour: coloured light varies more than skin at this scale
OPEN = (0.55, 0.75)  # ambient visibility: deeper in creases darkness is shadow, not pigment
JUMP_M = 0.012  # depth range within 5 pixels at which one part of the face hides another


@torch.no_grad()
def refine(
    maps: ReflectanceMaps,
    head: HeadModel,
    regions: AtlasRegions,
    state: FitState,
    observations: Sequence[Observation],
    trusted: Tensor,
    largest: int = 768,
) -> ReflectanceMaps:
    """maps [1,R,R,.] with the photos' fine detail in the diffuse albedo; trusted [P,n,n]."""
    texels = maps.diffuse_albedo.shape[1]
    crops = cut(observations, crop_size(observations, largest), head.device)
    size = crops.size
    vertices = state.posed(head)
    camera = crops.camera(state.rotation, state.translation)
    materials = generated_materials(head, regions, maps, state.iris)
    out = render(head_mesh(head, vertices), materials, camera, state.light())

    shading = out.diffuse / out.albedo.clamp_min(1e-3)
    wanted = (crops.pixels - out.specular) / shading.clamp_min(0.02)
    ratio = wanted.clamp_min(0.004).log() - out.albedo.clamp_min(0.004).log()
    ratio = ratio.clamp(-1.5, 1.0)
    gray = crops.gray[:, None, None, None]
    ratio = torch.where(gray, ratio.mean(-1, keepdim=True).expand_as(ratio), ratio)
    trust = F.interpolate(_eroded(trusted)[:, None], (size, size), mode="bilinear")[:, 0]
    trust = trust * (out.part == 0) * (shading.amin(-1) > 0.05) * ~_jumps(out.rast)
    fine = ratio - _blur_within(ratio, trust, COARSE * size)
    grey = fine.mean(-1, keepdim=True)
    fine = grey + COLOUR * (fine - grey)
    fine = torch.where(fine < 0, DARKER * (fine / DARKER).tanh(), LIGHTER * (fine / LIGHTER).tanh())

    pixels, weight = texel_pixels(head, vertices, camera, texels)
    weight = weight * sample(trust[..., None], pixels)[..., 0]
    weight = weight * _wide(regions.skin, texels)
    if head.occlusion is not None:
        visible = bake_vertex_field(head, head.occlusion[:, None], regions.size)[..., 0]
        visible = ((visible - OPEN[0]) / (OPEN[1] - OPEN[0])).clamp(0, 1)
        weight = weight * _wide(visible, texels)
    found = sample(fine, pixels)
    total = weight.square().sum(0)
    mean = (found * weight.square()[..., None]).sum(0) / total[..., None].clamp_min(1e-6)
    confidence = (weight.amax(0) / 0.5).clamp(0, 1)
    detail = (mean * confidence[..., None]).exp()[None]
    albedo = (maps.diffuse_albedo * detail).clamp(0.002, 0.9)
    return ReflectanceMaps(albedo, maps.specular_albedo, maps.normal)


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


def _blur_within(values: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Smooth mean of values [P,n,n,C] with weights [P,n,n] over about `sigma` pixels: what lies
    outside does not count."""
    both = torch.cat([values * weight[..., None], weight[..., None]], -1).movedim(-1, 1)
    size = both.shape[-1]
    few = max(4, round(size / sigma))
    small = F.interpolate(both, (few, few), mode="bilinear", antialias=True, align_corners=False)
    small = F.avg_pool2d(small, 3, 1, 1, count_include_pad=False)
    smooth = F.interpolate(small, (size, size), mode="bicubic", align_corners=False)
    smooth = smooth.movedim(1, -1)
    return smooth[..., :-1] / smooth[..., -1:].clamp_min(1e-2)
