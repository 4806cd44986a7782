"""An avatar as bytes: its textures, and the GLB that `fitme fit` writes."""

from __future__ import annotations

import numpy as np
import torch

from fitme.export.content import Exportable, copyright_note, generator_name, skin_of
from fitme.export.glb import write_glb
from fitme.export.hair import dressed, hair_material, hair_mesh, hair_textures
from fitme.export.materials import encode_materials
from fitme.export.mesh import ExportMaterial, specular_to_khr
from fitme.export.part_mesh import part_mesh
from fitme.export.scalp import scalp_skin
from fitme.export.textures import (
    encode_albedo,
    encode_metallic_roughness,
    encode_normals,
    encode_specular,
)
from fitme.export.wrinkles import encode_wrinkles
from fitme.head.parts import Part
from fitme.render import Material


def textures(avatar: Exportable) -> dict[str, bytes]:
    """PNG bytes of the skin's three maps, by file name."""
    material = skin_of(avatar)
    return {
        "diffuse_albedo.png": encode_albedo(material.diffuse_albedo[0].cpu().numpy()),
        "specular_albedo.png": encode_specular(material.specular_albedo[0].cpu().numpy()),
        "normal.png": encode_normals(material.normals()[0].cpu().numpy()),
    }


def all_textures(avatar: Exportable, skin: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """PNG bytes of every map of the avatar, by file name: the skin's three, then its roughness, the
    maps of the other parts where they are not one colour, the folds of expressions, and hair.
    `skin` is what `textures` made, when that exists already."""
    maps = textures(avatar) if skin is None else skin
    folds = {} if avatar.wrinkles is None else encode_wrinkles(avatar.wrinkles)
    own = encode_materials(avatar.geometry.head.parts, avatar.materials, maps)
    return maps | own | folds | hair_textures(avatar)


def avatar_glb(avatar: Exportable, maps: dict[str, bytes] | None = None) -> bytes:
    """The GLB of an avatar: one mesh per part and its hair as cards, neutral, with ARKit morph
    targets.

    `maps` are the skin's encoded textures when they exist already.
    """
    maps = textures(avatar) if maps is None else maps
    if avatar.hair:
        painted = scalp_skin(avatar).diffuse_albedo[0].cpu().numpy()
        maps = {**maps, "diffuse_albedo.png": encode_albedo(painted)}
    geometry = avatar.geometry
    meshes = []
    for part, material in zip(geometry.head.parts, avatar.materials, strict=True):
        made = export_material(part, material, maps if part.is_skin else None)
        meshes.append(part_mesh(geometry, part, made))
    meshes += [hair_mesh(item, hair_material(item)) for item in dressed(avatar)]
    note = copyright_note(geometry.head)
    return write_glb(meshes, generator=generator_name(), copyright=note)


def export_material(
    part: Part, material: Material, maps: dict[str, bytes] | None = None
) -> ExportMaterial:
    """glTF material of one part. A map that is one colour everywhere becomes a factor. `maps` are
    the skin's encoded textures."""
    albedo = material.diffuse_albedo[0].cpu().numpy()
    factor, texture = specular_to_khr(material.specular_albedo[0].cpu().numpy())
    flat_specular = bool(np.ptp(texture) < 1e-4)
    one_colour = maps is None and bool(np.ptp(albedo, axis=(0, 1)).max() < 1e-4)
    rough = material.roughness
    rough_map = rough[0, ..., 0].cpu().numpy() if isinstance(rough, torch.Tensor) else None
    base = None if one_colour else maps["diffuse_albedo.png"] if maps else encode_albedo(albedo)
    colour = tuple(float(c) for c in albedo[0, 0]) if one_colour else (1.0, 1.0, 1.0)
    flat_normal = material.normal is None
    return ExportMaterial(
        name=f"{part.name}_material",
        base_color=base,
        base_color_factor=(*colour, 1.0),  # type: ignore[arg-type]
        normal=maps["normal.png"] if maps and not flat_normal else None,
        metallic_roughness=encode_metallic_roughness(rough_map) if rough_map is not None else None,
        roughness_factor=1.0 if rough_map is not None else float(rough),  # type: ignore[arg-type]
        specular_color=None if flat_specular else encode_albedo(texture),
        specular_color_factor=factor,
        double_sided=part.is_inside_mouth,
    )
