"""The engines that avatars are exported for, and which maps each of them reads."""

from __future__ import annotations

from dataclasses import dataclass

from fitme.export import packing
from fitme.export.packing import EngineMap

ALBEDO = EngineMap("diffuse_albedo", packing.diffuse_albedo, True, "base colour, sRGB")
_F0 = EngineMap("specular_albedo", packing.specular_albedo, True, "F0, sRGB")
_NORMAL = EngineMap("normal", packing.normal_opengl, False, "normals, OpenGL (green up), linear")
_ORM = EngineMap(
    "occlusion_roughness_metallic", packing.occlusion_roughness_metallic, False,
    "R occlusion, G roughness, B metallic, linear",
)  # fmt: skip


@dataclass(frozen=True)
class EnginePreset:
    """What one engine gets. All meshes are in metres, +Y up, the face along +Z, unless `frame`."""

    name: str
    frame: str  # axes and unit of what the engine imports
    maps: tuple[EngineMap, ...]
    skinned: bool = False  # GLB on a skeleton: one skeletal mesh
    map_side: int | None = None  # of the skin's maps, with fine skin; None keeps the avatar's
    webp: bool = False  # its loader reads EXT_texture_webp
    meshopt: bool = False  # its loader reads EXT_meshopt_compression
    small: bool = False  # files are made small unless asked otherwise: WebP, meshopt
    visemes: str = "none"  # which mixtures of shapes it gets, see `shapes.py`
    skeleton: str = "none"  # which one it gets, see `skeletons.py`
    bust: bool = False  # shoulders and chest as well
    fbx: bool = False  # Blender may write an FBX for it
    vrm: bool = False  # the GLB is a VRM 1.0 file
    hair_blend: bool = False  # hair with a blended fringe: it is drawn in the order it is stored
    obj: bool = False  # OBJ and MTL instead of a GLB


_GLTF_FRAME = "metres, right-handed, +Y up, face along +Z (the importer converts)"
_STANDING = "metres, right-handed, +Y up, face along +Z, on the floor as an adult of 1.75 m stands"
PRESETS = {
    preset.name: preset
    for preset in (
        EnginePreset("gltf", _GLTF_FRAME, (ALBEDO, _F0, _NORMAL, _ORM)),
        EnginePreset("blender", _GLTF_FRAME, (ALBEDO, _F0, _NORMAL, _ORM), map_side=2048),
        EnginePreset(
            "three", _GLTF_FRAME, (ALBEDO, _F0, _NORMAL, _ORM), webp=True, meshopt=True,
            hair_blend=True,
        ),
        EnginePreset(
            "web", _GLTF_FRAME, (ALBEDO, _F0, _NORMAL, _ORM), webp=True, meshopt=True, small=True,
            visemes="oculus", hair_blend=True,
        ),
        EnginePreset(
            "talkinghead", _STANDING, (ALBEDO, _F0, _NORMAL, _ORM), webp=True, visemes="oculus",
            skeleton="rpm", bust=True,
        ),
        EnginePreset(
            "vrm", _STANDING, (ALBEDO, _F0, _NORMAL, _ORM), skeleton="vrm", bust=True, vrm=True
        ),
        EnginePreset(
            "unity", _GLTF_FRAME,
            (
                ALBEDO, _NORMAL,
                EngineMap("mask_map", packing.metallic_occlusion_detail_smoothness, False,
                          "R metallic, G occlusion, B detail mask, A smoothness, linear"),
                EngineMap("specular_smoothness", packing.specular_smoothness, True,
                          "RGB F0, sRGB; A smoothness"),
            ), fbx=True, map_side=2048,
        ),
        EnginePreset(
            "unreal", "glTF: metres, +Y up (the importer converts); FBX: centimetres",
            (
                ALBEDO, _ORM,
                EngineMap("normal_directx", packing.normal_directx, False,
                          "normals, DirectX (green down), linear"),
                EngineMap("specular", packing.unreal_specular, False,
                          "Specular input (F0 / 0.08), linear grey"),
            ), skinned=True, fbx=True, map_side=2048,
        ),
        EnginePreset("obj", "metres, +Y up, face along +Z", (ALBEDO, _F0, _NORMAL, EngineMap(
            "roughness", lambda maps: maps.roughness[..., None], False, "roughness, linear",
        )), obj=True),
    )
}  # fmt: skip
