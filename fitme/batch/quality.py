"""How well an avatar sits on its photos: three numbers and a score, to find bad fits by.

All are taken in the oval of the face, at 256 pixels of height, and the worst photo counts:

- `landmark_error`: mean distance of the landmarks from where they were seen, over the distance
  between the eyes (from `fit.json`);
- `color_error`: mean absolute difference of photo and render in display colour, 0 to 1;
- `structure`: SSIM (Wang et al. 2004) of their luminance, 1 where they are the same.

    score = 100 exp(-((landmark_error / 0.04)^2 + (color_error / 0.15)^2
                      + ((1 - structure) / 0.9)^2))

Each divisor is about three times what a good fit has, so a good one scores 70 to 90, and one that
is off by its divisor in one respect loses two thirds of what it had. A head that the fit's own
notes call implausible (`fitme.fit.judge`) keeps a quarter. `warnings` counts the graver notes.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fitme.avatar.model import Avatar
from fitme.fit.judge import IMPLAUSIBLE, compare, face_outline
from fitme.image.photo import load_photo
from fitme.runtime.notes import WARNING, read_notes

LANDMARK_SCALE, COLOR_SCALE, STRUCTURE_SCALE = 0.04, 0.15, 0.9
DOUBTED = 0.25  # of the score is left to a fit that its own notes call implausible


def score(landmark_error: float, color_error: float, structure: float) -> float:
    """The score of the module's formula, 0 to 100."""
    parts = (
        landmark_error / LANDMARK_SCALE,
        color_error / COLOR_SCALE,
        (1 - structure) / STRUCTURE_SCALE,
    )
    return 100 * math.exp(-sum(part**2 for part in parts))


def avatar_quality(avatar: Avatar, folder: Path) -> dict[str, float]:
    """`score` and its components for a fresh avatar whose renders lie in `folder`."""
    measured = []
    for index, photo in enumerate(avatar.photos):
        outline = face_outline(avatar, index)
        with Image.open(folder / f"render_{index:02d}.png") as image:
            render = torch.from_numpy(np.array(image.convert("RGBA"))).float() / 255
        color, structure = compare(load_photo(photo.path), render, outline)
        measured.append((photo.landmark_error, color, structure))
    landmark = max(item[0] for item in measured)
    color = max(item[1] for item in measured)
    structure = min(item[2] for item in measured)
    notes = read_notes(avatar.run.notes)
    warnings = {note.kind for note in notes if note.severity == WARNING}
    doubt = DOUBTED if IMPLAUSIBLE & warnings else 1.0
    return {
        "score": round(doubt * score(landmark, color, structure), 2),
        "landmark_error": round(landmark, 5),
        "color_error": round(color, 5),
        "structure": round(structure, 5),
        "warnings": float(sum(note.severity == WARNING for note in notes)),
    }
