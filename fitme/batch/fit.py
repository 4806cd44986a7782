"""The real fit of one subject, in a worker that keeps its models between subjects."""

from __future__ import annotations

import functools
from pathlib import Path

from PIL import Image

from fitme.batch.quality import avatar_quality
from fitme.batch.task import Fitted, Task
from fitme.fit.api import fit_photos
from fitme.fit.models import Models
from fitme.report.notes import all_notes
from fitme.runtime.device import resolve_device
from fitme.runtime.memory import keep_large_blocks
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
    summary = fit_photos(
        task.photos,
        folder,
        **settings.options(),
        progress=LogProgress(),
        models=_models(str(resolve_device(settings.device)), settings.weights),
    )
    write_thumb(folder)
    avatar = summary.avatar
    return Fitted(len(avatar.photos), avatar_quality(avatar, folder), all_notes(avatar, []))


@functools.lru_cache(maxsize=1)
def _models(device: str, weights: Path | None) -> Models:
    """What all subjects of a worker share."""
    keep_large_blocks()
    return Models.load(device, weights, note=LogProgress().note)


def write_thumb(folder: Path, side: int = THUMB_SIDE) -> None:
    """`thumb.jpg`: photo beside render, cut from the first overlay picture."""
    with Image.open(folder / "overlay_00.png") as overlay:
        panel = overlay.height
        both = Image.new("RGB", (2 * side, side))
        for place, index in enumerate((0, 2)):
            piece = overlay.crop((index * panel, 0, (index + 1) * panel, panel)).convert("RGB")
            both.paste(piece.resize((side, side), Image.Resampling.LANCZOS), (place * side, 0))
    both.save(folder / THUMB, quality=82)
