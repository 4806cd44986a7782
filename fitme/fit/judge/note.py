"""A note: one thing about one photo that its user should know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["note", "warning"]


@dataclass(frozen=True)
class Note:
    """One thing to know. A "warning" means that the result is likely wrong in what it names."""

    kind: str  # one word: faces, gray, tinted, turned, small, eyes, blurred, cut, shape, ...
    severity: Severity
    text: str  # one sentence without the photo's name
    photo: str  # the photo's file name

    def __str__(self) -> str:
        start = "warning: " if self.severity == "warning" else ""
        return f"{start}{self.photo}: {self.text}"


def as_data(notes: Iterable[Note]) -> list[dict[str, str]]:
    """The notes as plain data for `fit.json` and `--json`."""
    return [asdict(note) for note in notes]
