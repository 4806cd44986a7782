"""One photo of a person -> a relightable 3D head.

    avatar = fitme.fit(["me.jpg"], preset="fast")

`__all__` is the public API, kept in tests/packaging/public_api.txt. Each name is imported when it
is first used, so that `import fitme` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitme.avatar.model import Avatar
    from fitme.fit.api import fit, fit_photos
    from fitme.fit.models import Models
    from fitme.fit.pipeline import FitSummary
    from fitme.fit.settings import FitSettings
    from fitme.head.model import load_head
    from fitme.render.light import Light
    from fitme.runtime.errors import (
        FitmeError,
        InputError,
        LandmarkError,
        ModelError,
        OutputError,
        PhotoError,
    )
    from fitme.runtime.progress import SilentProgress, TqdmProgress

__all__ = [
    "Avatar",
    "FitSettings",
    "FitSummary",
    "FitmeError",
    "InputError",
    "LandmarkError",
    "Light",
    "ModelError",
    "Models",
    "OutputError",
    "PhotoError",
    "SilentProgress",
    "TqdmProgress",
    "fit",
    "fit_photos",
    "load_head",
]

_HOME = {
    "Avatar": "fitme.avatar.model",
    "FitSettings": "fitme.fit.settings",
    "FitSummary": "fitme.fit.pipeline",
    "FitmeError": "fitme.runtime.errors",
    "InputError": "fitme.runtime.errors",
    "LandmarkError": "fitme.runtime.errors",
    "Light": "fitme.render.light",
    "ModelError": "fitme.runtime.errors",
    "Models": "fitme.fit.models",
    "OutputError": "fitme.runtime.errors",
    "PhotoError": "fitme.runtime.errors",
    "SilentProgress": "fitme.runtime.progress",
    "TqdmProgress": "fitme.runtime.progress",
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
