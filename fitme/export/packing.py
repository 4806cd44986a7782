"""Reflectance maps in the channels and encodings that each engine reads.

Every function takes a `MapSet` and gives the numbers of one file as floats [H,W,C] in 0..1: `data`
files as they are, `color` files as linear light. `encode` makes the bytes of the file.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fitme.image.color import linear_to_srgb
from fitme.image.png import encode_png
from fitme.reflectance.atlas import resized
from fitme.render import Material
from fitme.runtime.errors import InputError

Pixels = NDArray[np.float32]

UNREAL_F0 = 0.08  # what 1 in Unreal's Specular input stands for
FORMATS = ("png", "webp", "exr")


@dataclass(frozen=True)
class MapSet:
    """The maps of one part, numpy arrays of one size.

    albedo [H,W,3] linear RGB; f0 [H,W,3] linear; normal [H,W,3] unit, tangent space, Y up;
    roughness [H,W] perceptual, as in glTF; occlusion [H,W] ambient visibility.
    """

    albedo: Pixels
    f0: Pixels
    normal: Pixels
    roughness: Pixels
    occlusion: Pixels


@dataclass(frozen=True)
class EngineMap:
    """One texture file of a preset: how its numbers are made and what its channels hold."""

    file: str  # without suffix
    build: Callable[[MapSet], Pixels]
    color: bool  # RGB is sRGB-encoded in PNG and WebP files; else the numbers are stored as data
    use: str


def map_set(material: Material, occlusion: torch.Tensor | None, size: int | None) -> MapSet:
    """The maps of a renderer's material, all brought to one size [S,S]: `size`, or the albedo's.

    `occlusion` [1,H,W,1], or None where nothing is occluded. Light is averaged, not code values.
    """
    side = size or material.diffuse_albedo.shape[1]

    def sized(value: torch.Tensor | float | None, default: tuple[float, ...]) -> Pixels:
        if value is None or not isinstance(value, torch.Tensor):
            numbers = default if value is None else (float(value),)
            return np.broadcast_to(np.array(numbers, np.float32), (side, side, len(numbers)))
        image = resized(value[:1].detach().float().cpu(), side)
        return image[0].contiguous().numpy()

    normal = sized(material.normal, (0.0, 0.0, 1.0))
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    f0 = sized(material.specular_albedo, (0.04,))
    return MapSet(
        albedo=sized(material.diffuse_albedo, (1.0,)),
        f0=np.broadcast_to(f0, (side, side, 3)),
        normal=normal / np.maximum(length, 1e-6),
        roughness=sized(material.roughness, (0.5,))[..., 0],
        occlusion=sized(occlusion, (1.0,))[..., 0],
    )


def diffuse_albedo(maps: MapSet) -> Pixels:
    """Linear RGB [H,W,3]."""
    return maps.albedo


def specular_albedo(maps: MapSet) -> Pixels:
    """F0, linear RGB [H,W,3]."""
    return maps.f0


def normal_opengl(maps: MapSet) -> Pixels:
    """Normals [H,W,3], green up."""
    return ((maps.normal + 1) / 2).astype(np.float32)


def normal_directx(maps: MapSet) -> Pixels:
    """Normals [H,W,3], green down."""
    return ((maps.normal * np.array([1, -1, 1], np.float32) + 1) / 2).astype(np.float32)


def occlusion_roughness_metallic(maps: MapSet) -> Pixels:
    """[H,W,3]: R occlusion, G roughness, B metallic (skin is none)."""
    return np.stack([maps.occlusion, maps.roughness, np.zeros_like(maps.roughness)], -1)


def metallic_occlusion_detail_smoothness(maps: MapSet) -> Pixels:
    """Unity's mask map [H,W,4]: R metallic, G occlusion, B detail mask (none), A smoothness."""
    zero = np.zeros_like(maps.roughness)
    return np.stack([zero, maps.occlusion, zero, 1 - maps.roughness], -1)


def specular_smoothness(maps: MapSet) -> Pixels:
    """Unity's specular workflow [H,W,4]: RGB F0, linear (alpha is never encoded), A smoothness."""
    return np.concatenate([maps.f0, 1 - maps.roughness[..., None]], -1)


def unreal_specular(maps: MapSet) -> Pixels:
    """Unreal's Specular input [H,W,1]: F0 / 0.08."""
    return maps.f0.mean(-1, keepdims=True) / UNREAL_F0


def encode(values: Pixels, color: bool, form: str = "png", bits: int = 8) -> bytes:
    """The bytes of a texture file of floats [H,W,C], C = 1 to 4; what is outside 0..1 is clipped.

    Args:
        color: RGB is light: sRGB-encoded in PNG and WebP, linear in EXR. An alpha channel is data.
        form: png; webp (data without loss, colour at quality 92; 8 bits); exr (half floats).
        bits: 8 or 16 per channel, of a PNG.
    """
    values = np.nan_to_num(np.asarray(values, np.float32)).clip(0.0, 1.0)
    if form == "exr":
        return _exr(values)
    if color:
        light = linear_to_srgb(torch.from_numpy(values[..., :3].copy())).numpy()
        values = np.concatenate([light, values[..., 3:]], -1)
    if form == "webp" or bits == 8:
        codes: NDArray[Any] = np.rint(values * 255).astype(np.uint8)
    else:
        codes = np.rint(values.astype(np.float64) * 65535).astype(np.uint16)
    return webp(codes, lossless=not color) if form == "webp" else encode_png(codes)


def webp(pixels: NDArray[np.uint8], lossless: bool) -> bytes:
    """WebP bytes of pixels [H,W,C], C = 1, 3 or 4."""
    stream = io.BytesIO()
    if pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    # `exact` keeps the colour below a transparent alpha, which is no transparency here.
    Image.fromarray(pixels).save(
        stream, "WEBP", lossless=lossless, quality=80 if lossless else 92, method=4, exact=True
    )
    return stream.getvalue()


def require_exr() -> None:
    """Raise InputError, with the cure, unless OpenEXR files can be written."""
    try:
        import OpenEXR  # noqa: F401
    except ImportError as error:
        raise InputError('EXR files need a library: pip install "fitme[exr]"') from error


def _exr(values: Pixels) -> bytes:
    """The library writes to a path only."""
    import tempfile
    from pathlib import Path

    require_exr()
    import OpenEXR

    names = {1: "Y", 3: "RGB", 4: "RGBA"}[values.shape[-1]]
    half = np.ascontiguousarray(values, dtype=np.float16)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    channels = {names: half[..., 0] if len(names) == 1 else half}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.exr"
        OpenEXR.File(header, channels).write(str(path))
        return path.read_bytes()
