"""Photos to avatars. The module itself can be called: `avatar = fitme.fit(["me.jpg"])`.

The stages are in the modules of this package; `fitme.fit.pipeline` runs them in their order.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fitme.avatar.model import Avatar
    from fitme.fit.settings import FitPreset
    from fitme.runtime.progress import Progress


def fit(
    photos: Sequence[str | Path] | str | Path,
    *,
    preset: str | FitPreset = "default",
    size: int = 1024,
    device: str = "auto",
    seed: int = 0,
    face: int | None = None,
    landmarks: str | Path | None = None,
    weights: str | Path | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Avatar:
    """Fit one or several photos of one person and return the avatar; nothing is written.

    Args:
        photos: a path or several.
        preset: "fast", "default", "best" or a `FitPreset` of your own.
        size: side of the texture maps in texels.
        device: "auto", "cpu" or "cuda".
        seed: of all random numbers; the same seed gives the same avatar on the same machine.
        face: which face of each photo, counted from 0 by falling size; default: the largest.
        landmarks: a file of your own 478 landmarks, for a single photo.
        weights: another generator than the one that comes with the package.
        skip_bad: leave out photos that cannot be used as long as one remains.
        progress: gets stages and notes, such as `fitme.runtime.progress.TqdmProgress()`; default:
            silence.

    `avatar.save(folder)` writes it; `fitme.fit_photos` fits and writes in one go, with renders and
    overlays. Raises InputError, PhotoError or LandmarkError (`fitme.runtime.errors`), one line
    with the cure.
    """
    from fitme.fit.pipeline import fit_in_memory

    paths = [photos] if isinstance(photos, str | Path) else photos
    return fit_in_memory(
        [Path(path) for path in paths],
        preset=preset,
        size=size,
        device=device,
        seed=seed,
        face=face,
        landmarks=None if landmarks is None else Path(landmarks),
        weights=None if weights is None else Path(weights),
        skip_bad=skip_bad,
        progress=progress,
    )


class _Callable(ModuleType):
    """The package `fitme.fit`, which Python finds under the name of its main function."""

    __call__ = staticmethod(fit)


sys.modules[__name__].__class__ = _Callable
