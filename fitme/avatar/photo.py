"""One photo that an avatar was made from, as the fit explained it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitme.head.model import HeadModel
from fitme.head.view import View
from fitme.render.light import Light
from fitme.runtime.input_files import mapping, number


@dataclass(frozen=True)
class AvatarPhoto:
    """How one photo saw the head. Losses are by name, as the fit logged them."""

    path: Path  # of a loaded avatar the file's name alone
    view: View
    light: Light
    losses: Mapping[str, float]
    landmark_error: float  # mean distance over the interocular distance

    def to_dict(self, head: HeadModel) -> dict[str, Any]:
        """JSON-ready entry of "photos" in fit.json. Of the path only the file's name is kept:
        where it lay is nothing for those who get the avatar."""
        return {
            "path": self.path.name,
            **self.view.to_dict(head),
            "light": self.light.to_dict(),
            "landmark_error": self.landmark_error,
            "losses": dict(self.losses),
        }

    @staticmethod
    def from_dict(data: Any, head: HeadModel) -> AvatarPhoto:
        """The inverse of `to_dict`; of a whole path, as earlier versions wrote it, the name is
        taken. Raises ValueError naming what is missing or cannot be."""
        if not isinstance(data, Mapping):
            raise ValueError("an entry of photos is no object")
        path, losses = data.get("path"), mapping(data, "losses")
        if not isinstance(path, str):
            raise ValueError("path is missing or no text")
        light = Light.from_dict(mapping(data, "light"))
        if light.batch != 1:
            raise ValueError(f"light is of {light.batch} images, wanted 1")
        return AvatarPhoto(
            path=Path(Path(path).name),
            view=View.from_dict(data, head),
            light=light,
            losses={name: number(losses, name) for name in losses},
            landmark_error=number(data, "landmark_error"),
        )
