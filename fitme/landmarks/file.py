"""Landmarks from a file of the user's own. Nothing but text is parsed, nothing is executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from fitme.image.photo import Photo
from fitme.landmarks.face import LANDMARKS, MIN_FACE_PX, FaceLandmarks
from fitme.runtime.errors import LandmarkError, show_path

_MAX_FILE_BYTES = 1_000_000
_FILE_HELP = 'give JSON {"points": [[x, y], ...]} or 478 text lines "x, y", in photo pixels'


def load_landmarks(path: str | Path, photo: Photo | None = None) -> FaceLandmarks:
    """Landmarks from the user's own file, in the pixels of `photo`.

    The file counts the pixels of the photo as it is stored (upright); where the photo was read at
    half or a quarter of its size the points follow.

    JSON: {"points": [[x, y] * 478]} or the bare list. Otherwise text: 478 lines of two
    numbers apart by a comma, semicolon or blanks; empty lines and lines starting with # are
    skipped.

    Raises LandmarkError naming the file: unreadable, malformed, not 478 finite points, all
    between 0 and 1 (normalised), smaller than `MIN_FACE_PX` or, where `photo` is given, not
    in the photo (fewer than half the points inside, or one far outside).
    """
    path = Path(path)
    name = show_path(path)
    rows = _parse(_read_text(path, name), name)
    try:
        numbers = [[float(value) for value in row] for row in rows]
    except (TypeError, ValueError, OverflowError) as error:
        raise LandmarkError(f"{name} holds something that is no point; {_FILE_HELP}") from error
    if len(numbers) != LANDMARKS or any(len(row) != 2 for row in numbers):
        widths = sorted({len(row) for row in numbers})
        raise LandmarkError(
            f"{name} holds {len(numbers)} points of {widths or 'no'} numbers "
            f"instead of {LANDMARKS} of 2; {_FILE_HELP}"
        )
    points = torch.tensor(numbers, dtype=torch.float32)
    if not points.isfinite().all():
        raise LandmarkError(f"{name} holds a NaN or infinite coordinate; {_FILE_HELP}")
    if points.abs().max() <= 2:
        raise LandmarkError(f"{name} holds normalised points; multiply x by width, y by height")
    face = FaceLandmarks(points if photo is None else points * photo.scale)
    _check_plausible(face, photo, name)
    return face


def _read_text(path: Path, name: str) -> str:
    if path.is_dir():
        raise LandmarkError(f"{name} is a directory; {_FILE_HELP}")
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise LandmarkError(f"{name} is too large for a landmark file; {_FILE_HELP}")
        return data.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise LandmarkError(f"{name} does not exist; check the path") from error
    except OSError as error:
        raise LandmarkError(f"{name} may not be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise LandmarkError(f"{name} is no text file; {_FILE_HELP}") from error


def _parse(text: str, name: str) -> list[list[Any]]:
    """The rows of a landmark file; the cells may still be anything."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise LandmarkError(f"{name} is not valid JSON; {_FILE_HELP}") from error
        rows = value.get("points") if isinstance(value, dict) else value
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise LandmarkError(f'{name} has no list "points"; {_FILE_HELP}')
        if any(isinstance(cell, (bool, str)) for row in rows for cell in row):
            raise LandmarkError(f"{name} holds something that is no number; {_FILE_HELP}")
        return rows
    lines = (line.strip() for line in text.splitlines())
    return [
        line.replace(",", " ").replace(";", " ").split()
        for line in lines
        if line and not line.startswith("#")
    ]


def _check_plausible(face: FaceLandmarks, photo: Photo | None, name: str) -> None:
    if face.size < MIN_FACE_PX:
        raise LandmarkError(
            f"{name}: the face is only {face.size:.0f} pixels large, at least {MIN_FACE_PX} "
            "are needed; give points in photo pixels"
        )
    if photo is None:
        return
    points = face.points
    size = torch.tensor([photo.width, photo.height])
    inside = ((points >= 0) & (points <= size)).all(1)
    beyond = torch.maximum(-points, points - size).max()
    if inside.float().mean() < 0.5 or beyond > 0.25 * size.max():
        raise LandmarkError(
            f"{name}: the points do not lie in {show_path(photo.path)} "
            f"({photo.width}x{photo.height}); {_FILE_HELP}, after EXIF rotation"
        )
