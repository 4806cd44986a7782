"""What users of the library call: `fitme.fit` and `fitme.fit_photos`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fitme.avatar.model import Avatar
from fitme.fit.models import Models
from fitme.fit.pipeline import FitSummary, fit_request, fit_to_folder
from fitme.fit.request import FitRequest
from fitme.fit.settings import FitSettings
from fitme.runtime.progress import Progress

__all__ = ["FitRequest", "FitSettings", "FitSummary", "Models", "fit", "fit_photos"]


def fit(
    photos: Sequence[str | Path] | str | Path,
    *,
    preset: str | FitSettings = "default",
    size: int = 1024,
    device: str = "auto",
    face: int | None = None,
    landmarks: str | Path | None = None,
    weights: str | Path | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
    models: Models | None = None,
) -> Avatar:
    """Fit one or several photos of one person and return the avatar; nothing is written.

    Args:
        photos: a path or several.
        preset: "fast", "default", "best" or `FitSettings` of your own.
        size: side of the texture maps in texels.
        device: "auto", "cpu" or "cuda".
        face: which face of each photo, counted from 0 by falling size; default: the largest.
        landmarks: a file of your own 478 landmarks, for a single photo; or who finds them:
            "mediapipe" or "encoder", fitme's own network.
        weights: another generator than the one that comes with the package.
        skip_bad: leave out photos that cannot be used as long as one remains.
        progress: gets stages and notes, such as `fitme.TqdmProgress()`; default: silence.
        models: `Models.load(device)` kept from an earlier call; `weights` is then not read.

    `avatar.save(folder)` writes it; `fit_photos` fits and writes in one go, with renders and
    overlays. The same photos give the same avatar on the same machine: nothing is random. Raises
    InputError, PhotoError or LandmarkError (`fitme.errors`), one line with the cure.
    """
    request = FitRequest.of(
        photos, preset=preset, size=size, device=device, face=face, landmarks=landmarks,
        weights=weights, skip_bad=skip_bad,
    )  # fmt: skip
    fitted = fit_request(request, progress, models)
    fitted.log.finish()
    return fitted.avatar


def fit_photos(
    photos: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    preset: str | FitSettings = "default",
    size: int = 1024,
    device: str = "auto",
    face: int | None = None,
    landmarks: str | Path | None = None,
    weights: str | Path | None = None,
    skip_bad: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    models: Models | None = None,
) -> FitSummary:
    """Fit photos of one person and write the avatar to `out`, whole or not at all, as `fitme fit`
    does: model, textures, renders, overlays and report.

    The options are those of `fit`; `overwrite` replaces an earlier result. Raises what `fit` does,
    and OutputError unless `out` is new, empty or, with `overwrite`, an earlier result.
    """
    request = FitRequest.of(
        photos, preset=preset, size=size, device=device, face=face, landmarks=landmarks,
        weights=weights, skip_bad=skip_bad,
    )  # fmt: skip
    return fit_to_folder(request, Path(out), overwrite=overwrite, progress=progress, models=models)
