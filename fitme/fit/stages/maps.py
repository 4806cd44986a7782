"""The person's maps after the stages that descend: the generator's, refined from the photos."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.session import Session
from fitme.fit.stages.refine import refine
from fitme.fit.state import FitState
from fitme.models.stylegan2 import ReflectanceMaps


@torch.no_grad()
def finished_maps(session: Session, state: FitState, size: int) -> ReflectanceMaps:
    """Maps [1,size,size,.], made at the generator's next resolution."""
    highest = session.generator.config.resolution
    texels = min(1 << max(6, (size - 1).bit_length()), highest)
    maps = session.maps(session.w(state), texels)
    if session.settings.refine.on:
        maps = refine(session, state, maps)
    return maps if texels == size else resized(maps, size)


def resized(maps: ReflectanceMaps, size: int) -> ReflectanceMaps:
    """Maps of another side; normals are made unit again."""

    def change(image: Tensor) -> Tensor:
        image = image.movedim(-1, 1)
        image = F.interpolate(image, (size, size), mode="bilinear", antialias=True)
        return image.movedim(1, -1)

    return ReflectanceMaps(
        change(maps.diffuse_albedo), change(maps.specular_albedo),
        F.normalize(change(maps.normal), dim=-1),
    )  # fmt: skip
