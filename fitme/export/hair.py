"""The hair of an avatar as meshes, materials and texture files."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.export import packing
from fitme.export.content import Exportable, on_cpu
from fitme.export.mesh import ExportMaterial, ExportMesh
from fitme.export.ramp import ramp_uv, visibility_ramp
from fitme.hair import HairColor
from fitme.hair.card_styles import HAIR_CARDS
from fitme.hair.cards import HairCards
from fitme.hair.dressed import DETAIL, Dressed, hair_of_head
from fitme.hair.lash_cards import lashes as make_lashes
from fitme.hair.lashes import has_lashes
from fitme.head.geometry import Geometry

Floats = NDArray[np.floating[Any]]

ROUGHNESS = 0.5  # perceptual, of hair that is neither wet nor dull
SPECULAR = 0.35  # of a dielectric's: a plane shows a highlight where hairs in it show a part of one
NORMAL_SCALE = 0.6  # of the strips' normals: whole, single hairs glitter from afar
MORPH_LEAST = 2e-4  # metres that a shape must move a beard by to get a morph target


@dataclass(frozen=True)
class HairMaps:
    """One image of a hair atlas, as a file of its own where an engine takes one."""

    file: str  # without suffix
    key: str  # the same for all meshes
    values: Floats  # [H,W,C] in 0..1
    color: bool  # sRGB-encoded
    use: str


# The report and the files of an avatar are made on two threads.
_LOCK = threading.Lock()
_CACHE: list[tuple[Any, list[Dressed]]] = []  # of the avatar dressed last: maps and mesh need it


def dressed(avatar: Exportable, level: int = 0, lashes: bool | None = None) -> list[Dressed]:
    """Cards of the avatar's hair and beard on its neutral head, and of its lashes (None: if it has
    hair), with the morph targets that move them. `level` of detail 0, 1 or 2."""
    lashes = bool(avatar.hair) if lashes is None else lashes
    key = (avatar.geometry, avatar.hair, level, lashes)
    with _LOCK:
        if not (_CACHE and _CACHE[0][0][0] is key[0] and _CACHE[0][0][1:] == key[1:]):
            _CACHE[:] = [(key, _dressed(avatar, level, lashes))]
        return _CACHE[0][1]


def _dressed(avatar: Exportable, level: int, lashes: bool) -> list[Dressed]:
    geometry = on_cpu(avatar.geometry)
    made = [] if not avatar.hair else hair_of_head(avatar.hair, geometry.head, level=level)
    if lashes and has_lashes(geometry.head):
        color = avatar.hair.color if avatar.hair else HairColor()
        made.append(make_lashes(geometry.head, color, detail=DETAIL[level]))
    neutral = geometry.vertices()[0].numpy().astype(np.float32)
    moved = _expressions(geometry, neutral) if made else {}
    out = []
    for item in made:
        follows = item.cards.name != HAIR_CARDS.name  # hair of the head stays as it is
        cards = item.cards.with_morphs(neutral, moved if follows else {}, MORPH_LEAST)
        out.append(replace(item, cards=cards))
    return out


def _expressions(geometry: Geometry, neutral: Floats) -> dict[str, Floats]:
    """Vertices [V,3] of the head with each expression in full."""
    offsets = geometry.expression_offsets().numpy().astype(np.float32)
    names = geometry.head.expression_names
    return {name: neutral + offset for name, offset in zip(names, offsets, strict=True)}


def hair_mesh(
    item: Dressed, material: ExportMaterial, worn: Mapping[str, float] | None = None
) -> ExportMesh:
    """One mesh of cards; it opens with the expression `worn`, weights by name."""
    cards = item.cards
    weights: dict[str, float] = {}
    if worn is not None:
        weights = {name: worn[name] for name in cards.morph_targets if name in worn}
    return ExportMesh(
        name=cards.name, vertices=cards.vertices, triangles=cards.triangles, uv=cards.uv,
        material=material, normals=cards.normals, morph_targets=cards.morph_targets,
        uv_1=ramp_uv(cards.visibility), weights=weights,
    )  # fmt: skip


def with_fringe(mesh: ExportMesh, cards: HairCards) -> list[ExportMesh]:
    """The mesh of all these cards in two: its inside, which is cut out and so hides what is behind,
    and all but the innermost layer once more, blended over it from the inside outwards. What one
    sees is then fine at the edges, but not the far side of the hair through the near one."""
    if not 0 < cards.fringe < len(cards.triangles):
        return [mesh]
    core = replace(mesh.material, alpha_mode="MASK")
    soft = replace(mesh.material, name=f"{mesh.name}_fringe_material", alpha_mode="BLEND")
    inside = replace(_some(mesh, slice(0, cards.fringe)), material=core)
    fringe = _some(mesh, slice(cards.soft, None))
    return [inside, replace(fringe, name=f"{mesh.name}_fringe", material=soft)]


def _some(mesh: ExportMesh, chosen: slice) -> ExportMesh:
    """Some triangles of a mesh with texture coordinates by vertex, and the vertices they have."""
    used, corners = np.unique(mesh.triangles[chosen], return_inverse=True)
    triangles = corners.reshape(-1, 3)

    def own(values: Any) -> Any:
        return None if values is None else values[used]

    return replace(
        mesh, vertices=mesh.vertices[used], triangles=triangles, normals=own(mesh.normals),
        uv=own(mesh.uv), uv_1=own(mesh.uv_1), uv_triangles=None,
        joint_weights=own(mesh.joint_weights),
        morph_targets={name: offsets[used] for name, offsets in mesh.morph_targets.items()},
    )  # fmt: skip


def hair_material(item: Dressed, form: str = "png", alpha_mode: str = "MASK") -> ExportMaterial:
    """glTF material of one mesh of cards; form png or webp."""
    atlas = item.atlas
    rgba = np.concatenate([atlas.color, atlas.alpha[..., None]], -1)
    return ExportMaterial(
        name=f"{item.cards.name}_material",
        base_color=packing.encode(rgba, True, form),
        normal=packing.encode(((atlas.normal + 1) / 2).astype(np.float32), False, form),
        normal_scale=NORMAL_SCALE,
        roughness_factor=ROUGHNESS,
        specular_factor=SPECULAR,
        occlusion=visibility_ramp(form),
        occlusion_uv=1,
        # lashes are finer than a texel from afar, and so few that they need no sorting
        alpha_mode="BLEND" if item.cards.hinge is not None else alpha_mode,
        double_sided=not item.cards.backed,
    )


def hair_maps(item: Dressed, directx: bool = False) -> list[HairMaps]:
    """The images of an atlas as separate files, in the channels that engines take."""
    atlas, name = item.atlas, item.cards.name
    green = np.array([1, -1, 1], np.float32) if directx else np.float32(1)
    suffix, way = ("_directx", "DirectX (green down)") if directx else ("", "OpenGL (green up)")
    flow = (np.concatenate([atlas.flow, 0 * atlas.flow[..., :1]], -1) + 1) / 2
    rows = [
        ("color", atlas.color, True, "base colour, sRGB"),
        ("alpha", atlas.alpha[..., None], False, "coverage, linear; cut at 0.5"),
        (f"normal{suffix}", (atlas.normal * green + 1) / 2, False, f"normals, {way}, linear"),
        ("flow", flow, False, "R, G direction of the hair in the texture, u and up, 0.5: none"),
        ("root_tip", atlas.root_tip[..., None], False, "0 at the root, 1 at the tip, linear"),
        ("id", atlas.identity[..., None], False, "a number per strand, linear"),
    ]  # fmt: skip
    return [HairMaps(f"{name}_{key}", key, values, color, use) for key, values, color, use in rows]


def hair_textures(avatar: Exportable) -> dict[str, bytes]:
    """PNG bytes of the maps of an avatar's hair and lashes by file name, for textures/."""
    return {
        f"{entry.file}.png": packing.encode(entry.values, entry.color)
        for item in dressed(avatar)
        for entry in hair_maps(item)
    }
