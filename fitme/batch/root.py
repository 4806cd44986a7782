"""The output folder of a batch: made, locked, and swept of what killed runs left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fitme.batch.lock import locked
from fitme.batch.task import STAGING, STATE_DIR
from fitme.runtime.errors import OutputError, show_path
from fitme.runtime.temporaries import clear_staging, remove_abandoned


@contextlib.contextmanager
def opened_root(root: Path) -> Iterator[None]:
    """Hold the output folder `root` for this batch alone, clean at the beginning and at the end.

    Raises OutputError where it cannot be made, holds other files or is in use.
    """
    _make(root)
    with locked(root / STATE_DIR / "lock", root):
        _sweep(root)
        try:
            yield
        finally:
            _sweep(root)


def _make(root: Path) -> None:
    """Make the output folder, or take one that an earlier batch made. Raises OutputError."""
    shown = show_path(root)
    try:
        if root.is_dir() and not (root / STATE_DIR).is_dir() and any(root.iterdir()):
            raise OutputError(
                f"{shown} holds other files and no earlier batch; choose a new or empty --out"
            )
        (root / STATE_DIR).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{shown} cannot be created ({error.strerror}); choose another --out"
        ) from error


def _sweep(root: Path) -> None:
    """Remove what killed runs left behind. Only under the lock: nobody else is at work, but for
    workers that outlive a killed batch by a moment, which write into the staging folder only."""
    clear_staging(root / STAGING, root)
    for token in (root / STATE_DIR).glob("probe-*"):
        token.unlink(missing_ok=True)
    # Earlier versions wrote beside their targets.
    for folder in (root, root / STATE_DIR / "failed"):
        remove_abandoned(folder)
