"""The progress of a fit as messages, with pictures of it."""

from __future__ import annotations

import io
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from fitme.runtime.progress import Picture, Stage
from fitme.studio.order import Send

STEP_EVERY_S = 0.1  # the page draws no bar more often
PICTURE_SHARE = 0.06  # of a fit's time that pictures of it may take
QUALITY = 88  # of the JPEGs


class Reporter:
    """A `Watcher` that sends what it hears; see `fitme.studio.order.Message`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._picture: Picture | None = None
        self._next_picture = self._next_step = 0.0

    @contextmanager
    def stage(self, name: str, steps: int | None = None) -> Iterator[Stage]:
        self._send(("stage", (name, steps)))
        self._draw(now=True)
        yield _Steps(self)
        self._send(("end", name))

    def note(self, text: str) -> None:
        self._send(("note", text))

    def watch(self, picture: Picture) -> None:
        self._picture = picture

    def step(self, done: int) -> None:
        """`done` steps of the stage are done."""
        if time.monotonic() >= self._next_step:
            self._next_step = time.monotonic() + STEP_EVERY_S
            self._send(("step", done))
        self._draw()

    def _draw(self, now: bool = False) -> None:
        """Send a picture if there is one and it is time, or `now`, where a stage begins or ends."""
        start = time.monotonic()
        if self._picture is None or (start < self._next_picture and not now):
            return
        stream = io.BytesIO()
        try:
            Image.fromarray(self._picture()).save(stream, "JPEG", quality=QUALITY, subsampling=0)
        except Exception:  # a fit is worth more than pictures of it
            traceback.print_exc()
            self._picture = None
            return
        end = time.monotonic()
        self._next_picture = end + (end - start) / PICTURE_SHARE
        self._send(("picture", stream.getvalue()))


class _Steps:
    """The `Stage` that counts."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self._done = reporter, 0

    def step(self, **values: float) -> None:
        self._done += 1
        self._reporter.step(self._done)
