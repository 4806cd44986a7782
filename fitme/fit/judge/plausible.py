"""Whether a head that was found can be a head: its shape, how it sits, how it is turned.

Each limit has two steps: what is more than any good photo had is named in a warning, and what no
head can have is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fitme.fit.align import Aligned
from fitme.head.view import head_angles
from fitme.runtime.errors import PhotoError, show_path
from fitme.runtime.notes import NOTE, WARNING, Note


@dataclass(frozen=True)
class Limit:
    """Above `doubt` there is a warning, above `refuse` nothing can be right."""

    doubt: float
    refuse: float


# Norm of the identity code. 82 good photos: median 4.0, largest 5.3; random heads: 3.4.
SHAPE = Limit(6.5, 9.0)
# The same after the fit, which has the pixels to go by: 3.5 to 7.0 in 8 fits of 4 people.
FITTED_SHAPE = Limit(9.5, 14.0)
# Mean distance of the landmarks over that of the eyes. 82 good photos: median 1.3 %, largest 1.8 %;
# the worst of 800 small portraits had 2.3 %.
LANDMARKS = Limit(0.025, 0.045)
# Degrees of yaw and of pitch. Landmarks are found up to about 60; the 82 photos have up to 45.
YAW, PITCH = Limit(45, 95), Limit(40, 80)
TURNED_DEG = 30  # the far half of the face begins to be guessed here
# Metres from the camera to the head's own centre, which lies about 0.1 m behind the eyes.
NEAREST_M = 0.2
#: Kinds of warnings that mean: this is not the person's head.
IMPLAUSIBLE = frozenset({"shape", "landmarks", "pose", "likeness"})

CURE = "give a sharper photo that shows the face from the front and larger, or right --landmarks"


def aligned_notes(aligned: Aligned, photo: Path) -> list[Note]:
    """Warnings about a head as the landmarks say it.

    Raises PhotoError, one line with the cure, where no head can be so.
    """
    angles = head_angles(aligned.view.camera().world_to_camera[0, :3, :3])
    yaw, pitch = abs(angles["yaw_deg"]), abs(angles["pitch_deg"])
    norm, error = float(aligned.identity.norm()), aligned.error
    away = float(aligned.view.translation.norm())
    checks = (
        ("shape", norm, SHAPE, f"the head has an impossible shape ({norm:.1f} deviations)"),
        ("landmarks", error, LANDMARKS,
         f"the head does not fit the landmarks ({100 * error:.1f} % of the eyes' distance)"),
        ("pose", yaw, YAW, f"the head is turned {yaw:.0f} degrees to the side"),
        ("pose", pitch, PITCH, f"the head is tilted {pitch:.0f} degrees up or down"),
        ("pose", -away, Limit(-NEAREST_M, 0.0), f"the camera is only {away:.2f} m away"),
    )  # fmt: skip
    notes = []
    for kind, value, limit, text in checks:
        if not value <= limit.refuse:  # NaN too
            raise PhotoError(f"{show_path(photo)}: {text}; {CURE}")
        if value > limit.doubt:
            notes.append(Note(f"{text}: the result may be wrong", WARNING, kind))
    if TURNED_DEG < yaw <= YAW.doubt:
        text = f"the head is turned {yaw:.0f} degrees: the far half of the face is partly a guess"
        notes.append(Note(text, NOTE, "turned"))
    return notes
