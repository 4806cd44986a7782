"""An avatar directory: `fit.json`, textures/ and, of a shape that has one, the deformation's file
are all it takes to get the avatar back.

Identity, deformation, expression, gaze and light come back bit for bit, cameras to the last digits
of a float, maps as 8-bit PNGs hold them, folds of expressions as 16-bit ones do. A map edited in a
paint program is what is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fitme.avatar.photo import AvatarPhoto
from fitme.avatar.run_info import RunInfo
from fitme.detail.deformation import Deformation
from fitme.detail.wrinkles import Wrinkles
from fitme.export.bundle import all_textures, avatar_glb, textures
from fitme.export.content import SCALE_NOTE, copyright_note
from fitme.export.detail_maps import describe_detail, detail_maps
from fitme.export.materials import decode_materials, describe_materials
from fitme.export.wrinkles import decode_wrinkles, describe_wrinkles
from fitme.hair import Hair
from fitme.head.geometry import Geometry, Layer
from fitme.head.model import HeadModel, load_head
from fitme.render import Material
from fitme.runtime.errors import InputError, show_path
from fitme.runtime.files import atomic_directory, write_json
from fitme.runtime.input_files import mapping, numbers, read_bytes, read_json
from fitme.runtime.side_by_side import side_by_side

AVATAR_FORMAT = "fitme-avatar-1"
DEFORMATION = "deformation"  # the one kind of layer that a directory holds
DEFORMATION_FILE = "deformation.safetensors"
_CURE = "fit the photo again with `fitme fit --overwrite`"


class Savable(Protocol):
    """What an avatar directory holds; an `Avatar` is one."""

    @property
    def geometry(self) -> Geometry: ...
    @property
    def materials(self) -> tuple[Material, ...]: ...
    @property
    def photos(self) -> tuple[AvatarPhoto, ...]: ...
    @property
    def run(self) -> RunInfo: ...
    @property
    def wrinkles(self) -> Wrinkles | None: ...
    @property
    def hair(self) -> Hair | None: ...


class Contents(NamedTuple):
    """What was read from an avatar directory, in the order of `Avatar`'s fields."""

    geometry: Geometry
    materials: tuple[Material, ...]
    photos: tuple[AvatarPhoto, ...]
    run: RunInfo
    wrinkles: Wrinkles | None
    hair: Hair | None


def save_avatar(avatar: Savable, folder: str | Path, overwrite: bool = False) -> None:
    """Write avatar.glb, textures/ and fit.json to `folder`, whole or not at all.

    Pictures made from the photo (overlays, renders) of an earlier result are not kept. Raises
    OutputError unless `folder` is new, empty or, with `overwrite`, an earlier result.
    """
    with atomic_directory(folder, overwrite) as target:
        write_model(avatar, target)
        write_json(target / "fit.json", fit_json(avatar))


def write_model(avatar: Savable, folder: Path, done: Callable[[], None] = lambda: None) -> None:
    """Write textures/, avatar.glb and the layers' files into an empty folder; `done` is called
    after each of the first two, from any thread."""
    skin = textures(avatar)
    (folder / "textures").mkdir()

    def write_textures() -> None:
        for name, data in (all_textures(avatar, skin) | detail_maps(avatar)).items():
            (folder / "textures" / name).write_bytes(data)
        done()

    def write_glb() -> None:
        (folder / "avatar.glb").write_bytes(avatar_glb(avatar, skin))
        for layer in _deformations(avatar.geometry):
            (folder / DEFORMATION_FILE).write_bytes(layer.data())
        done()

    side_by_side([write_glb, write_textures])


