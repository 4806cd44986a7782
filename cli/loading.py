"""Imports and what they leave behind, kept out of the garbage collector's way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Around a command's imports, which make hundreds of thousands of objects that stay: Python's
    search for cycles waits until they are there, and never looks at them again. A sixth of the time
    that torch takes to import. Process-wide, so programs call it, the library never does."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # a second command of one process has little to import
            gc.freeze()
        if was_on:
            gc.enable()
