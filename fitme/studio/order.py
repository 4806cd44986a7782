"""What travels between the page's server and the worker that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fitme.runtime.progress import Watcher


@dataclass(frozen=True)
class Order:
    """One fit to do."""

    photos: tuple[Path, ...]
    out: Path  # the avatar's directory, which is not there yet
    preset: str  # one of `fitme.fit.settings.PRESETS`
    hair: str  # one of `fitme.fit.settings.HAIR`, or a style's name


#: (kind, value): ("stage", (name, steps or None)), ("step", steps done), ("end", name),
#: ("note", text), ("picture", JPEG bytes), and last ("done", None) or ("failed", one line).
Message = tuple[str, Any]
Send = Callable[[Message], None]


class Fitter(Protocol):
    """Does orders, in a worker. The seam for tests; it must be picklable."""

    def get_ready(self) -> None:
        """Load what all fits need. Called once, before the first order is known."""

    def fit(self, order: Order, progress: Watcher) -> None:
        """Write the avatar to `order.out`, whole or not at all. Raises FitmeError for what the
        user can mend."""
