"""All notes of one run: before the fit for every photo, and after it for the avatar."""

from __future__ import annotations

from collections.abc import Sequence

from fitme.avatar.model import Avatar
from fitme.fit.align import Aligned
from fitme.fit.judge.likeness import likeness
from fitme.fit.judge.picture import picture_notes
from fitme.fit.judge.plausible import CURE, FITTED_SHAPE, LANDMARKS, aligned_notes
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.runtime.errors import InputError, PhotoError, show_path
from fitme.runtime.notes import WARNING, Note
from fitme.runtime.progress import Progress

# In the oval of the face, see `likeness`. 10 fits of 7 photos, fast and default: colours differ by
# 0.02 to 0.08, structure agrees to 0.67 to 0.92; upside down 0.14 to 0.30, 0.32 to 0.47.
COLOR_ERROR, STRUCTURE = 0.14, 0.5


def before(photo: Photo, face: FaceLandmarks, aligned: Aligned) -> list[Note]:
    """Notes on one photo, its face and the head that its landmarks say.

    Raises PhotoError, one line with the cure, where nothing can be right.
    """
    return picture_notes(photo, face) + aligned_notes(aligned, photo.path)


def after(avatar: Avatar, index: int, photo: Photo) -> list[Note]:
    """Warnings about a fitted avatar as photo `index` sees it. Raises PhotoError as `before`."""
    found = avatar.photos[index]
    notes = []
    norm, error = float(avatar.identity.norm()), found.landmark_error
    if not (norm <= FITTED_SHAPE.refuse and error <= LANDMARKS.refuse):
        raise PhotoError(
            f"{show_path(photo.path)}: the fit ended with a head that cannot be (shape {norm:.1f} "
            f"deviations, landmarks {100 * error:.1f} % off); {CURE}"
        )
    if norm > FITTED_SHAPE.doubt:
        text = f"the head's shape is far from all others ({norm:.1f} deviations): it may be wrong"
        notes.append(Note(text, WARNING, "shape", index))
    if error > LANDMARKS.doubt:
        text = f"the head sits {100 * error:.1f} % of the eyes' distance off the landmarks"
        notes.append(Note(text, WARNING, "landmarks", index))
    color, structure = likeness(avatar, index, photo)
    if color > COLOR_ERROR or structure < STRUCTURE:
        text = (
            f"the render does not look like the photo (colours differ by {color:.2f}, structure "
            f"agrees to {structure:.2f}): the result may be wrong"
        )
        notes.append(Note(text, WARNING, "likeness", index))
    return notes


def judge_photos(
    seen: Sequence[tuple[Photo, FaceLandmarks]], aligned: Sequence[Aligned], skip_bad: bool,
    progress: Progress,
) -> dict[int, list[Note]]:  # fmt: skip
    """The notes on each photo that can be used, by its index; `progress` is told them.

    A photo of which nothing can be right raises PhotoError, or is left out where `skip_bad` and
    others remain.
    """
    notes: dict[int, list[Note]] = {}
    for index, ((photo, face), start) in enumerate(zip(seen, aligned, strict=True)):
        try:
            notes[index] = before(photo, face, start)
        except PhotoError as error:
            if not skip_bad:
                raise
            progress.note(f"left out: {error}")
            continue
        tell(notes[index], photo, progress)
    if not notes:
        raise InputError(f"none of the {len(seen)} photos can be used")
    return notes


def judge_avatar(avatar: Avatar, photos: Sequence[Photo], progress: Progress) -> list[Note]:
    """The notes on a fitted avatar, which `progress` is told. Raises PhotoError as `after`."""
    notes: list[Note] = []
    for index, photo in enumerate(photos):
        found = after(avatar, index, photo)
        tell(found, photo, progress)
        notes += found
    return notes


def tell(notes: Sequence[Note], photo: Photo, progress: Progress) -> None:
    """Tell `progress` the notes on a photo."""
    for note in notes:
        grade = "warning: " if note.severity == WARNING else ""
        progress.note(f"{grade}{show_path(photo.path.name)}: {note.text}")
