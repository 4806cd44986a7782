"""Avatars with maps larger than those they were fitted with, for exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fitme.detail.fine import enlarged
from fitme.detail.wrinkles import Wrinkles
from fitme.export.content import Exportable, Run, Seen, on_cpu, skin_of
from fitme.export.engines import EnginePreset
from fitme.hair import Hair
from fitme.head.geometry import Geometry
from fitme.render import Material


@dataclass(frozen=True)
class Finer:
    """An `Exportable` whose skin has other maps than the avatar's."""

    geometry: Geometry
    materials: tuple[Material, ...]
    photos: Sequence[Seen]
    run: Run
    wrinkles: Wrinkles | None
    hair: Hair | None


def with_fine_skin(avatar: Exportable, side: int | None) -> Exportable:
    """The avatar with skin maps of `side` texels and fine skin in them, see `fitme.detail.fine`;
    itself where its own are as large, or `side` is None."""
    skin = skin_of(avatar)
    if side is None or side <= skin.diffuse_albedo.shape[1]:
        return avatar
    geometry = on_cpu(avatar.geometry)
    materials = list(avatar.materials)
    materials[geometry.head.skin.index] = enlarged(geometry.head, geometry.vertices(), skin, side)
    return Finer(
        geometry, tuple(materials), avatar.photos, avatar.run, avatar.wrinkles, avatar.hair
    )  # fmt: skip


def preset_side(avatar: Exportable, engine: EnginePreset) -> int | None:
    """The preset's size of maps, where it is no more than twice the avatar's own."""
    own = skin_of(avatar).diffuse_albedo.shape[1]
    wanted = engine.map_side
    return wanted if wanted is not None and own < wanted <= 2 * own else None
