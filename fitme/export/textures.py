"""Reflectance maps to and from PNG bytes, and what the numbers in the files mean.

map                  inside (float)                   in the file
diffuse albedo       linear RGB 0..1                  sRGB-encoded RGB
specular albedo      F0, linear 0..1, grey or RGB     sRGB-encoded RGB
normals              unit vectors, tangent space      (n + 1) / 2, OpenGL Y+ (green is up)
roughness, metallic  linear 0..1                      linear, G = roughness, B = metallic (glTF)

Specular albedo is sRGB-encoded because glTF's specularColorTexture and Unity's specular
colour are, and because skin's F0 of about 0.028 would have 7 of 255 steps below it if it were
stored as it is; it has 47 this way. Tell an engine that samples it as data (Unreal's Specular
input, which also wants F0 / 0.08) to treat the file as sRGB. The one inside a GLB is relative
to 0.04 (`fitme.export.mesh.specular_to_khr`); this one is absolute.

Encoders take numpy arrays, clip to 0..1, read what is not finite as 0, and raise ValueError
for another shape or for bits other than 8 and 16. Decoders take bytes of either depth and raise
ValueError for what is no PNG.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fitme.image.color import linear_to_srgb, srgb_to_linear
from fitme.image.png import decode_png, encode_png

Pixels = NDArray[np.float32]


def encode_albedo(albedo: NDArray[Any], bits: int = 8) -> bytes:
    """PNG bytes of diffuse albedo [H,W,3], linear RGB."""
    linear = _checked("albedo", albedo, (3,)).clip(0.0, 1.0)
    return encode_png(_quantize(linear_to_srgb(torch.from_numpy(linear)).numpy(), bits))


def decode_albedo(data: bytes) -> Pixels:
    """Diffuse albedo [H,W,3], linear RGB, of PNG bytes; an alpha channel is dropped."""
    pixels = _colours(data)
    return srgb_to_linear(torch.from_numpy(_steps(pixels.dtype))).numpy()[pixels]


def encode_specular(f0: NDArray[Any], bits: int = 8) -> bytes:
    """PNG bytes, RGB, of specular albedo [H,W], [H,W,1] or [H,W,3]: linear F0."""
    f0 = np.asarray(f0)
    grey = _checked("specular albedo", f0[..., None] if f0.ndim == 2 else f0, (1, 3))
    return encode_albedo(np.broadcast_to(grey, (*grey.shape[:2], 3)), bits)


def decode_specular(data: bytes) -> Pixels:
    """Specular albedo [H,W,3], linear F0, of PNG bytes."""
    return decode_albedo(data)


def encode_normals(normals: NDArray[Any], bits: int = 8) -> bytes:
    """PNG bytes of tangent-space normals [H,W,3]; they are made unit, a zero one becomes +Z."""
    return encode_png(_quantize(_unit(_checked("normals", normals, (3,))) * 0.5 + 0.5, bits))


def decode_normals(data: bytes) -> Pixels:
    """Unit tangent-space normals [H,W,3] of PNG bytes."""
    return _unit(_rgb(data) * 2.0 - 1.0)


def encode_metallic_roughness(
    roughness: NDArray[Any], metallic: NDArray[Any] | float = 0.0, bits: int = 8
) -> bytes:
    """PNG bytes of glTF's metallicRoughnessTexture: roughness [H,W], metallic [H,W] or a number.

    Red is 1, which reads as no occlusion where an engine takes it for that.
    """
    roughness = np.asarray(roughness)
    if roughness.ndim != 2:
        raise ValueError(f"roughness must be (H, W), got {roughness.shape}")
    if np.shape(metallic) not in ((), roughness.shape):
        raise ValueError(f"metallic must be {roughness.shape}, got {np.shape(metallic)}")
    blue = np.broadcast_to(np.asarray(metallic, np.float32), roughness.shape)
    packed = np.stack([np.ones_like(blue), roughness, blue], axis=-1)
    return encode_png(_quantize(_checked("roughness", packed, (3,)), bits))


def decode_metallic_roughness(data: bytes) -> tuple[Pixels, Pixels]:
    """(roughness [H,W], metallic [H,W]) of PNG bytes."""
    packed = _rgb(data)
    return packed[..., 1], packed[..., 2]


def _checked(what: str, values: NDArray[Any], channels: tuple[int, ...]) -> Pixels:
    values = np.asarray(values, dtype=np.float32)
    if values.ndim != 3 or values.shape[2] not in channels:
        wanted = " or ".join(f"(H, W, {count})" for count in channels)
        raise ValueError(f"{what} must be {wanted}, got {values.shape}")
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _quantize(values: Pixels, bits: int) -> NDArray[Any]:
    if bits not in (8, 16):
        raise ValueError(f"bits must be 8 or 16, got {bits}")
    scaled = np.clip(values, 0.0, 1.0).astype(np.float64) * (2**bits - 1)
    return np.rint(scaled).astype(np.uint8 if bits == 8 else np.uint16)


def _rgb(data: bytes) -> Pixels:
    pixels = _colours(data)
    return _steps(pixels.dtype)[pixels]


def _colours(data: bytes) -> NDArray[Any]:
    """The first three channels, or grey three times, as a PNG holds them."""
    pixels = decode_png(data)
    return np.repeat(pixels[..., :1], 3, axis=2) if pixels.shape[2] < 3 else pixels[..., :3]


def _steps(kind: np.dtype[Any]) -> Pixels:
    """What each number of unsigned integers stands for in 0..1: looked up, as maps have far more
    texels than there are numbers."""
    top = np.iinfo(kind).max
    return (np.arange(top + 1) / top).astype(np.float32)


def _unit(vectors: Pixels) -> Pixels:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    up = np.array([0.0, 0.0, 1.0], np.float32)
    return np.where(length > 1e-6, vectors / np.maximum(length, 1e-6), up).astype(np.float32)
