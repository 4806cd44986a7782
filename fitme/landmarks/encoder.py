"""Landmarks without MediaPipe: OpenCV's cascades find faces, the encoder finds the points.

Cascades (Viola and Jones, CVPR 2001) come inside OpenCV's wheel. They propose far too much; what
the encoder, looking again and again where its own landmarks are, is unsure of, is no face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fitme.image.color import linear_to_srgb
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.segment.encoder import EncodedFace, FaceEncoder
from fitme.segment.frame import Frame

WORKING_PX = 640  # longer side of the copy of the photo that is searched
CASCADES = ("haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml")
GROWN = 1.15  # a cascade's box over the box of the landmarks
MOST = 12  # boxes that are looked at
UNSURE = 0.035  # of the frame's side: faces' mean spread is smaller
SAME = 0.5  # of the larger face's side: centres nearer than this are one face


@dataclass
class EncoderLandmarks:
    """`LandmarkProvider` with the encoder alone; its faces carry what the encoder saw."""

    encoder: FaceEncoder

    @cached_property
    def _cascades(self) -> list[Any]:
        folder = Path(cv2.data.haarcascades)  # type: ignore[attr-defined]
        return [cv2.CascadeClassifier(str(folder / name)) for name in CASCADES]

    def detect(self, photo: Photo) -> list[FaceLandmarks]:
        """All faces, largest first. See `LandmarkProvider`."""
        found: list[FaceLandmarks] = []
        for box in self._boxes(photo):
            encoded = self.encoder.settled(photo, Frame.around(box))
            face = _face(self.encoder, encoded)
            if encoded.spread.mean() < UNSURE * encoded.frame.side and not _known(face, found):
                found.append(face)
        return sorted(found, key=lambda face: -face.size)

    def _boxes(self, photo: Photo) -> list[tuple[float, float, float, float]]:
        """(x0, y0, x1, y1) in photo pixels, largest first; the whole photo if nothing is found."""
        scale = min(1.0, WORKING_PX / max(photo.width, photo.height))
        gray = cv2.cvtColor(_bytes(photo), cv2.COLOR_RGB2GRAY)
        small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = cv2.equalizeHist(small)
        flipped = np.ascontiguousarray(small[:, ::-1])
        boxes = []
        for cascade in self._cascades:
            least = max(24, round(0.06 * max(small.shape)))
            options = dict(scaleFactor=1.15, minNeighbors=3, minSize=(least, least))
            boxes += [tuple(box) for box in cascade.detectMultiScale(small, **options)]
            for x, y, w, h in cascade.detectMultiScale(flipped, **options):
                boxes.append((small.shape[1] - x - w, y, w, h))
        if not boxes:
            side = 0.6 * min(small.shape)
            boxes = [(small.shape[1] / 2 - side / 2, small.shape[0] * 0.45 - side / 2, side, side)]
        grown = []
        for x, y, w, h in sorted(boxes, key=lambda box: -box[2])[:MOST]:
            half, cx, cy = GROWN * w / 2, x + w / 2, y + h / 2
            corners = (cx - half, cy - half, cx + half, cy + half)
            grown.append(tuple(float(value) / scale for value in corners))
        return grown  # type: ignore[return-value]


def _bytes(photo: Photo) -> np.ndarray:
    return (linear_to_srgb(photo.pixels).clamp(0, 1) * 255).round().byte().numpy()


def _face(encoder: FaceEncoder, encoded: EncodedFace) -> FaceLandmarks:
    return FaceLandmarks(
        encoder.landmarks(encoded).float(), spread=float(encoded.spread.mean()), encoded=encoded,
        derived=True,
    )  # fmt: skip


def _known(face: FaceLandmarks, others: Sequence[FaceLandmarks]) -> bool:
    """Whether a face lies where another one does."""
    middle = face.points.mean(0)
    return any(
        float((other.points.mean(0) - middle).norm()) < SAME * max(face.size, other.size)
        for other in others
    )
