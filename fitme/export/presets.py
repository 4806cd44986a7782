"""An avatar as the files of one engine: `export_files`; `write_export` puts them on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fitme.detail.static import static_height
from fitme.export import packing
from fitme.export.content import SCALE_NOTE, Exportable, copyright_note, generator_name, skin_of
from fitme.export.dense import dense_mesh
from fitme.export.depth_files import check_more_maps, depth_files
from fitme.export.engine_detail import engine_detail
from fitme.export.engines import ALBEDO, PRESETS, EnginePreset
from fitme.export.fbx import blender_command, glb_to_fbx
from fitme.export.figure import Figure
from fitme.export.finer import preset_side, with_fine_skin
from fitme.export.frames import vertex_normals
from fitme.export.glb import write_glb
from fitme.export.hair_export import HairExport
from fitme.export.hair_strands import strand_files
from fitme.export.lod import LEVELS, head_level
from fitme.export.materials import file_prefix
from fitme.export.mesh import ExportMaterial, ExportMesh
from fitme.export.obj import write_mtl, write_obj
from fitme.export.packing import EngineMap, MapSet
from fitme.export.part_materials import gltf_materials, mouth_uv, part_maps
from fitme.export.part_mesh import part_mesh
from fitme.export.shapes import chosen_shapes, read_sets, with_shapes
from fitme.export.skeletons import check_skeleton
from fitme.export.subsurface import skin_about, skin_files
from fitme.export.web_glb import small_glb
from fitme.head.geometry import Geometry
from fitme.head.parts import Part
from fitme.head.view import View
from fitme.runtime.errors import InputError, OutputError, show_path
from fitme.runtime.files import atomic_directory
from fitme.runtime.plain_json import json_bytes
from fitme.runtime.versions import installed_version

EXPORT_FILE = "fitme_export.json"
EXPORT_FORMAT = "fitme-export-1"


@dataclass(frozen=True)
class ExportOptions:
    """What of an avatar is exported, and how."""

    preset: str = "gltf"
    levels: tuple[int, ...] = (0,)  # levels of detail, a file each: 0 full, 1 half, 2 a fifth
    # Side of the textures; more than the avatar's adds fine skin, None is what the preset does.
    map_size: int | None = None
    format: str | None = None  # of textures/: png or exr; webp, also in the GLB, for three, web
    bits: int = 8  # per channel of the PNG files in textures/; those in a GLB have 8
    fbx: bool = False  # also FBX, through Blender
    expressions: bool = False  # obj: one more file for each of the 52 shapes
    photo: int | None = None  # open with the expression and gaze of this photo
    dense: bool = False  # the skin's mesh cut finer, with its static displacement in the vertices
    compress: str | None = None  # meshopt or none; None is what the preset does
    shapes: tuple[str, ...] | None = None  # of the head's expressions; None is all of them
    visemes: str | None = None  # mixtures of them: oculus, vrm, all or none; None as the preset
    sparse: bool = True  # morph targets may be sparse accessors
    skeleton: str | None = None  # one of SKELETONS; None is what the preset does
    bust: bool | None = None  # shoulders and chest, plain; None is what the preset does

    def filled(self) -> ExportOptions:
        """With what the preset does where nothing is said. Raises as `engine`."""
        engine = self.engine()
        return replace(
            self,
            format=self.format or ("webp" if engine.small else "png"),
            compress=self.compress or ("meshopt" if engine.small else "none"),
            visemes=self.visemes or engine.visemes,
            skeleton=self.skeleton or engine.skeleton,
            bust=engine.bust if self.bust is None else self.bust,
            hair_alpha=self.hair_alpha or ("BLEND" if engine.hair_blend else "MASK"),
        )

    hair: bool = True  # cards of hair and beard
    lashes: bool | None = None  # cards of lashes; None: with those of hair
    hair_alpha: str | None = None  # MASK, or BLEND: softer edges, which engines have to sort
    strands: bool = False  # hair_strands.npz as well, for curves
    more_maps: tuple[str, ...] = ()  # cavity, thickness

    def engine(self) -> EnginePreset:
        """The preset. Raises InputError, with the cure, for options that do not go together."""
        engine = PRESETS.get(self.preset)
        if engine is None:
            raise InputError(f"no preset {self.preset!r}; give one of {', '.join(PRESETS)}")
        if not self.levels or any(level not in LEVELS for level in self.levels):
            raise InputError("levels of detail are 0 (full), 1 and 2; give --lod with one of them")
        if self.format not in (*packing.FORMATS, None) or self.bits not in (8, 16):
            raise InputError("textures are png, webp or exr of 8 or 16 bits; give one of these")
        if self.format == "webp" and not engine.webp:
            raise InputError(
                f"{engine.name} does not read WebP; use --format png, or --preset three or web"
            )
        if self.compress not in ("meshopt", "none", None):
            raise InputError(f"--compress {self.compress}: give meshopt or none")
        if self.compress == "meshopt" and not engine.meshopt:
            raise InputError(f"{engine.name} does not read meshopt; use --preset three or web")
        if engine.obj and (self.visemes not in (None, "none") or self.shapes is not None):
            raise InputError("obj has no morph targets; leave --shapes and --visemes out")
        read_sets(self.visemes or engine.visemes)
        check_more_maps(self.more_maps)
        if engine.vrm and self.skeleton not in ("vrm", "rpm", None):
            raise InputError("VRM needs arms and legs; give --skeleton vrm or rpm, or leave it out")
        if check_skeleton(self.skeleton or "none") != "none" and engine.obj:
            raise InputError("obj has no skeletons; leave --skeleton out")
        form = self.format or ("webp" if engine.small else "png")
        if self.bits == 16 and form != "png":
            raise InputError(f"--bits 16 is for PNG; {form} has its own, leave --bits out")
        if self.fbx and not engine.fbx:
            raise InputError(f"--fbx is for unity and unreal, not {engine.name}; leave it out")
        if self.expressions and not engine.obj:
            raise InputError("--expressions is for obj; the other presets have morph targets")
        if self.hair_alpha not in ("MASK", "BLEND", None):
            raise InputError("hair is cut out (MASK) or blended (BLEND); give one of these")
        if self.dense and tuple(self.levels) != (0,):
            raise InputError("--dense is more than full detail; leave --lod out")
        return engine


def export_files(avatar: Exportable, options: ExportOptions | None = None) -> dict[str, bytes]:
    """The bytes of every file of an export by its path in the directory.

    avatar.glb (avatar_lod1.glb, ...) or avatar.obj, textures/ and fitme_export.json, which says
    what each is. Raises InputError with the cure for options that cannot be had.
    """
    options = (ExportOptions() if options is None else options).filled()
    engine = options.engine()
    form = options.format or "png"
    if options.photo is not None and not 0 <= options.photo < len(avatar.photos):
        raise InputError(f"photo {options.photo}: the avatar has {len(avatar.photos)}, from 0")
    if options.fbx:
        blender_command()
    if form == "exr":
        packing.require_exr()
    geometry = avatar.geometry.to("cpu")
    parts = geometry.head.parts
    names = [part.name for part in parts]
    view = None if options.photo is None else avatar.photos[options.photo].view
    options = replace(options, map_size=options.map_size or preset_side(avatar, engine))
    avatar = with_fine_skin(avatar, options.map_size)
    maps = part_maps(avatar, options.map_size, options.hair)
    files: dict[str, bytes] = {}
    textures: dict[str, dict[str, str]] = {}
    for part, entry, values in _texture_files(engine, parts, maps):
        file = f"textures/{file_prefix(part)}{entry.file}.{form}"
        files[file] = packing.encode(values, entry.color, form, options.bits)
        textures.setdefault(part.name, {})[entry.file] = file
    directx = any(entry.file == "normal_directx" for entry in engine.maps)
    more, detail = engine_detail(avatar, engine.name, options.map_size, options.bits, directx)
    files |= more
    more, depths = depth_files(avatar, options.more_maps, options.map_size, options.bits)
    files |= more
    materials = gltf_materials(avatar, maps, form == "webp")
    shapes = chosen_shapes(
        geometry.head.expression_names, options.shapes, read_sets(options.visemes or "none")
    )
    shared = {n: next(k for k in names if k == n or maps.get(k, k) is maps.get(n)) for n in names}
    hair = HairExport(avatar, options.hair, options.lashes, options.hair_alpha or "MASK", view)
    files |= hair.files(directx, form, options.bits)
    if options.strands:
        files |= strand_files(avatar, engine.name)
    figure = Figure(geometry, options.skeleton or "none", bool(options.bust))
    meshes: list[ExportMesh] = []
    height = skin_height(avatar) if options.dense else None
    triangles = {}
    for level in sorted(set(options.levels)):
        stem = "avatar" if level == 0 else f"avatar_lod{level}"
        meshes = level_meshes(geometry, materials, level, view, height, figure.weights)
        meshes += hair.meshes(level, "webp" if form == "webp" else "png", figure.hair_weights)
        meshes += figure.more(level)
        meshes = [with_shapes(mesh, shapes) for mesh in meshes]
        triangles[stem] = sum(len(mesh.triangles) for mesh in meshes)
        if engine.obj:
            files[f"{stem}.obj"] = write_obj(
                [mesh.posed() for mesh in meshes], "avatar.mtl", terms=copyright_note(geometry.head)
            )
            continue
        glb = write_glb(
            meshes, skinned=engine.skinned, generator=generator_name(), sparse=options.sparse,
            copyright=copyright_note(geometry.head), skeleton=figure.skeleton,
            extend=figure.extension(copyright_note(geometry.head)) if engine.vrm else None,
        )  # fmt: skip
        if options.fbx:
            files[f"{stem}.fbx"] = glb_to_fbx(glb, engine.name)
        name = f"{stem}.vrm" if engine.vrm else f"{stem}.glb"
        files[name] = small_glb(glb) if options.compress == "meshopt" else glb
    if engine.obj:
        named = {name: textures.get(shared[name], {}) for name in names} | hair.textures
        files["avatar.mtl"] = write_mtl(meshes, named)
    if options.expressions:
        meshes = level_meshes(geometry, materials, min(options.levels), height=height)
        meshes += hair.meshes(min(options.levels), "png")
        for shape in geometry.head.expression_names:
            files[f"expressions/{shape}.obj"] = write_obj(
                meshes, "../avatar.mtl", shape, copyright_note(geometry.head)
            )
    about = (
        _about(avatar, engine, options, materials, textures, shared)
        | detail
        | depths
        | hair.about()
    )
    about |= figure.about() | skin_about(avatar)
    files |= skin_files(engine.name)
    about["morph_targets"] = [] if engine.obj else shapes
    return files | {EXPORT_FILE: json_bytes(about | {"triangles": triangles})}


def write_export(
    avatar: Exportable,
    out: str | Path,
    options: ExportOptions | None = None,
    overwrite: bool = False,
) -> None:
    """Write `export_files` to the directory `out`, whole or not at all.

    Raises OutputError unless `out` is new, empty or, with `overwrite`, an earlier export; a fitted
    avatar is never replaced by its export.
    """
    folder = Path(out)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / EXPORT_FILE).is_file():
        raise OutputError(
            f"{show_path(out)} holds something else than an export; name a new directory"
        )
    with atomic_directory(out, overwrite) as target:
        for name, data in export_files(avatar, options).items():
            (target / name).parent.mkdir(exist_ok=True)
            (target / name).write_bytes(data)


def level_meshes(
    geometry: Geometry, materials: dict[str, ExportMaterial], level: int, view: View | None = None,
    height: np.ndarray | None = None, joint_weights: np.ndarray | None = None,
) -> list[ExportMesh]:  # fmt: skip
    """The meshes of one level of detail, a part each, with the full head's normals; with `height`
    [R,R] in metres the skin's is dense and displaced. `joint_weights` [V,6] are of the head's
    vertices."""
    head = geometry.head
    normals = None
    if level:  # the normal map was made for these, and few triangles bend them
        normals = vertex_normals(geometry.vertices()[0].numpy(), head.triangles.numpy())
    coarse = replace(geometry, head=head_level(head, level))
    meshes = [
        part_mesh(
            coarse, part, materials[part.name], normals, view, mouth_uv(head, part), joint_weights
        )
        for part in head.parts
    ]
    if height is not None:
        meshes[head.skin.index] = dense_mesh(meshes[head.skin.index], height)
    return meshes


def skin_height(avatar: Exportable) -> np.ndarray:
    """Static heights of the skin, [R,R] metres. Raises InputError for a skin without normals."""
    geometry = avatar.geometry.to("cpu")
    normal = skin_of(avatar).normal
    if normal is None:
        raise InputError("the skin is smooth: there is no detail for --dense; leave it out")
    return static_height(geometry.head, geometry.vertices(), normal.cpu())[0].numpy()


def _texture_files(
    engine: EnginePreset, parts: Sequence[Part], maps: dict[str, MapSet]
) -> Iterator[tuple[Part, EngineMap, np.ndarray]]:
    """(part, map, values) of every texture file; parts that share their maps come once."""
    seen: set[int] = set()
    for part in (part for part in parts if part.name in maps):
        own = maps[part.name]
        # What parts beside the skin have in the other maps is constant.
        for entry in engine.maps if part.is_skin else (ALBEDO,) * (id(own) not in seen):
            yield part, entry, entry.build(own)
        seen.add(id(own))


def _about(
    avatar: Exportable, engine: EnginePreset, options: ExportOptions,
    materials: dict[str, ExportMaterial], textures: dict[str, dict[str, str]],
    shared: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    """What `fitme_export.json` says: where it comes from and what belongs into which slot."""
    head = avatar.geometry.head
    parts = {
        name: {
            "textures": textures.get(shared[name], {}),
            "base_color": list(material.base_color_factor[:3]),
            "f0": 0.04 * material.specular_color_factor[0],
            "roughness": None if part.is_skin else material.roughness_factor,
        }
        for part, (name, material) in zip(head.parts, materials.items(), strict=True)
    }
    return {
        "format": EXPORT_FORMAT,
        "fitme": installed_version() or "unknown",
        "fitted_with": avatar.run.fitme,
        "licence": copyright_note(head),
        "scale": {"unit": "m", "known": False, "note": SCALE_NOTE},
        **asdict(options),
        "frame": engine.frame,
        "maps": {entry.file: entry.use for entry in engine.maps},
        "parts": parts,
    }
