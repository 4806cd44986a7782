"""What a pixel of a photo can be."""

from __future__ import annotations

from enum import IntEnum


class Label(IntEnum):
    """Classes of pixels, in the order of the network's channels."""

    BACKGROUND = 0
    SKIN = 1  # of the face, with lids, nose and lips' surroundings; also stubble one sees through
    EARS = 2
    NECK = 3  # bare skin below the jaw: neck, throat, shoulders
    BROWS = 4  # brows and lashes
    EYES = 5  # what shows of the eyeballs
    LIPS = 6
    MOUTH = 7  # between the lips: teeth, tongue, dark
    HAIR = 8  # of the head; a bald or shaven scalp is skin
    BEARD = 9  # beards and moustaches that hide the skin
    GLASSES = 10  # frames and lenses; what shows through a clear lens keeps its own label
    OTHER = 11  # other things before the face: hands, microphones, masks, hats, phones
    CLOTHES = 12  # with scarves and collars


COLORS: tuple[tuple[int, int, int], ...] = (
    (32, 32, 36), (232, 190, 160), (214, 140, 120), (170, 120, 90), (90, 60, 30),
    (250, 250, 250), (210, 60, 90), (120, 0, 40), (250, 170, 30), (150, 90, 200),
    (40, 200, 230), (60, 180, 75), (60, 90, 200),
)  # fmt: skip
"""sRGB per label in pictures."""
