"""What fit.json says about the run that made an avatar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

RESERVED = (
    "format", "head", "identity", "layers", "materials", "photos", "displacement", "wrinkles",
    "hair", "licence", "scale",
)  # fmt: skip
"""Keys of fit.json that hold the avatar itself."""

_NOTE_TEXTS = ("kind", "severity", "text")


@dataclass(frozen=True)
class RunInfo:
    """Which program made an avatar, with what settings, and what it noticed.

    Every field may be empty, as of an avatar made by hand. `to_dict` and `from_dict` are its form
    in fit.json. Raises ValueError, naming the field, for a value of another kind and for keys of
    `extra` that would overwrite something.
    """

    fitme: str | None = None  # version of the program
    versions: Mapping[str, str] = field(default_factory=dict)  # of what it ran on
    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None  # of an avatar that was drawn
    device: str | None = None
    timings_s: Mapping[str, float] = field(default_factory=dict)  # seconds by stage, and "total"
    history: Mapping[str, Any] = field(default_factory=dict)  # stage -> loss -> value per step
    notes: Sequence[Mapping[str, Any]] = ()  # {"kind", "severity", "text", "photo"} each
    extra: Mapping[str, Any] = field(default_factory=dict)  # what other versions say

    def __post_init__(self) -> None:
        for name in ("fitme", "preset", "device"):
            if not isinstance(getattr(self, name), str | None):
                raise ValueError(f"{name} is no text")
        for name in ("versions", "settings", "timings_s", "history", "extra"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"{name} is no object")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | None):
            raise ValueError("seed is no whole number")
        for stage, seconds in self.timings_s.items():
            if not isinstance(seconds, int | float):
                raise ValueError(f"timings_s: {stage} is no number")
        if not isinstance(self.notes, list | tuple):
            raise ValueError("notes is no list")
        for note in self.notes:
            texts = note if isinstance(note, Mapping) else {}
            if not all(isinstance(texts.get(key), str) for key in _NOTE_TEXTS):
                raise ValueError(f"an entry of notes lacks one of {', '.join(_NOTE_TEXTS)}")
        taken = sorted(self.extra.keys() & {*RESERVED, *_known()})
        if taken:
            raise ValueError(f"extra cannot hold {', '.join(taken)}: fit.json has them already")

    def to_dict(self) -> dict[str, Any]:
        """The entries of fit.json, JSON-ready; what is empty is left out."""
        own = {name: getattr(self, name) for name in _known()}
        filled = {name: value for name, value in own.items() if value not in (None, {}, (), [])}
        return {**filled, **self.extra}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RunInfo:
        """What fit.json, all of it, says about its run; keys that are not known are in `extra`.
        Raises ValueError as the class does."""
        known = {name: data[name] for name in _known() if name in data}
        rest = {k: v for k, v in data.items() if k not in (*RESERVED, *known)}
        return RunInfo(**known, extra=rest)


def _known() -> list[str]:
    return [item.name for item in fields(RunInfo) if item.name != "extra"]
