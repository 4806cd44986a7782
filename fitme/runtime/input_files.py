"""Files a stranger may have made: read whole, bounded in size, parsed by safe readers only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fitme.runtime.errors import InputError, show_path

MAX_BYTES = 256 << 20  # of one file of an avatar; a 4096 x 4096 map of 16 bits has 100 MB


def read_bytes(path: Path, cure: str) -> bytes:
    """The whole file. Raises InputError, one line that ends in `cure`, when it cannot be read."""
    shown = show_path(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(f"{shown} does not exist; {cure}") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{shown} cannot be read ({reason}); {cure}") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{shown} has more than {MAX_BYTES >> 20} MiB; {cure}")
    return data


def read_json(path: Path, cure: str) -> dict[str, Any]:
    """The object in a JSON file of finite numbers. Raises InputError as `read_bytes` does."""

    def refuse(word: str) -> None:
        raise ValueError(f"it holds {word}")

    data = read_bytes(path, cure)
    try:
        value = json.loads(data.decode("utf-8-sig"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{show_path(path)} is not valid JSON ({error}); {cure}") from error
    if not isinstance(value, dict):
        raise InputError(f"{show_path(path)} holds no JSON object; {cure}")
    return value


def numbers(data: Mapping[str, Any], key: str, shape: Sequence[int]) -> Tensor:
    """data[key] as a finite float32 tensor of `shape`, -1 for any length.

    Raises ValueError naming the key.
    """
    try:
        value = torch.tensor(data[key], dtype=torch.float32)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{key} is missing or no table of numbers") from error
    if value.ndim != len(shape) or any(
        n not in (-1, m) for n, m in zip(shape, value.shape, strict=True)
    ):
        raise ValueError(f"{key} has shape {list(value.shape)}, wanted {list(shape)}")
    if not torch.isfinite(value).all():
        raise ValueError(f"{key} has numbers that are not finite")
    return value


def number(data: Mapping[str, Any], key: str) -> float:
    """The finite number data[key]. Raises ValueError naming the key."""
    value = data.get(key)
    if not isinstance(value, int | float) or not abs(value) < 1e30:
        raise ValueError(f"{key} is missing or no finite number")
    return float(value)


def mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object data[key]. Raises ValueError naming the key."""
    value = data.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{key} is missing or no object")
    return value
