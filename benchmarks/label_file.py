"""Labels of real photos, drawn by hand: `labels.json`, and how it becomes a picture of labels.

The file holds outlines only, no photo. Per face: the photo's name, SHA-256 and size; `box`, the
landmarks' box of the labelled face; `doubt`; `layers`. A layer is a name of `Label` or IGNORE with
rings of x, y, x, y, ... in pixels of the upright photo (the first pixel's centre is 0.5, 0.5) under
the even-odd rule. Layers are painted one over the other; what none covers is background.

How they were made: each face was cut out by `fitme.segment.frame`, enlarged to 1024 pixels, and
areas were drawn by hand as polygons; outlines moved to the picture's edges within 10 of those
pixels (a random walk over colours, Grady, PAMI 2006), were looked at, and redrawn by hand where
they were wrong.
Eyes and lips are the outlines of the face mesh where they were seen to fit; brows are what is dark
in a drawn area. So lips and eyes flatter whoever uses the same mesh. Other people of a photo are
background; earrings are OTHER; strands on the forehead that cover less than half are skin.

Outlines are right to about 1 % of the face's height. Labels moved by that much in x and y have an
IoU of 95 % (skin), 99 (hair, whose outline is left out), 98 (background), 91 (neck), 88 (clothes),
78 (ears), 73 (lips), 60 (eyes), 55 (brows), 53 (the rims of glasses): more tells nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fitme.landmarks.face import FaceLandmarks
from fitme.runtime.errors import InputError, LandmarkError, show_path
from fitme.segment.labels import Label

FILE = Path(__file__).with_name("labels.json")
IGNORE = 255  # pixels that nobody is judged by
FINER = 4  # samples per pixel and side when outlines are filled, so that nothing is dilated

Layer = tuple[int, tuple[np.ndarray, ...]]  # label, rings [N,2] in pixels of the photo


@dataclass(frozen=True)
class LabelledFace:
    """The truth about one face of one photo."""

    file: str
    sha256: str
    size: tuple[int, int]  # width, height of the upright photo
    box: tuple[float, float, float, float]  # of the landmarks, photo pixels
    doubt: float  # photo pixels to each side of the hair's outline that count for nothing
    layers: tuple[Layer, ...]

    def check(self, path: Path) -> None:
        """Raises InputError where the file is missing or is not the photo that was labelled."""
        if not path.is_file():
            raise InputError(f"{show_path(path)} is missing; --photos names the folder with it")
        if hashlib.sha256(path.read_bytes()).hexdigest() != self.sha256:
            raise InputError(
                f"{show_path(path)} is not the photo that was labelled (its SHA-256 differs); "
                f"take the original file"
            )

    def choose(self, faces: Sequence[FaceLandmarks]) -> FaceLandmarks:
        """The labelled face among those found. Raises LandmarkError if it is not there."""
        x0, y0, x1, y1 = self.box
        for face in faces:
            a0, b0, a1, b1 = face.box
            if max(abs(a0 - x0), abs(b0 - y0), abs(a1 - x1), abs(b1 - y1)) < 0.2 * (y1 - y0):
                return face
        raise LandmarkError(f"{self.file}: the labelled face was not found")

    def truth(self, square: tuple[int, int, int], size: int, strips: bool = True) -> np.ndarray:
        """Labels [size,size] uint8 in a square (x, y, side) of the photo, IGNORE where nothing
        is known: outside of the photo, in doubtful areas, and, with `strips`, along the hair's
        outline."""
        x, y, side = square
        scale = size / side
        labels = painted(self.layers, (x, y), scale, size)
        near = round(self.doubt * scale * 2) + 1
        if strips and near > 1:
            disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (near, near))
            hair = (labels == Label.HAIR).astype(np.uint8)
            labels[cv2.dilate(hair, disc) > cv2.erode(hair, disc)] = IGNORE
        columns, rows = ((np.arange(size) + 0.5) / scale + start for start in (x, y))
        inside = (columns > 0) & (columns < self.size[0])
        labels[~(inside & ((rows > 0) & (rows < self.size[1]))[:, None])] = IGNORE
        return labels


def painted(
    layers: Sequence[Layer], corner: tuple[float, float], scale: float, size: int
) -> np.ndarray:
    """Labels [size,size] uint8: a pixel has the label of the last layer that holds its centre.

    `corner` is the upper left one of the picture in the photo, `scale` its pixels per pixel there.
    """
    fine = np.full((FINER * size, FINER * size), Label.BACKGROUND, np.uint8)
    shift = 8  # fractional bits of cv2's coordinates, whose whole numbers are pixel centres
    for label, rings in layers:
        moved = [((ring - corner) * scale * FINER - 0.5) * 2**shift for ring in rings]
        cv2.fillPoly(fine, [np.round(ring).astype(np.int32) for ring in moved], label, 8, shift)
    return fine[FINER // 2 :: FINER, FINER // 2 :: FINER].copy()


def read_labels(path: Path = FILE) -> list[LabelledFace]:
    """The labelled faces of a file."""
    values = {label.name: int(label) for label in Label} | {"IGNORE": IGNORE}
    return [
        LabelledFace(
            face["file"], face["sha256"], (face["width"], face["height"]), tuple(face["box"]),
            face["doubt"],
            tuple(
                (values[name], tuple(np.reshape(ring, (-1, 2)).astype(float) for ring in rings))
                for name, rings in face["layers"]
            ),
        )
        for face in json.loads(path.read_text())["photos"]
    ]  # fmt: skip
