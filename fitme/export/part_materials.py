"""The maps and the glTF material of each part of an avatar, for the engine presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fitme.export import packing
from fitme.export.bundle import export_material
from fitme.export.content import Exportable
from fitme.export.mesh import ExportMaterial, specular_to_khr
from fitme.export.packing import MapSet, map_set
from fitme.export.ramp import ramp_uv, visibility_ramp
from fitme.export.scalp import scalp_skin
from fitme.head.model import HeadModel
from fitme.head.parts import Part
from fitme.reflectance.atlas import bake_vertex_field
from fitme.render import Material

MOUTH_DEPTH = 0.02  # metres behind the lips at which 1/e of the light of an open mouth is left


def bake_occlusion(head: HeadModel, part: Part, size: int = 512) -> torch.Tensor:
    """Ambient visibility of a part in its tile, [1, size, size, 1] in 0..1."""
    return bake_vertex_field(head, head.occlusion[:, None], size, part)[None]


def part_maps(avatar: Exportable, size: int | None, hair: bool = True) -> dict[str, MapSet]:
    """The maps of every part that has some, by name. Parts of one albedo share one object.

    `size` is the side of the skin's maps, None its own; other parts are not made larger by it.
    With `hair` the skin below it is painted, see `scalp_skin`.
    """
    head = avatar.geometry.head
    made: dict[int, MapSet] = {}
    out = {}
    for part, material in zip(head.parts, avatar.materials, strict=True):
        own = material.diffuse_albedo.shape[1]
        if part.is_skin:
            painted = scalp_skin(avatar) if hair else material
            out[part.name] = map_set(painted, bake_occlusion(head, part), size)
        elif own > 1:
            albedo = id(material.diffuse_albedo)
            if albedo not in made:
                made[albedo] = map_set(material, None, min(own, size or own))
            out[part.name] = made[albedo]
    return out


def mouth_visibility(head: HeadModel) -> torch.Tensor:
    """Ambient visibility [V] of what lies behind the lips of a mouth that is open.

    The head model's own is that of a closed mouth, nearly zero everywhere inside, which would leave
    an open one black under an environment light. Here it falls with the depth behind the lips.
    """
    lips = head.mean[head.regions["lips"] > 0.5, 2].mean()
    return torch.exp(-(lips - head.mean[:, 2]).clamp_min(0) / MOUTH_DEPTH)


def mouth_uv(head: HeadModel, part: Part) -> NDArray[Any] | None:
    """Second texture coordinates [V, 2] of a part inside the mouth: visibility along the ramp."""
    if not part.is_inside_mouth or "lips" not in head.regions:
        return None
    return ramp_uv(mouth_visibility(head).cpu().numpy())


def gltf_materials(
    avatar: Exportable, maps: Mapping[str, MapSet], webp: bool
) -> dict[str, ExportMaterial]:
    """The glTF material of every part; images have 8 bits, as every reader knows them.

    `maps` has those of the parts that are not of one colour. The skin's occlusion, roughness and
    metallic share one image; the parts inside the mouth get a ramp to look their depth up in.
    """
    form = "webp" if webp else "png"
    ramp = visibility_ramp(form)
    out = {}
    head = avatar.geometry.head
    for part, material in zip(head.parts, avatar.materials, strict=True):
        out[part.name] = _gltf_material(part, material, maps.get(part.name), form)
        if part.is_inside_mouth and "lips" in head.regions:
            out[part.name] = replace(out[part.name], occlusion=ramp, occlusion_uv=1)
    return out


def _gltf_material(
    part: Part, material: Material, maps: MapSet | None, form: str
) -> ExportMaterial:
    made = export_material(part, material)
    if maps is None:
        return made
    made = replace(made, base_color=packing.encode(maps.albedo, True, form))
    if not part.is_skin:
        return made
    packed = packing.encode(packing.occlusion_roughness_metallic(maps), False, form)
    factor, relative = specular_to_khr(maps.f0)
    even = math.isclose(float(np.ptp(relative)), 0.0, abs_tol=1e-4)
    return replace(
        made,
        normal=packing.encode(packing.normal_opengl(maps), False, form),
        occlusion=packed,
        metallic_roughness=packed,
        roughness_factor=1.0,
        metallic_factor=1.0,
        specular_color=None if even else packing.encode(relative, True, form),
        specular_color_factor=factor,
    )
