"""Facial landmarks: what they are, who provides them, choosing a face, reading a file.

Points are in the order of the MediaPipe face mesh (468 of the skin, then 5 for each iris),
in photo pixels with pixel centres at +0.5. "Left" and "right" are the person's. A provider
is anything with `LandmarkProvider.detect`; the default is `fitme.landmarks.mediapipe`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from fitme.image.photo import Photo
from fitme.runtime.errors import LandmarkError, show_path

LANDMARKS = 478
SKIN_LANDMARKS = 468
#: A face whose box is smaller than this is refused: there is nothing to fit.
MIN_FACE_PX = 40

# The corners of the person's right eye and of the left eye.
RIGHT_EYE_CORNERS = (33, 133)
LEFT_EYE_CORNERS = (362, 263)

#: Index of each landmark's mirror image: points[LANDMARK_MIRROR] of a mirrored face are in
#: order again. Found by matching the mean shape of 33 photos with its mirror image.
LANDMARK_MIRROR = (
    0,
    1,
    2,
    248,
    4,
    5,
    6,
    249,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    250,
    251,
    252,
    253,
    254,
    255,
    256,
    257,
    258,
    259,
    260,
    261,
    262,
    263,
    264,
    265,
    266,
    267,
    268,
    269,
    270,
    271,
    272,
    273,
    274,
    275,
    276,
    277,
    278,
    279,
    280,
    281,
    282,
    283,
    284,
    285,
    286,
    287,
    288,
    289,
    290,
    291,
    292,
    293,
    294,
    295,
    296,
    297,
    298,
    299,
    300,
    301,
    302,
    303,
    304,
    305,
    306,
    307,
    308,
    309,
    310,
    311,
    312,
    313,
    314,
    315,
    316,
    317,
    318,
    319,
    320,
    321,
    322,
    323,
    94,
    324,
    325,
    326,
    327,
    328,
    329,
    330,
    331,
    332,
    333,
    334,
    335,
    336,
    337,
    338,
    339,
    340,
    341,
    342,
    343,
    344,
    345,
    346,
    347,
    348,
    349,
    350,
    351,
    352,
    353,
    354,
    355,
    356,
    357,
    358,
    359,
    360,
    361,
    362,
    363,
    364,
    365,
    366,
    367,
    368,
    369,
    370,
    371,
    372,
    373,
    374,
    375,
    376,
    377,
    378,
    379,
    151,
    152,
    380,
    381,
    382,
    383,
    384,
    385,
    386,
    387,
    388,
    389,
    390,
    164,
    391,
    392,
    393,
    168,
    394,
    395,
    396,
    397,
    398,
    399,
    175,
    400,
    401,
    402,
    403,
    404,
    405,
    406,
    407,
    408,
    409,
    410,
    411,
    412,
    413,
    414,
    415,
    416,
    417,
    418,
    195,
    419,
    197,
    420,
    199,
    200,
    421,
    422,
    423,
    424,
    425,
    426,
    427,
    428,
    429,
    430,
    431,
    432,
    433,
    434,
    435,
    436,
    437,
    438,
    439,
    440,
    441,
    442,
    443,
    444,
    445,
    446,
    447,
    448,
    449,
    450,
    451,
    452,
    453,
    454,
    455,
    456,
    457,
    458,
    459,
    460,
    461,
    462,
    463,
    464,
    465,
    466,
    467,
    3,
    7,
    20,
    21,
    22,
    23,
    24,
    25,
    26,
    27,
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    35,
    36,
    37,
    38,
    39,
    40,
    41,
    42,
    43,
    44,
    45,
    46,
    47,
    48,
    49,
    50,
    51,
    52,
    53,
    54,
    55,
    56,
    57,
    58,
    59,
    60,
    61,
    62,
    63,
    64,
    65,
    66,
    67,
    68,
    69,
    70,
    71,
    72,
    73,
    74,
    75,
    76,
    77,
    78,
    79,
    80,
    81,
    82,
    83,
    84,
    85,
    86,
    87,
    88,
    89,
    90,
    91,
    92,
    93,
    95,
    96,
    97,
    98,
    99,
    100,
    101,
    102,
    103,
    104,
    105,
    106,
    107,
    108,
    109,
    110,
    111,
    112,
    113,
    114,
    115,
    116,
    117,
    118,
    119,
    120,
    121,
    122,
    123,
    124,
    125,
    126,
    127,
    128,
    129,
    130,
    131,
    132,
    133,
    134,
    135,
    136,
    137,
    138,
    139,
    140,
    141,
    142,
    143,
    144,
    145,
    146,
    147,
    148,
    149,
    150,
    153,
    154,
    155,
    156,
    157,
    158,
    159,
    160,
    161,
    162,
    163,
    165,
    166,
    167,
    169,
    170,
    171,
    172,
    173,
    174,
    176,
    177,
    178,
    179,
    180,
    181,
    182,
    183,
    184,
    185,
    186,
    187,
    188,
    189,
    190,
    191,
    192,
    193,
    194,
    196,
    198,
    201,
    202,
    203,
    204,
    205,
    206,
    207,
    208,
    209,
    210,
    211,
    212,
    213,
    214,
    215,
    216,
    217,
    218,
    219,
    220,
    221,
    222,
    223,
    224,
    225,
    226,
    227,
    228,
    229,
    230,
    231,
    232,
    233,
    234,
    235,
    236,
    237,
    238,
    239,
    240,
    241,
    242,
    243,
    244,
    245,
    246,
    247,
    473,
    476,
    475,
    474,
    477,
    468,
    471,
    470,
    469,
    472,
)

_MAX_FILE_BYTES = 1_000_000
_FILE_HELP = 'give JSON {"points": [[x, y], ...]} or 478 text lines "x, y", in photo pixels'


@dataclass(frozen=True)
class FaceLandmarks:
    """The landmarks of one face.

    points: [478, 2] float32, (x, y) in photo pixels; may lie outside for a cut-off face.
    depth: [478] float32, in photo pixels, smaller is nearer to the camera, zero near the
        middle of the head; a guess of the landmarker. None where the source has none.
    score: how sure the provider is that this is a face, 0 to 1, or None.
    spread: RMS disagreement in photo pixels of the repeated measurements whose mean `points`
        is (see the provider), or None. The error has the same order.
    among: sizes in pixels of all faces of the photo, largest first, where there are several and
        nobody said which to take; this is the first then.
    """

    points: Tensor
    depth: Tensor | None = None
    score: float | None = None
    spread: float | None = None
    among: tuple[float, ...] = ()

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) around the skin points: brow to chin, without hair and ears."""
        skin = self.points[:SKIN_LANDMARKS]
        x0, y0 = skin.amin(0).tolist()
        x1, y1 = skin.amax(0).tolist()
        return x0, y0, x1, y1

    @property
    def size(self) -> float:
        """Longer side of the box in pixels: the measure for sorting and for `MIN_FACE_PX`."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, y1 - y0)

    @property
    def interocular(self) -> float:
        """Distance in pixels between the middles of the two eyes (from their corners)."""
        right = self.points[list(RIGHT_EYE_CORNERS)].mean(0)
        left = self.points[list(LEFT_EYE_CORNERS)].mean(0)
        return float((left - right).norm())

    @property
    def scale(self) -> float:
        """Pixels that errors are measured by: the interocular distance, which a turned head
        foreshortens, but no less than a frontal face of this size would have."""
        return max(self.interocular, 0.35 * self.size)


class LandmarkProvider(Protocol):
    """Finds faces. Implementations are deterministic: same pixels, same answer."""

    def detect(self, photo: Photo) -> list[FaceLandmarks]:
        """All faces, largest first, also those that are too small to fit; none is []."""


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


def load_landmarks(path: str | Path, photo: Photo | None = None) -> FaceLandmarks:
    """Landmarks from the user's own file.

    JSON: {"points": [[x, y] * 478]} or the bare list. Otherwise text: 478 lines of two
    numbers apart by a comma, semicolon or blanks; empty lines and lines starting with # are
    skipped. Nothing but text is parsed, nothing is executed.

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
    face = FaceLandmarks(points)
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
    points = face.points
    if points.abs().max() <= 2:
        raise LandmarkError(f"{name} holds normalised points; multiply x by width, y by height")
    if face.size < MIN_FACE_PX:
        raise LandmarkError(
            f"{name}: the face is only {face.size:.0f} pixels large, at least {MIN_FACE_PX} "
            "are needed; give points in photo pixels"
        )
    if photo is None:
        return
    size = torch.tensor([photo.width, photo.height])
    inside = ((points >= 0) & (points <= size)).all(1)
    beyond = torch.maximum(-points, points - size).max()
    if inside.float().mean() < 0.5 or beyond > 0.25 * size.max():
        raise LandmarkError(
            f"{name}: the points do not lie in {show_path(photo.path)} "
            f"({photo.width}x{photo.height}); {_FILE_HELP}, after EXIF rotation"
        )
