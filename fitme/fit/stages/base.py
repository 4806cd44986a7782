"""What a stage is."""

from __future__ import annotations

from typing import Protocol

from fitme.fit.descent import History
from fitme.fit.session import Session
from fitme.fit.state import FitState


class Stage(Protocol):
    """One part of a fit, which changes the state in place."""

    @property
    def name(self) -> str:
        """What progress, timings and logs call it."""
        ...

    def run(self, session: Session, state: FitState) -> History:
        """Change the state; each loss at each step, by name."""
        ...
