"""What is kept with strands as long as they live: pictures from several sides ask for the same."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from fitme.hair.strands import Strands

Value = TypeVar("Value")

# Pictures are drawn on several threads; `make` may ask for something else that is kept.
_LOCK = threading.RLock()
_KEPT: dict[int, tuple[weakref.ref[Strands], dict[Hashable, Any]]] = {}


def kept_with(strands: Strands, key: Hashable, make: Callable[[], Value]) -> Value:
    """What `make` makes of these strands, made once for a key."""
    with _LOCK:
        number = id(strands)
        if number not in _KEPT or _KEPT[number][0]() is not strands:
            gone = weakref.ref(strands, lambda _: _KEPT.pop(number, None))
            _KEPT[number] = (gone, {})
        values = _KEPT[number][1]
        if key not in values:
            values[key] = make()
        made: Value = values[key]
        return made
