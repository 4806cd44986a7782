"""What travels between the process that watches over a batch and its workers."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fitme.fit.settings import FitPreset, choose_preset
from fitme.runtime.notes import Note
from fitme.runtime.versions import installed_version

STATE_DIR = "_batch"


@dataclass(frozen=True)
class Settings:
    """How every subject is fitted; the fields are those of `fit_photos`."""

    preset: str | FitPreset = "default"
    size: int = 1024
    seed: int = 0
    device: str = "auto"
    weights: Path | None = None
    skip_bad: bool = False
    models: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of the weight files in use

    def identity(self) -> dict[str, Any]:
        """What an avatar depends on, beside its photos; another identity means another avatar.

        Not the device, which says where to compute and not what, and not `skip_bad`, which
        matters only where photos were left out.
        """
        return {
            "fitme": installed_version() or "unknown",
            "preset": asdict(choose_preset(self.preset)),
            "size": self.size,
            "seed": self.seed,
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

    def staging(self) -> Path:
        """Where this attempt works, unlike that of any other process or machine."""
        mark = f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        return self.root / STATE_DIR / "work" / f"{self.directory}.{mark}"


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
