"""Notes: single sentences about what a user should know of a result, graded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

WARNING, NOTE = "warning", "note"


@dataclass(frozen=True)
class Note:
    """One sentence. A warning says that the avatar may be wrong."""

    text: str
    severity: str = NOTE  # or WARNING
    kind: str = ""  # one word, such as "yaw": what is said of a photo is said once
    photo: int | None = None  # which one it is about; None is all of them


def read_notes(data: Any) -> tuple[Note, ...]:
    """The notes in a list of {"kind", "severity", "text", "photo"}, as `fit.json` has it. What is
    no such thing is left out, as the file may come from anywhere."""
    entries = data if isinstance(data, list | tuple) else ()
    return tuple(
        Note(
            text=note["text"],
            severity=WARNING if note.get("severity") in (WARNING, "error") else NOTE,
            kind=str(note.get("kind", "")),
            photo=note.get("photo") if type(note.get("photo")) is int else None,
        )
        for note in entries
        if isinstance(note, Mapping) and isinstance(note.get("text"), str) and note["text"]
    )


def as_data(notes: Iterable[Note]) -> list[dict[str, Any]]:
    """The notes as `fit.json` has them."""
    return [asdict(note) for note in notes]


def count_notes(notes: tuple[Note, ...]) -> str:
    """How many there are of each grade, such as "1 warning, 2 notes"; nothing for none."""
    warnings = sum(note.severity == WARNING for note in notes)
    counted = ((warnings, "warning"), (len(notes) - warnings, "note"))
    return ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counted if n)
