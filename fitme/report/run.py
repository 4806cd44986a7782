"""What an avatar says about the run that made it, for its report: the one place that knows where
that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitme.avatar.model import Avatar


def run_data(avatar: Avatar) -> Mapping[str, Any]:
    """Preset, device, settings, versions, timings, history, notes: what is known, JSON-ready."""
    return avatar.about
