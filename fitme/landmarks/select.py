"""Choosing the face to fit among those of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fitme.landmarks.face import MIN_FACE_PX, FaceLandmarks
from fitme.runtime.errors import LandmarkError, show_path


def select_face(
    faces: Sequence[FaceLandmarks], index: int | None = None, name: str | Path = "the photo"
) -> FaceLandmarks:
    """The face to fit: number `index`, counted from 0 by falling size, or else the largest.

    Raises LandmarkError (naming `name`) if there is no face, no such index, or the face is
    smaller than `MIN_FACE_PX`.
    """
    name = show_path(name)
    if not faces:
        raise LandmarkError(
            f"{name} shows no face that can be found; give a sharp photo of a face turned no "
            f"more than halfway to the side, or your own --landmarks"
        )
    if index is not None and not 0 <= index < len(faces):
        has = (
            "1 face, number 0" if len(faces) == 1 else f"{len(faces)} faces, 0 to {len(faces) - 1}"
        )
        raise LandmarkError(f"{name} has {has} (largest first); --face {index} is not among them")
    face = faces[index or 0]
    if face.size < MIN_FACE_PX:
        raise LandmarkError(
            f"{name}: the face is only {face.size:.0f} pixels large; give a photo where it has "
            f"at least {MIN_FACE_PX} (better: 500 or more)"
        )
    if index is None and len(faces) > 1:
        return replace(face, among=tuple(other.size for other in faces))
    return face
