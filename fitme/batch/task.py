"""What travels between the process that watches over a batch and its workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fitme.fit.settings import FitSettings, choose_preset
from fitme.runtime.notes import Note
from fitme.runtime.versions import installed_version

STATE_DIR = "_batch"
STAGING = Path(STATE_DIR, "work")


@dataclass(frozen=True)
class Settings:
    """How every subject is fitted."""

    preset: str | FitSettings = "default"
    size: int = 1024
    device: str = "auto"
    weights: Path | None = None
    skip_bad: bool = False
    models: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of the weight files in use

    def options(self) -> dict[str, Any]:
        """The fields that are options of a fit, by their names there."""
        return {
            "preset": self.preset,
            "size": self.size,
            "device": self.device,
            "weights": self.weights,
            "skip_bad": self.skip_bad,
        }

    def identity(self) -> dict[str, Any]:
        """What an avatar depends on, beside its photos; another identity means another avatar.

        Not the device, which says where to compute and not what, and not `skip_bad`, which
        matters only where photos were left out.
        """
        return {
            "fitme": installed_version() or "unknown",
            "preset": asdict(choose_preset(self.preset)),
            "size": self.size,
            "models": dict(self.models),
        }


@dataclass(frozen=True)
class Task:
    """One subject to fit."""

    name: str
    directory: str
    photos: tuple[Path, ...]
    source: Path
    root: Path
    settings: Settings

    @property
    def out(self) -> Path:
        """Where the avatar goes."""
        return self.root / self.directory

    @property
    def log(self) -> Path:
        """What the worker prints; exists only where something was printed."""
        return self.root / STATE_DIR / "logs" / f"{self.directory}.log"

    @property
    def failure(self) -> Path:
        """The record of a failure."""
        return self.root / STATE_DIR / "failed" / f"{self.directory}.json"

    @property
    def failure_picture(self) -> Path:
        """A small copy of the photo that failed, for the index."""
        return self.root / STATE_DIR / "failed" / f"{self.directory}.jpg"

    @property
    def staging(self) -> Path:
        """What is half written lies in here and nowhere else; the batch clears it."""
        return self.root / STAGING


@dataclass(frozen=True)
class Fitted:
    """What a fit function says about the avatar it wrote."""

    photos: int  # used; fewer than given where bad ones were left out
    quality: Mapping[str, float] = field(default_factory=dict)  # `score` and its components
    notes: tuple[Note, ...] = ()


#: Fits a task's photos into an empty folder. The seam for tests and for other fitters: a function
#: of a module that workers can import. Raises FitmeError for what the user can mend.
Fit = Callable[[Task, Path], Fitted]


@dataclass(frozen=True)
class Result:
    """How a subject ended. `earlier` says that it was found finished, or failed, by this run."""

    name: str
    directory: str
    status: str  # done, failed or pending
    reason: str = ""
    quality: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    photos: int = 0
    earlier: bool = False
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Crash:
    """A task whose worker died under it."""

    task: Task
    reason: str
