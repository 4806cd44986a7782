"""The person's maps after the stages that descend: the generator's, refined from the photos."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.wrinkles import Wrinkles
from fitme.fit.session import Session
from fitme.fit.stages.backs import draw_backs
from fitme.fit.stages.folds import fold_out
from fitme.fit.stages.gloss import shine
from fitme.fit.stages.lids import draw_lids
from fitme.fit.stages.refine import refine
from fitme.fit.stages.unseen import settle_unseen
from fitme.fit.state import FitState
from fitme.models.stylegan2 import ReflectanceMaps


@torch.no_grad()
def finished_maps(
    session: Session, state: FitState, size: int
) -> tuple[ReflectanceMaps, Wrinkles | None]:
    """Maps [1,size,size,.] of the neutral face, made at the generator's next resolution, and what
    the photos' expressions add to them."""
    highest = session.generator.config.resolution
    texels = min(1 << max(6, (size - 1).bit_length()), highest)
    session.cast(state, state.posed(session.head))
    maps, own = session.maps(session.w(state), texels), session.own_w_maps(state, texels)
    maps = settle_unseen(session, state, maps, own)
    maps = shine(session, state, maps)
    if session.settings.refine.on:
        maps = refine(session, state, maps)
    wrinkles = None
    if session.settings.wrinkles:
        maps, wrinkles = fold_out(session, state, maps, own)
    maps, wrinkles = draw_lids(session, state, maps, wrinkles)
    maps = draw_backs(session, state, maps)
    if texels == size:
        return maps, wrinkles
    return resized(maps, size), None if wrinkles is None else wrinkles.resized(size)


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
