"""One fit as the page sees it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from fitme.runtime.errors import show_path
from fitme.studio.order import Message, Order

#: What the stages of a fit are called on the page, in their order. Others, such as the compiling of
#: kernels on a first run, are shown while they last.
STAGES = {
    "": "Getting ready",  # the worker starts, or reads the photos
    "landmarks": "Finding the face",
    "align": "Placing the head",
    "light": "Light",
    "invert": "Shape and skin",
    "tune": "Fine detail",
    "hair": "Hair",
    "write": "Writing the files",
    "report": "Writing the report",
}
WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"


@dataclass
class Job:
    """An order and how far it is. Whoever changes or reads it holds the queue's lock."""

    number: int
    title: str  # the first photo's name as the user knows it
    order: Order
    status: str = WAITING
    stage: str = ""
    ended: list[str] = field(default_factory=list)  # stages that are over
    steps: int | None = None  # of the stage; None where unknown
    step: int = 0
    notes: list[str] = field(default_factory=list)
    picture: bytes | None = None  # JPEG
    pictures: int = 0  # how many there were
    error: str = ""
    started: float = 0.0  # seconds of time.monotonic
    seconds: float = 0.0  # that it took, once it is over

    @property
    def over(self) -> bool:
        return self.status in (DONE, FAILED, CANCELLED)

    def begin(self) -> None:
        self.status, self.started = RUNNING, time.monotonic()

    def end(self, status: str, error: str = "") -> None:
        """With a status of those that are `over`."""
        self.status, self.error, self.stage = status, error, ""
        self.seconds = time.monotonic() - self.started if self.started else 0.0

    def take(self, message: Message) -> None:
        """Change as a worker's message says; those that end a fit are the queue's."""
        kind, value = message
        match kind:
            case "stage":
                (self.stage, self.steps), self.step = value, 0
            case "step":
                self.step = value
            case "end":
                self.ended.append(value)
            case "note":
                self.notes.append(value)
            case "picture":
                self.picture, self.pictures = value, self.pictures + 1

    def to_dict(self, place: int = 0) -> dict[str, Any]:
        """What the page gets; `place` in the queue is 0 for one that does not wait."""
        took = self.seconds if self.over or not self.started else time.monotonic() - self.started
        share = min(self.step / self.steps, 1.0) if self.steps else None
        return {
            "number": self.number,
            "title": self.title,
            "head": self.order.out.name,
            "photos": len(self.order.photos),
            "preset": self.order.preset,
            "hair": self.order.hair,
            "status": self.status,
            "place": place,
            "stages": self._stages(),
            "share": share,
            "picture": self.pictures,
            "notes": [self._plain(note) for note in self.notes],
            "error": self._plain(self.error),
            "seconds": round(took, 1),
        }

    def _plain(self, line: str) -> str:
        """A line with the photos by their names, without the folder they were put into."""
        return line.replace(f"{show_path(self.order.photos[0].parent)}/", "")

    def _stages(self) -> list[dict[str, str]]:
        """Label and state (done, now, ahead) of each stage. What comes before one that runs is
        done, as a fit need not go through all of them."""
        names = list(STAGES)
        if self.stage not in STAGES:
            known = [name for name in self.ended if name in STAGES]
            names.insert(names.index(known[-1]) + 1 if known else 0, self.stage)
        passed = [names.index(name) for name in self.ended if name in names]
        reached = names.index(self.stage) if self.stage else max(passed, default=-1) + 1
        now = reached if self.status == RUNNING and (self.stage or not passed) else -1
        if self.status == DONE:
            reached = len(names)
        return [
            {
                "label": STAGES.get(name, name.capitalize()),
                "state": "done" if at < reached else "now" if at == now else "ahead",
            }
            for at, name in enumerate(names)
        ]
