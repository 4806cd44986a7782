"""What is kept with an object as long as it lives, by those above it who make it of the object."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")

# Pictures are drawn on several threads; `make` may ask for something else that is kept.
_LOCK = threading.RLock()
_KEPT: dict[int, tuple[weakref.ref[Any], dict[Hashable, Any]]] = {}


def kept_with(owner: object, key: Hashable, make: Callable[[], Value]) -> Value:
    """What `make` makes of `owner`, which nobody changes, made once for a key."""
    with _LOCK:
        number = id(owner)
        if number not in _KEPT or _KEPT[number][0]() is not owner:
            pop = _KEPT.pop  # bound: names are gone while a program ends
            gone = weakref.ref(owner, lambda _: pop(number, None))
            _KEPT[number] = (gone, {})
        values = _KEPT[number][1]
        if key not in values:
            values[key] = make()
        made: Value = values[key]
        return made
