"""Materials of all parts as plain data and PNG files, and back.

`fit.json` has one entry per part under "materials". Each of diffuse_albedo, specular_albedo,
normal and roughness is the name of a file in textures/, a number or list of linear values where
the map is one colour, or null for smooth normals. What the numbers in the files mean says
`fitme.export.textures`; they are 8-bit, so a loaded map is within half a step of the saved one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fitme.export import textures
from fitme.head.parts import Part
from fitme.render import Material
from fitme.runtime.side_by_side import side_by_side

MAPS = ("diffuse_albedo", "specular_albedo", "normal", "roughness")
_FILE = re.compile(r"\w[\w.-]*\.png")
_CHANNELS = {"diffuse_albedo": (3,), "specular_albedo": (1, 3)}


def describe_materials(parts: Sequence[Part], materials: Sequence[Material]) -> dict[str, Any]:
    """JSON-ready data of one material per part, by the parts' names; maps are named, not encoded.

    The maps of the skin have files even where they are one colour. Parts that share a map share
    its file, which has the name of the first of them.
    """
    out: dict[str, dict[str, Any]] = {part.name: {} for part in parts}
    for key in MAPS:
        owners: dict[int, Part] = {}
        for part, material in zip(parts, materials, strict=True):
            value = getattr(material, key)
            out[part.name][key] = _describe(owners.setdefault(id(value), part), key, value)
    return out


def encode_materials(
    parts: Sequence[Part], materials: Sequence[Material], known: Mapping[str, bytes]
) -> dict[str, bytes]:
    """PNG bytes of every file that `describe_materials` names, but those already `known`."""
    files: dict[str, bytes] = {}
    described = describe_materials(parts, materials)
    for part, material in zip(parts, materials, strict=True):
        for key, file in described[part.name].items():
            if isinstance(file, str) and file not in known and file not in files:
                pixels = getattr(material, key)[0].detach().cpu().numpy()
                files[file] = _ENCODERS[key](pixels)
    return files


def decode_materials(
    data: Mapping[str, Any], parts: Sequence[Part], read: Callable[[str], bytes]
) -> tuple[Material, ...]:
    """One material per part, in that order; `read` gives the bytes of a file of textures/.

    Equal entries become one shared material, and one file becomes one shared map. Raises
    ValueError naming the part and map, and what `read` raises.
    """
    places: dict[tuple[str, str], Callable[[], Any]] = {}
    keys = []
    for part in parts:
        spec = data.get(part.name)
        if not isinstance(spec, dict) or not set(MAPS) <= spec.keys():
            raise ValueError(f"material {part.name!r} is missing or incomplete")
        keys.append(tuple((key, json.dumps(spec[key])) for key in MAPS))
        for place in keys[-1]:
            key = place[0]
            decoded = partial(_decode, f"{part.name}: {key}", key, spec[key], read)
            places.setdefault(place, decoded)
    maps = dict(zip(places, side_by_side(list(places.values())), strict=True))
    made: dict[tuple[tuple[str, str], ...], Material] = {}
    for own in keys:
        if own not in made:
            made[own] = Material(**{place[0]: maps[place] for place in own})
    return tuple(made[own] for own in keys)


def _describe(
    part: Part, key: str, value: Tensor | float | None
) -> str | list[float] | float | None:
    if value is None:
        return None
    if not isinstance(value, Tensor):
        return float(value)
    pixels = value[0].detach()
    flat = pixels.reshape(-1, pixels.shape[-1])
    contract = part.is_skin and key != "roughness"
    if not contract and key != "normal" and bool((flat == flat[0]).all()):
        colour: list[float] = flat[0].tolist()
        return colour[0] if key == "roughness" else colour
    name = "metallic_roughness" if key == "roughness" else key
    return f"{file_prefix(part)}{name}.png"


def file_prefix(part: Part) -> str:
    """What the names of a part's maps begin with; the skin's have no prefix."""
    return "" if part.is_skin else re.sub(r"[^\w-]", "_", part.name) + "_"


def _decode(where: str, key: str, value: Any, read: Callable[[str], bytes]) -> Any:
    """Tensor [1, H, W, C], number or None: what `Material` takes for `key`."""
    if value is None and key == "normal":
        return None
    if isinstance(value, str):
        # A name and nothing else: fit.json must not lead out of its own directory.
        if not _FILE.fullmatch(value):
            raise ValueError(f"{where} is {value!r}, which is no name of a PNG file")
        try:
            return torch.from_numpy(_DECODERS[key](read(value)).copy())[None]
        except ValueError as error:
            raise ValueError(f"textures/{value}: {error}") from error
    numbers = value if isinstance(value, list) else [value]
    plain = all(isinstance(n, int | float) and 0 <= n <= 1 for n in numbers)
    if plain and key == "roughness" and not isinstance(value, list):
        return float(value)
    if not plain or not isinstance(value, list) or len(value) not in _CHANNELS.get(key, ()):
        raise ValueError(f"{where} is neither a file name nor numbers in 0..1")
    return torch.tensor(value, dtype=torch.float32).reshape(1, 1, 1, -1)


def _encode_roughness(pixels: NDArray[Any]) -> bytes:
    return textures.encode_metallic_roughness(pixels[..., 0])


def _decode_roughness(data: bytes) -> NDArray[Any]:
    return textures.decode_metallic_roughness(data)[0][..., None]


def _decode_specular(data: bytes) -> NDArray[Any]:
    pixels = textures.decode_specular(data)
    return pixels[..., :1] if bool(np.all(pixels == pixels[..., :1])) else pixels


_ENCODERS: dict[str, Callable[[NDArray[Any]], bytes]] = {
    "diffuse_albedo": textures.encode_albedo,
    "specular_albedo": textures.encode_specular,
    "normal": textures.encode_normals,
    "roughness": _encode_roughness,
}
_DECODERS: dict[str, Callable[[bytes], NDArray[Any]]] = {
    "diffuse_albedo": textures.decode_albedo,
    "specular_albedo": _decode_specular,
    "normal": textures.decode_normals,
    "roughness": _decode_roughness,
}
