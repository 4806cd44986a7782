"""Checkpoints that are whole or absent, in shards of bounded size, without pickle.

    checkpoints/step-00001234/state.json          numbers, and which tensor lies in which file
    checkpoints/step-00001234/000.safetensors ...

"exact" keeps every bit: a resumed run goes on as if it had not stopped. "half" stores
parameters in float16 and Adam's moments in bfloat16 (second moments need its range).
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from fitme.runtime.errors import InputError, show_path
from fitme.runtime.files import atomic_write_bytes, write_json

PRECISIONS = ("exact", "half")
_NAME = re.compile(r"step-(\d{8,})")


def save_checkpoint(
    folder: Path,
    step: int,
    tensors: dict[str, Tensor],
    numbers: dict[str, Any],
    *,
    precision: str = "exact",
    shard_mb: float | None = None,
    keep: int = 2,
) -> Path:
    """Write folder/step-N and delete all but the newest `keep`; returns its path.

    `numbers` is what JSON can hold. Files stay below `shard_mb` (MiB); None is one file.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}, got {precision!r}")
    stored = {name: _stored(name, value, precision) for name, value in tensors.items()}
    shards = _split(stored, shard_mb)
    target = folder / f"step-{step:08d}"
    temporary = folder / f".new-{target.name}"
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".new-*"):  # of a killed run
        shutil.rmtree(leftover)
    temporary.mkdir()
    files: dict[str, str] = {}
    for index, shard in enumerate(shards):
        name = f"{index:03d}.safetensors"
        atomic_write_bytes(temporary / name, safetensors.torch.save(shard))
        files |= dict.fromkeys(shard, name)
    write_json(temporary / "state.json", {"numbers": numbers, "files": files})
    if target.exists():
        shutil.rmtree(target)
    os.rename(temporary, target)
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints in `folder`, oldest first."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, numbers) of a step-N folder; half-precision tensors come back as float32.

    Raises InputError for a checkpoint that is missing, incomplete or damaged.
    """
    try:
        state = json.loads((path / "state.json").read_text("utf-8"))
        files, numbers = state["files"], state["numbers"]
        tensors: dict[str, Tensor] = {}
        for name in sorted(set(files.values())):
            if not re.fullmatch(r"\d+\.safetensors", name):
                raise ValueError(f"{name!r} is no shard")
            tensors |= safetensors.torch.load_file(path / name)
        if set(tensors) != set(files):
            raise ValueError("tensors are missing")
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise InputError(f"{show_path(path)} is no complete checkpoint ({error})") from error
    half = (torch.float16, torch.bfloat16)
    return {k: v.float() if v.dtype in half else v for k, v in tensors.items()}, numbers


def _stored(name: str, value: Tensor, precision: str) -> Tensor:
    value = value.detach().cpu().contiguous()
    if precision == "exact" or value.dtype != torch.float32 or value.ndim == 0:
        return value
    return value.to(torch.bfloat16 if name.startswith("adam.") else torch.float16)


def _split(tensors: dict[str, Tensor], shard_mb: float | None) -> list[dict[str, Tensor]]:
    """Greedy, in order; 64 KiB a file are left for the header."""
    limit = float("inf") if shard_mb is None else shard_mb * 2**20 - 2**16
    shards: list[dict[str, Tensor]] = [{}]
    used = 0
    for name, value in tensors.items():
        size = value.numel() * value.element_size()
        if size > limit:
            raise ValueError(f"{name} alone has {size / 2**20:.1f} MiB, above --shard-mb")
        if used + size > limit:
            shards.append({})
            used = 0
        shards[-1][name] = value
        used += size
    return shards


def adam_tensors(name: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as flat tensors named adam.NAME.INDEX.KEY."""
    state = optimizer.state_dict()["state"]
    return {
        f"adam.{name}.{index}.{key}": value
        for index, entry in state.items()
        for key, value in entry.items()
    }


def restore_adam(
    name: str, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:  # fmt: skip
    """Undo `adam_tensors`; what is not in `tensors` starts anew."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        parts = key.split(".")
        if parts[:2] == ["adam", name]:
            state.setdefault(int(parts[2]), {})[parts[3]] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
