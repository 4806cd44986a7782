"""JSON of plain values, the same bytes for the same value on every machine."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def json_bytes(value: Any) -> bytes:
    """`value` as UTF-8 JSON, the same bytes for the same value on every machine.

    Keys keep their order; floats are the shortest text that reads back exactly; numpy and
    torch values become numbers and lists, paths become strings. Raises ValueError naming the
    place of a number that is not finite, and TypeError for what JSON cannot hold.
    """
    text = json.dumps(_plain(value, "$"), indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8")


def _plain(value: Any, place: str) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{place} is {value}: JSON holds finite numbers only")
        return float(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{place} has the key {key!r}: JSON keys are strings")
        return {key: _plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Path):
        return value.as_posix()
    if hasattr(value, "tolist"):  # numpy and torch, without importing either
        return _plain(value.tolist(), place)
    raise TypeError(f"{place} is a {type(value).__name__}, which JSON cannot hold")
