"""Tensors kept between runs, beside a key of what they were made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from fitme.runtime.files import atomic_write_bytes

Key = Mapping[str, str | int | bool]


def keep(path: Path, key: Key, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors with their key, whole or not at all. Raises OutputError."""
    # Clones: safetensors refuses tensors that share memory.
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    atomic_write_bytes(path, save(plain, metadata={"key": _text(key)}))


def kept(path: Path, key: Key) -> dict[str, Tensor] | None:
    """The tensors of `keep`, bit by bit; None where the file is missing, damaged, or was made
    from something else."""
    try:
        with safe_open(str(path), framework="pt") as file:
            if (file.metadata() or {}).get("key") != _text(key):
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None


def _text(key: Key) -> str:
    return json.dumps(dict(key), sort_keys=True)
