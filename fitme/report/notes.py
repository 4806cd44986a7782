"""Sentences about what may be wrong with an avatar: what the fit noticed, and what the pictures of
the report show beyond that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fitme.avatar.model import Avatar
from fitme.head.view import head_angles
from fitme.report.panels import PhotoPanels
from fitme.runtime.errors import show_path
from fitme.runtime.notes import NOTE, WARNING, Note, read_notes

# Of the distance between the eyes; the worst of 800 portraits had 2.3 %.
HIGH_LANDMARK_ERROR = 0.025
HIGH_MASKED = 0.35
LOW_PSNR = 20.0
WIDE_YAW = 45.0


def all_notes(
    avatar: Avatar, panels: Sequence[PhotoPanels | None], given: Sequence[Sequence[str]] = ()
) -> tuple[Note, ...]:
    """Warnings first. `given` are the notes of the photos' files.

    Where there are several photos, a note about one begins with its name.
    """
    found = list(read_notes(avatar.run.notes))
    said = {(note.kind, note.photo) for note in found}
    texts = [note.text for note in found]
    for index in range(len(avatar.photos)):
        for text in given[index] if index < len(given) else ():
            if not any(text in known for known in texts):
                found.append(Note(text, photo=index))
        seen = panels[index] if index < len(panels) else None
        found += [
            note for note in _noticed(avatar, index, seen) if (note.kind, note.photo) not in said
        ]
    named = [_named(note, avatar) for note in found]
    return tuple(sorted(named, key=lambda note: note.severity != WARNING))


def _named(note: Note, avatar: Avatar) -> Note:
    count = len(avatar.photos)
    if note.photo is None or count < 2 or not 0 <= note.photo < count:
        return note
    name = show_path(avatar.photos[note.photo].path.name)
    return note if name in note.text else replace(note, text=f"{name}: {note.text}")


def _noticed(avatar: Avatar, index: int, panels: PhotoPanels | None) -> Iterator[Note]:
    """What the numbers of a photo say, in the kinds of `fitme.fit.judge` where it says the same."""
    photo = avatar.photos[index]
    if photo.landmark_error > HIGH_LANDMARK_ERROR:
        yield Note(
            f"The landmarks lie {100 * photo.landmark_error:.1f} % of the distance between the"
            " eyes from where they were seen, which is more than usual: the head may sit badly."
            " A sharper, more frontal photo helps.",
            WARNING, "landmarks", index,
        )  # fmt: skip
    yaw = head_angles(photo.view.camera().world_to_camera[0, :3, :3])["yaw_deg"]
    if abs(yaw) > WIDE_YAW and len(avatar.photos) == 1:
        yield Note(
            f"The head is turned by {abs(yaw):.0f}°, so one half of the face is hardly seen and"
            " follows from the other and from the generator.",
            NOTE, "pose", index,
        )  # fmt: skip
    if panels is None:
        return
    if panels.masked is not None and panels.masked > HIGH_MASKED:
        yield Note(
            f"{100 * panels.masked:.0f} % of the face was left out as hair, glasses, shadow or a"
            " hand; there the maps are the generator's guess.",
            NOTE, "masked", index,
        )  # fmt: skip
    if panels.psnr is not None and panels.psnr < LOW_PSNR:
        yield Note(
            f"The render differs much from the photo (PSNR {panels.psnr:.1f} dB): strong shadows"
            " or make-up may lie in the maps or be missing.",
            WARNING, "likeness", index,
        )  # fmt: skip
