"""Constants as tensors, made once for a device: a GPU makes the host wait for each copy to it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor


def constant(values: Any, like: Tensor) -> Tensor:
    """`like.new_tensor(values)` of a number or tuples of numbers, the same tensor each time: only
    to be read."""
    return _made(torch.tensor, (values,), like.dtype, like.device)


def indices(values: tuple[Any, ...], like: Tensor) -> Tensor:
    """Whole numbers, or tuples of them, as int64 on the device of `like`; only to be read."""
    return _made(torch.tensor, (values,), torch.int64, like.device)


def constant_of(make: Callable[..., Tensor], *arguments: Hashable, like: Tensor) -> Tensor:
    """`make(*arguments).to(like)`, the same tensor each time: only to be read. `make` is a function
    of a module, which makes the same of the same."""
    return _converted(make, arguments, like.dtype, like.device)


@functools.lru_cache(maxsize=512)
def _made(
    make: Callable[..., Tensor], values: Any, dtype: torch.dtype, device: torch.device
) -> Tensor:
    with torch.inference_mode(False):
        return make(*values, dtype=dtype, device=device)


@functools.lru_cache(maxsize=512)
def _converted(
    make: Callable[..., Tensor], values: Any, dtype: torch.dtype, device: torch.device
) -> Tensor:
    with torch.inference_mode(False):
        return make(*values).to(device=device, dtype=dtype)
