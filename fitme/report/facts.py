"""What a report says in numbers and tables: facts of the run, of its photos, and timings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fitme.avatar.model import Avatar
from fitme.avatar.run_info import RunInfo
from fitme.head.view import head_angles
from fitme.report.panels import PhotoPanels


@dataclass(frozen=True)
class Timings:
    """Seconds per stage in their order, and of all."""

    stages: Mapping[str, float]
    total: float

    @property
    def longest(self) -> float:
        """Seconds of the longest stage, or 1."""
        return max(self.stages.values(), default=0.0) or 1.0


def facts(avatar: Avatar, panels: Sequence[PhotoPanels | None]) -> list[tuple[str, str]]:
    """(name, value) for the head of the page."""
    run = avatar.run
    out = []
    if avatar.photos:
        error = max(photo.landmark_error for photo in avatar.photos)
        out.append(("Landmark error", f"{100 * error:.2f} %"))
    known = [p.psnr for p in panels if p is not None and p.psnr is not None]
    if known:
        out.append(("PSNR in the face", f"{sum(known) / len(known):.1f} dB"))
    size = avatar.skin.diffuse_albedo.shape[1:3]
    out.append(("Maps", f"{size[1]} \N{MULTIPLICATION SIGN} {size[0]}"))
    times = timings(run.timings_s)
    if times is not None:
        out.append(("Time", f"{times.total:.0f} s"))
    named = (("Preset", run.preset), ("Device", run.device), ("Seed", run.seed))
    return out + [(name, str(value)) for name, value in named if value is not None]


def timings(found: Mapping[str, float]) -> Timings | None:
    """Seconds by stage as the run has them; what cannot be a time is left out."""
    seconds = {name: float(value) for name, value in found.items() if 0 <= value < 1e9}
    stages = {name: value for name, value in seconds.items() if name != "total"}
    if not seconds:
        return None
    return Timings(stages, seconds.get("total", sum(stages.values())))


def tables(run: RunInfo) -> list[list[tuple[str, str]]]:
    """Names and plain values of everything that is known of the run, as tables."""
    found = [_pairs(part) for part in (run.to_dict(), run.versions, run.settings)]
    return [pairs for pairs in found if pairs]


def _pairs(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (str(name), str(value))
        for name, value in data.items()
        if isinstance(value, str | int | float | bool)
    ]


def photo_facts(avatar: Avatar, index: int, panels: PhotoPanels | None) -> str:
    """One line of numbers about a photo."""
    photo = avatar.photos[index]
    view = photo.view
    angles = head_angles(view.camera().world_to_camera[0, :3, :3])
    out = [
        f"{view.width} \N{MULTIPLICATION SIGN} {view.height}",
        f"landmark error {100 * photo.landmark_error:.2f} %",
        *(f"{key} {angles[f'{key}_deg']:+.0f}°" for key in ("yaw", "pitch", "roll")),
        f"distance {float(view.translation.norm()):.2f} m",
    ]
    if panels is not None and panels.psnr is not None:
        out.append(f"mean difference {panels.mean_difference:.3f}")
        out.append(f"PSNR {panels.psnr:.1f} dB")
    if panels is not None and panels.masked is not None:
        out.append(f"{100 * panels.masked:.0f} % of the face masked")
    return " · ".join(out)
