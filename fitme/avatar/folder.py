"""An avatar directory: `fit.json` and textures/ are all it takes to get the avatar back.

Identity, expression, gaze and light come back bit for bit, cameras to the last digits of a
float, maps as 8-bit PNGs hold them. A map edited in a paint program is what is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fitme.avatar.model import Avatar, AvatarPhoto
from fitme.export.bundle import AVATAR_FORMAT, all_textures, avatar_glb, fit_json
from fitme.export.materials import decode_materials
from fitme.head.model import HeadModel, load_head
from fitme.head.view import View
from fitme.render.light import Light
from fitme.runtime.errors import InputError, show_path
from fitme.runtime.files import atomic_directory, write_json
from fitme.runtime.input_files import mapping, number, numbers, read_bytes, read_json

_CURE = "fit the photo again with `fitme fit --overwrite`"
_OWN_KEYS = ("format", "head", "identity", "materials", "photos")  # the rest is `Avatar.about`


def save_avatar(avatar: Avatar, folder: str | Path, overwrite: bool = False) -> None:
    """Write avatar.glb, textures/ and fit.json to `folder`, whole or not at all.

    Pictures made from the photo (overlays, renders) of an earlier result are not kept. Raises
    OutputError unless `folder` is new, empty or, with `overwrite`, an earlier result.
    """
    with atomic_directory(folder, overwrite) as target:
        write_model(avatar, target)
        write_json(target / "fit.json", fit_json(avatar))


def write_model(avatar: Avatar, folder: Path, done: Callable[[], None] = lambda: None) -> None:
    """Write textures/ and avatar.glb into an empty folder; `done` is called after each."""
    maps = all_textures(avatar)
    (folder / "textures").mkdir()
    for name, data in maps.items():
        (folder / "textures" / name).write_bytes(data)
    done()
    (folder / "avatar.glb").write_bytes(avatar_glb(avatar, maps))
    done()


def load_avatar(folder: str | Path, head: HeadModel | None = None) -> Avatar:
    """The avatar of a directory that `fitme fit` or `save_avatar` wrote.

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
        photos = data.get("photos")
        if not isinstance(photos, list):
            raise ValueError("photos is missing or no list")
        seen = tuple(_photo(photo, head) for photo in photos)
        materials = decode_materials(mapping(data, "materials"), head.part_names, read)
    except ValueError as error:
        raise InputError(f"{show_path(file)} is damaged ({error}); {_CURE}") from error
    about = {key: value for key, value in data.items() if key not in _OWN_KEYS}
    return Avatar(head, identity.to(head.device), materials, seen, about)


def _photo(data: Any, head: HeadModel) -> AvatarPhoto:
    """One entry of "photos"; raises ValueError."""
    if not isinstance(data, Mapping):
        raise ValueError("an entry of photos is no object")
    path, losses = data.get("path"), mapping(data, "losses")
    if not isinstance(path, str):
        raise ValueError("path is missing or no text")
    light = Light.from_dict(mapping(data, "light"))
    if light.batch != 1:
        raise ValueError(f"light is of {light.batch} images, wanted 1")
    return AvatarPhoto(
        path=Path(path),
        view=View.from_dict(data, head),
        light=light,
        losses={name: number(losses, name) for name in losses},
        landmark_error=number(data, "landmark_error"),
    )
