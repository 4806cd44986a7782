"""What a batch tells while it runs: on a terminal one line that renews itself, in a log file one
line per subject; always on stderr, so that stdout stays for results."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from fitme.batch.task import Crash, Result


class BatchProgress:
    """Counts and the time of the end. `verbose` prints every subject also on a terminal, `quiet`
    prints nothing at all."""

    def __init__(
        self, *, verbose: bool = False, quiet: bool = False, stream: TextIO | None = None
    ) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._live = self._stream.isatty()
        self._each = verbose or not self._live
        self._verbose = verbose
        self._start = time.monotonic()
        self._counts = {"done": 0, "failed": 0, "skipped": 0}
        self._total = self._fresh = self._ahead = 0

    def begin(self, total: int, earlier: list[Result], how: str) -> None:
        """The work is known: `total` subjects, some of them settled by earlier runs."""
        self._total = total
        for result in earlier:
            self._counts["skipped" if result.status == "done" else "failed"] += 1
            if result.status == "failed" or self._verbose:
                self._line(f"{result.name}: {describe(result)}")
        self._ahead = total - len(earlier)
        self._start = time.monotonic()
        self._line(
            f"{total} subjects: {self._counts['skipped']} finished before,"
            f" {self._counts['failed']} failed before, {self._ahead} to do ({how})"
        )
        self._renew()

    def note(self, text: str) -> None:
        """One line worth telling."""
        self._line(text)
        self._renew()

    def finished(self, result: Result) -> None:
        """A subject is settled."""
        self._counts[result.status] += 1
        self._fresh += 1
        if self._each or result.status == "failed":
            number = f"[{sum(self._counts.values())}/{self._total}] "
            tail = "" if self._live else f" | {self.state()}"
            self._line(f"{number}{result.name}: {describe(result)}{tail}")
        self._renew()

    def crashed(self, crash: Crash) -> None:
        """A worker died; its subject comes again."""
        self.note(f"{crash.task.name}: {crash.reason}; it will be tried once more, alone")

    def end(self) -> None:
        """Nothing more to come."""
        if self._live and not self._quiet:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def state(self) -> str:
        """Counts and ETA in one line."""
        counts = ", ".join(f"{number} {name}" for name, number in self._counts.items())
        left = self._ahead - self._fresh
        if not left or not self._fresh:
            return counts
        elapsed = time.monotonic() - self._start
        seconds = elapsed / self._fresh * left
        at = time.strftime("%a %H:%M" if seconds > 80000 else "%H:%M", time.localtime(_in(seconds)))
        return f"{counts}, ETA {at} (in {duration(seconds)})"

    def _renew(self) -> None:
        if self._live and not self._quiet:
            number = sum(self._counts.values())
            self._stream.write(f"\r\x1b[K{number}/{self._total}: {self.state()}")
            self._stream.flush()

    def _line(self, text: str) -> None:
        if not self._quiet:
            clear = "\r\x1b[K" if self._live else ""
            self._stream.write(f"{clear}{text}\n")
            self._stream.flush()


def describe(result: Result) -> str:
    """How a subject ended, in a few words."""
    before = " before" if result.earlier else ""
    if result.status == "failed":
        return f"failed{before}: {result.reason}"
    score = result.quality.get("score")
    shown = "" if score is None else f", score {score:.0f}"
    return f"{result.status}{before} in {duration(result.seconds)}{shown}"


def duration(seconds: float) -> str:
    """Such as 42 s, 7 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _in(seconds: float) -> float:
    return time.time() + seconds
