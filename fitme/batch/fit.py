"""The real fit of one subject, in a worker that keeps its models between subjects."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace
from pathlib import Path

from PIL import Image

from fitme.batch.quality import avatar_quality
from fitme.batch.task import Fitted, Task
from fitme.fit.pipeline import Models, fit_photos
from fitme.head.model import load_head
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.models.stylegan2 import load_generator
from fitme.runtime.device import resolve_device
from fitme.runtime.progress import SilentProgress

THUMB = "thumb.jpg"
THUMB_SIDE = 192


class LogProgress(SilentProgress):
    """Prints notes, which a worker's log keeps."""

    def note(self, text: str) -> None:
        print(text, flush=True)


def fit_subject(task: Task, folder: Path) -> Fitted:
    """`fit_photos` as the task says, then its quality and a thumbnail."""
    settings = task.settings
    kept = _models(str(resolve_device(settings.device)), settings.weights)
    summary = fit_photos(
        task.photos,
        folder,
        **settings.options(),
        progress=LogProgress(),
        # The fit tunes the generator in place, so each subject has a copy.
        models=replace(kept, generator=copy.deepcopy(kept.generator)),
    )
    write_thumb(folder)
    return Fitted(len(summary.avatar.photos), avatar_quality(summary.avatar, folder))


@functools.lru_cache(maxsize=1)
def _models(device: str, weights: Path | None) -> Models:
    """What all subjects of a batch have in common, read once per worker."""
    return Models(load_head(device=device), load_generator(weights, device), MediaPipeLandmarks())


def write_thumb(folder: Path, side: int = THUMB_SIDE) -> None:
    """`thumb.jpg`: photo beside render, cut from the first overlay picture."""
    with Image.open(folder / "overlay_00.png") as overlay:
        panel = overlay.height
        both = Image.new("RGB", (2 * side, side))
        for place, index in enumerate((0, 2)):
            piece = overlay.crop((index * panel, 0, (index + 1) * panel, panel)).convert("RGB")
            both.paste(piece.resize((side, side), Image.Resampling.LANCZOS), (place * side, 0))
    both.save(folder / THUMB, quality=82)
