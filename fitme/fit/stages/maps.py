"""The person's maps after the stages that descend: the generator's, refined from the photos."""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.fine import enlarged
from fitme.detail.wrinkles import Wrinkles
from fitme.fit.session import Session
from fitme.fit.stages.backs import draw_backs
from fitme.fit.stages.folds import fold_out
from fitme.fit.stages.gloss import shine
from fitme.fit.stages.lids import draw_lids
from fitme.fit.stages.nostrils import line_nostrils
from fitme.fit.stages.refine import refine
from fitme.fit.stages.unseen import settle_unseen
from fitme.fit.state import FitState
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.render import Material
from fitme.runtime.memory import ENOUGH_MIB, release_free_blocks, without_keeping


@torch.no_grad()
def finished_maps(
    session: Session, state: FitState, size: int
) -> tuple[ReflectanceMaps, Wrinkles | None]:
    """Maps [1,size,size,.] of the neutral face, made at the generator's next resolution, and what
    the photos' expressions add to them."""
    highest = session.generator.config.resolution
    texels = min(1 << max(6, (size - 1).bit_length()), highest)
    session.cast(state, state.posed(session.head))
    release_free_blocks(ENOUGH_MIB)  # here and below: what each step leaves behind
    tuned = session.generator is not session.models.generator or bool(state.person.layers.any())
    with without_keeping() if tuned else nullcontext():  # else there is one pass, and less besides
        maps = session.maps(session.w(state), texels)
        own = session.own_w_maps(state, texels) if tuned else maps
    release_free_blocks(ENOUGH_MIB)
    maps = settle_unseen(session, state, maps, own)
    maps = shine(session, state, maps)
    release_free_blocks(ENOUGH_MIB)
    if session.settings.refine.on:
        maps = refine(session, state, maps)
    wrinkles = None
    if session.settings.wrinkles:
        maps, wrinkles = fold_out(session, state, maps, own)
    release_free_blocks(ENOUGH_MIB)
    maps, wrinkles = draw_lids(session, state, maps, wrinkles)
    maps = line_nostrils(session, draw_backs(session, state, maps))
    if texels == size:
        return maps, wrinkles
    made = resized(maps, size) if size < texels else with_fine_skin(session, state, maps, size)
    return made, None if wrinkles is None else wrinkles.resized(size)


def with_fine_skin(
    session: Session, state: FitState, maps: ReflectanceMaps, size: int
) -> ReflectanceMaps:
    """Maps of a larger side, with what those of the generator are too small for."""
    head = session.head
    skin = Material(maps.diffuse_albedo, maps.specular_albedo, maps.normal)
    made = enlarged(head, state.geometry(head).vertices(), skin, size)
    images = (made.diffuse_albedo, made.specular_albedo, made.normals())
    return ReflectanceMaps(*(image.to(maps.normal) for image in images))


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
