"""How a long run reports where it is. The fit knows only the `Progress` protocol.

with progress.stage("invert", steps=200) as stage:
    for _ in range(200):
        ...
        stage.step(loss=float(loss))
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray
from tqdm import tqdm


class Stage(Protocol):
    """One running stage."""

    def step(self, **values: float) -> None:
        """One step done; `values` are the named numbers worth showing (losses)."""


class Progress(Protocol):
    """Receives the stages of a run and lines worth telling the user."""

    def stage(self, name: str, steps: int | None = None) -> AbstractContextManager[Stage]:
        """A context that lasts as long as the stage; `steps` is None where unknown."""

    def note(self, text: str) -> None:
        """One line for the user, such as which loss is off and why."""


#: Makes the picture of a run as it is now, uint8 [H,W,3]; drawing changes nothing of the run.
Picture = Callable[[], NDArray[Any]]


@runtime_checkable
class Watcher(Progress, Protocol):
    """A `Progress` that also shows pictures."""

    def watch(self, picture: Picture) -> None:
        """From now on `picture` may be called within any step and between stages."""


def watch(progress: Progress, picture: Picture) -> None:
    """Tell a progress that shows pictures, and no other, how they are made."""
    if isinstance(progress, Watcher):
        progress.watch(picture)


class _SilentStage:
    def step(self, **values: float) -> None:
        pass


class SilentProgress:
    """Reports nothing: the default of the Python API, and `--quiet`."""

    @contextmanager
    def stage(self, name: str, steps: int | None = None) -> Iterator[Stage]:
        yield _SilentStage()

    def note(self, text: str) -> None:
        pass


class _TqdmStage:
    def __init__(self, bar: tqdm) -> None:
        self._bar = bar

    def step(self, **values: float) -> None:
        if values:
            shown = ", ".join(f"{name}={value:.4g}" for name, value in values.items())
            self._bar.set_postfix_str(shown, refresh=False)
        self._bar.update()


class TqdmProgress:
    """A bar per stage and notes, on stderr, so that stdout stays for results.

    Where stderr is no terminal (a log file) bars redraw at most every 10 s.
    """

    @contextmanager
    def stage(self, name: str, steps: int | None = None) -> Iterator[Stage]:
        interval = 0.1 if sys.stderr.isatty() else 10.0
        with tqdm(
            total=steps,
            desc=name,
            unit="step",
            file=sys.stderr,
            mininterval=interval,
            dynamic_ncols=True,
        ) as bar:
            yield _TqdmStage(bar)

    def note(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr)
