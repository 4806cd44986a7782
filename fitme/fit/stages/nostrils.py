"""The inside of the nostrils: no photo shows it, and engines without shadows light it as if it lay
open. There skin becomes the red lining of a nose, darker the less light reaches it, and loses its
shine."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.fit.session import Session
from fitme.head.curves import smoothstep
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import bake_vertex_field, resized

# Share of the surround that reaches a place: beyond the first it is the rim's skin, below the
# second all lining (the region's vertices have 0.007 to 0.8, its median is 0.06).
RIM, INSIDE = 0.45, 0.10
LINING = (
    0.16,
    0.085,
    0.075,
)  # of the skin's albedo: mucosa in the shade of the nose, by eye in three.js
SHINE = 0.1  # of the specular albedo
ATLAS = 512  # texels of the mask


@torch.no_grad()
def line_nostrils(session: Session, maps: ReflectanceMaps) -> ReflectanceMaps:
    """Maps [1,R,R,.] whose nostrils are dark inside."""
    head = session.head
    if "nostrils" not in head.regions:
        return maps
    deep = head.regions["nostrils"] * (1 - smoothstep(INSIDE, RIM, head.occlusion))
    mask = bake_vertex_field(head, deep[:, None], ATLAS)[None]
    mask = resized(mask, maps.diffuse_albedo.shape[1]).clamp(0, 1)
    return ReflectanceMaps(
        maps.diffuse_albedo * _share(mask, maps.diffuse_albedo.new_tensor(LINING)),
        maps.specular_albedo * _share(mask, maps.specular_albedo.new_tensor([SHINE])),
        maps.normal,
    )


def _share(mask: Tensor, inside: Tensor) -> Tensor:
    """1 where the mask [1,R,R,1] is 0, `inside` [C] where it is 1; even steps of the logarithm."""
    share: Tensor = inside**mask
    return share