def fit_json(avatar: Savable) -> dict[str, Any]:
    """The data of `fit.json`. The files that its materials name are those of `all_textures`.

    Raises ValueError for layers other than one deformation, which have no place here.
    """
    geometry, head = avatar.geometry, avatar.geometry.head
    deformed = _deformations(geometry)
    layers = {"layers": {DEFORMATION: DEFORMATION_FILE}} if deformed else {}
    detail = describe_detail(avatar)
    if avatar.wrinkles is not None:
        detail["wrinkles"] = describe_wrinkles(avatar.wrinkles) | detail["wrinkles"]
    return {
        "format": AVATAR_FORMAT,
        **avatar.run.to_dict(),
        "licence": copyright_note(head),
        "scale": {"unit": "m", "known": False, "note": SCALE_NOTE},
        "head": head.fingerprint(),
        "identity": geometry.identity[0].tolist(),
        **layers,
        "materials": describe_materials(head.parts, avatar.materials),
        "photos": [photo.to_dict(head) for photo in avatar.photos],
        **detail,
        **({} if avatar.hair is None else {"hair": avatar.hair.to_dict()}),
    }


def _deformations(geometry: Geometry) -> list[Deformation]:
    """The shape's deformation, or none. Raises ValueError for layers that cannot be saved."""
    found = [layer for layer in geometry.layers if isinstance(layer, Deformation)]
    if len(found) > 1 or len(found) < len(geometry.layers):
        raise ValueError(f"{len(geometry.layers)} layers of the shape cannot be saved")
    return found


def read_avatar(folder: str | Path, head: HeadModel | None = None) -> Contents:
    """What a directory holds that `fitme fit` or `save_avatar` wrote.

    `head` is the head model it was fitted with; by default the one that comes with fitme. Raises
    InputError, one line that names the file and the cure, for a missing or damaged file and for
    another head model.
    """
    folder = Path(folder)
    file = folder / "fit.json"
    if not folder.is_dir() or not file.is_file():
        what = "holds no fit.json" if folder.is_dir() else "is no directory"
        raise InputError(f"{show_path(folder)} {what}; give the output directory of `fitme fit`")
    data = read_json(file, _CURE)
    if data.get("format") != AVATAR_FORMAT:
        raise InputError(
            f"{show_path(file)} was not written by this version of fitme "
            f"(its format is not {AVATAR_FORMAT}); {_CURE}"
        )
    head = load_head() if head is None else head
    if data.get("head") != head.fingerprint():
        raise InputError(
            f"{show_path(file)} was made with another head model; load it with that one, or {_CURE}"
        )

    def read(name: str) -> bytes:
        return read_bytes(folder / "textures" / name, _CURE)

    try:
        identity = numbers(data, "identity", (-1,))[None]
        if identity.shape[1] > len(head.identity):
            raise ValueError(f"identity has {identity.shape[1]} numbers of {len(head.identity)}")
        layers = _read_layers(data, folder, head)
        photos = data.get("photos")
        if not isinstance(photos, list):
            raise ValueError("photos is missing or no list")
        seen = tuple(AvatarPhoto.from_dict(photo, head) for photo in photos)
        materials = decode_materials(mapping(data, "materials"), head.parts, read)
        run = RunInfo.from_dict(data)
        folds = decode_wrinkles(data, read)
        hair = Hair.from_dict(data["hair"]) if data.get("hair") is not None else None
    except ValueError as error:
        raise InputError(f"{show_path(file)} is damaged ({error}); {_CURE}") from error
    geometry = Geometry(head, identity.to(head.device), layers)
    return Contents(geometry, materials, seen, run, folds, hair)


def _read_layers(data: Mapping[str, Any], folder: Path, head: HeadModel) -> tuple[Layer, ...]:
    """The layers that fit.json, all of it, names; none in directories of earlier versions. Raises
    ValueError for those it cannot name, InputError for a missing or damaged file."""
    if "layers" not in data:
        return ()
    if dict(mapping(data, "layers")) != {DEFORMATION: DEFORMATION_FILE}:
        raise ValueError(f"layers is not {DEFORMATION} in {DEFORMATION_FILE}")
    file = folder / DEFORMATION_FILE
    content = read_bytes(file, _CURE)
    try:
        return (Deformation.from_data(content, head),)
    except ValueError as error:
        raise InputError(f"{show_path(file)} is damaged ({error}); {_CURE}") from error
