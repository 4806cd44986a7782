"""One photo of a person -> a relightable 3D head.

    avatar = fitme.fit(["me.jpg"], preset="fast")

`fitme.fit`, `fitme.fit_photos`, `fitme.Avatar`, `fitme.Light` and `fitme.load_head` are imported
when they are first used, so that `import fitme` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitme.avatar.model import Avatar
    from fitme.fit.api import fit, fit_photos
    from fitme.head.model import load_head
    from fitme.render.light import Light

__all__ = ["Avatar", "Light", "fit", "fit_photos", "load_head"]

_HOME = {
    "Avatar": "fitme.avatar.model",
    "Light": "fitme.render.light",
    "fit_photos": "fitme.fit.api",
    "load_head": "fitme.head.model",
}


def __getattr__(name: str) -> Any:
    if name == "fit":  # a package that can be called
        return import_module("fitme.fit")
    if name not in _HOME:
        raise AttributeError(f"module 'fitme' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
