"""An avatar as files: the GLB, the textures and `fit.json`, each as bytes or plain data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from fitme.avatar.model import Avatar
from fitme.export.glb import write_glb
from fitme.export.materials import describe_materials, encode_materials
from fitme.export.mesh import ExportMaterial, ExportMesh, specular_to_khr
from fitme.export.textures import (
    encode_albedo,
    encode_metallic_roughness,
    encode_normals,
    encode_specular,
)
from fitme.head.model import EYE_LOOK_DEGREES, HeadModel, gaze_rotation
from fitme.head.view import View
from fitme.render import Material

AVATAR_FORMAT = "fitme-avatar-1"
MORPH_THRESHOLD = 1e-5  # metres; inner parts leave out the shapes that do not move them


def textures(avatar: Avatar) -> dict[str, bytes]:
    """PNG bytes of the head's three maps, by file name."""
    material = avatar.materials[avatar.head.part_names.index("head")]
    normal = material.normal
    if normal is None:
        normal = torch.zeros_like(material.diffuse_albedo)
        normal[..., 2] = 1.0
    return {
        "diffuse_albedo.png": encode_albedo(material.diffuse_albedo[0].cpu().numpy()),
        "specular_albedo.png": encode_specular(material.specular_albedo[0].cpu().numpy()),
        "normal.png": encode_normals(normal[0].cpu().numpy()),
    }


def all_textures(avatar: Avatar) -> dict[str, bytes]:
    """PNG bytes of every map of the avatar, by file name: the head's three, then its roughness and
    the maps of the other parts where they are not one colour."""
    maps = textures(avatar)
    return maps | encode_materials(avatar.head.part_names, avatar.materials, maps)


def avatar_glb(avatar: Avatar, maps: dict[str, bytes] | None = None) -> bytes:
    """The GLB of an avatar: one mesh per part, neutral, with ARKit morph targets.

    `maps` are the head's encoded textures when they exist already.
    """
    maps = textures(avatar) if maps is None else maps
    meshes = []
    for name, material in zip(avatar.head.part_names, avatar.materials, strict=True):
        encoded = maps if name == "head" else None
        meshes.append(part_mesh(avatar, name, export_material(name, material, encoded)))
    return write_glb(meshes)


def export_material(
    name: str, material: Material, maps: dict[str, bytes] | None = None
) -> ExportMaterial:
    """glTF material of one part. A map that is one colour everywhere becomes a factor."""
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
        name=f"{name}_material",
        base_color=base,
        base_color_factor=(*colour, 1.0),  # type: ignore[arg-type]
        normal=maps["normal.png"] if maps and not flat_normal else None,
        metallic_roughness=encode_metallic_roughness(rough_map) if rough_map is not None else None,
        roughness_factor=1.0 if rough_map is not None else float(rough),  # type: ignore[arg-type]
        specular_color=None if flat_specular else encode_albedo(texture),
        specular_color_factor=factor,
        double_sided=name in ("mouth", "teeth", "tongue"),
    )


def part_mesh(
    avatar: Avatar,
    name: str,
    material: ExportMaterial,
    normals: np.ndarray | None = None,
    view: View | None = None,
    uv_1: np.ndarray | None = None,
) -> ExportMesh:
    """One part of the head as a mesh, neutral, with the ARKit morph targets that move it.

    `normals` [V, 3] and second texture coordinates `uv_1` [V, 2] are of all vertices of the head;
    normals replace those of the mesh, which a level of detail with few triangles needs. With a
    `view` the file opens with that photo's expression and gaze.
    """
    head = avatar.head
    chosen = (head.part == head.part_names.index(name)).cpu()
    triangles = head.triangles.cpu()[chosen]
    uv_triangles = head.uv_triangles.cpu()[chosen]
    used, local = triangles.unique(return_inverse=True)
    used_uv, local_uv = uv_triangles.unique(return_inverse=True)
    neutral = avatar.neutral()[0].cpu()
    pivot = (0.0, 0.0, 0.0)
    if name in ("eye_L", "eye_R"):
        side = 0 if name == "eye_L" else 1
        centre = head.eye_centres(avatar.neutral())[0, side].cpu()
        pivot = tuple(float(c) for c in centre)  # type: ignore[assignment]
        morphs = eye_look_offsets(neutral[used] - centre, name[-1])
    else:
        offsets = head.expression[:, used].cpu()
        keep = [
            name == "head" or bool(shape.norm(dim=-1).max() > MORPH_THRESHOLD) for shape in offsets
        ]
        morphs = {
            n: shape.numpy()
            for n, shape, kept in zip(head.expression_names, offsets, keep, strict=True)
            if kept
        }
    weights: dict[str, float] = {}
    rotation = (0.0, 0.0, 0.0, 1.0)
    if view is not None and name.startswith("eye_"):
        rotation = gaze_quaternion(view.gaze[0, 0 if name == "eye_L" else 1])
    elif view is not None:
        worn = zip(head.expression_names, view.expression[0].tolist(), strict=True)
        weights = {shape: weight for shape, weight in worn if shape in morphs}
    return ExportMesh(
        name=name,
        vertices=neutral[used].numpy(),
        triangles=local.numpy(),
        uv=head.uv.cpu()[used_uv].numpy(),
        uv_triangles=local_uv.numpy(),
        material=material,
        morph_targets=morphs,
        pivot=pivot,
        normals=None if normals is None else normals[used.numpy()],
        uv_1=None if uv_1 is None else uv_1[used.numpy()],
        weights=weights,
        rotation=rotation,
    )


def gaze_quaternion(gaze: torch.Tensor) -> tuple[float, float, float, float]:
    """Quaternion x, y, z, w of an eye's rotation from pitch (up) and yaw (to +X), radians [2]."""
    pitch, yaw = (float(angle) / 2 for angle in gaze)  # yaw after pitch: q_y * q_x, pitch about -X
    x, y = -math.sin(pitch), math.sin(yaw)
    w_x, w_y = math.cos(pitch), math.cos(yaw)
    return (w_y * x, y * w_x, -y * x, w_y * w_x)


def eye_look_offsets(local: torch.Tensor, side: str) -> dict[str, np.ndarray]:
    """eyeLook* offsets [V, 3] of an eyeball from points relative to its centre.

    The straight line to the fully turned eye. "In" is towards the nose: -X for the left eye.
    """
    word = "Left" if side == "L" else "Right"
    towards_nose = -1.0 if side == "L" else 1.0
    turns = {
        "Down": (-1.0, 0.0),
        "In": (0.0, towards_nose),
        "Out": (0.0, -towards_nose),
        "Up": (1.0, 0.0),
    }
    out = {}
    for direction, (pitch, yaw) in turns.items():
        angle = math.radians(EYE_LOOK_DEGREES[direction])
        rotation = gaze_rotation(torch.tensor([[pitch * angle, yaw * angle]]))[0]
        out[f"eyeLook{direction}{word}"] = (local @ rotation.T - local).numpy()
    return out


def fit_json(avatar: Avatar) -> dict[str, Any]:
    """The data of `fit.json`. The files that its materials name are those of `all_textures`."""
    head: HeadModel = avatar.head
    photos = [
        {
            "path": str(photo.path),
            **photo.view.to_dict(head),
            "light": photo.light.to_dict(),
            "landmark_error": photo.landmark_error,
            "losses": dict(photo.losses),
        }
        for photo in avatar.photos
    ]
    return {
        "format": AVATAR_FORMAT,
        **avatar.about,
        "head": head.fingerprint(),
        "identity": avatar.identity[0].tolist(),
        "materials": describe_materials(head.part_names, avatar.materials),
        "photos": photos,
    }
