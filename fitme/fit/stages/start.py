"""Where a fit starts: the aligned views, the mean reflectance, and what covers the face."""

from __future__ import annotations

from torch import Tensor

from fitme.fit.evidence.covered import uncovered_pixels
from fitme.fit.session import Session
from fitme.fit.state import FitState


def start(session: Session, identity: Tensor) -> FitState:
    """The state from the session's aligned photos and a first identity [1,K]."""
    state = FitState.start(session.observations, identity, session.codes)
    if session.settings.mask:
        state.frames.trusted = uncovered_pixels(session, state)
    return state
