"""Checks of what is drawn. On a GPU none makes the host wait for it in every step: what a tensor
of indices holds is looked up once a tensor, and values are checked on the CPU only."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

# of each tensor of indices seen: (its version, least, greatest)
_RANGES: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
# of each that is not int32: (its version, the same as int32)
_COPIES: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def check_triangles(name: str, tri: Tensor, vertices: int) -> None:
    """Raise ValueError unless tri is [T,3] with indices in 0..vertices-1."""
    if tri.ndim != 2 or tri.shape[1] != 3:
        raise ValueError(f"{name}: wanted [T,3], got {list(tri.shape)}")
    if tri.numel():
        low, high = index_range(tri)
        if low < 0 or high >= vertices:
            raise ValueError(
                f"{name} {list(tri.shape)}: indices must lie in 0..{vertices - 1}, "
                f"got {low}..{high}"
            )


def check_parts(part: Tensor, materials: int) -> None:
    """Raise ValueError unless part [T] holds indices of that many materials."""
    if part.numel():
        low, high = index_range(part)
        if low < 0 or high >= materials:
            raise ValueError(f"part: wanted 0..{materials - 1}, got {low}..{high}")


def check_clip(clip: Tensor, tri: Tensor, size: tuple[int, int]) -> None:
    """Raise ValueError for wrong shapes, indices out of range and values that are not finite."""
    if clip.ndim != 3 or clip.shape[2] != 4:
        raise ValueError(f"clip: wanted [B,V,4], got {list(clip.shape)}")
    check_triangles("tri", tri, clip.shape[1])
    if size[0] < 1 or size[1] < 1:
        raise ValueError(f"size: wanted positive (height, width), got {size}")
    if not all_finite(clip):
        raise ValueError(f"clip {list(clip.shape)} has values that are not finite (NaN or inf)")


def check_batch(name: str, value: Tensor, ndim: int, other: Tensor) -> None:
    """Raise ValueError unless value has so many dimensions and batch 1 or that of `other`."""
    if value.ndim != ndim or value.shape[0] not in (1, other.shape[0]):
        raise ValueError(
            f"{name}: wanted {ndim} dimensions and batch 1 or {other.shape[0]}, "
            f"got {list(value.shape)}"
        )


def check_color(color: Tensor, rast: Tensor) -> None:
    """Raise ValueError unless color is [B,H,W,C], as rast [B,H,W,4]."""
    if color.ndim != 4 or color.shape[:3] != rast.shape[:3]:
        raise ValueError(f"color: wanted {[*rast.shape[:3], 'C']}, got {list(color.shape)}")


def all_finite(value: Tensor) -> bool:
    """Whether a tensor on the CPU holds neither NaN nor inf; True, unseen, on any other device,
    where to look would make the host wait for all that is queued."""
    return value.device.type != "cpu" or bool(torch.isfinite(value).all())


def index_range(indices: Tensor) -> tuple[int, int]:
    """Least and greatest of a tensor that is not empty; read anew only after it was written to."""
    if indices.is_inference():  # has no version
        return int(indices.min()), int(indices.max())
    version, low, high = _RANGES.get(indices, (-1, 0, 0))
    if version != indices._version:
        version, low, high = indices._version, int(indices.min()), int(indices.max())
        _RANGES[indices] = (version, low, high)
    return low, high


def as_int32(indices: Tensor) -> Tensor:
    """The same indices as int32: one copy a tensor, whose range is known once it was looked up."""
    if indices.dtype == torch.int32 or indices.is_inference():
        return indices.int()
    version, copy = _COPIES.get(indices, (-1, indices))
    if version != indices._version:
        copy = indices.int()
        _COPIES[indices] = (indices._version, copy)
    return copy
