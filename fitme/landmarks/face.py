"""Facial landmarks: the type, and what is known about each point.

Points are in the order of the MediaPipe face mesh (468 of the skin, then 5 for each iris),
in photo pixels with pixel centres at +0.5. "Left" and "right" are the person's.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fitme.segment.encoder import EncodedFace

LANDMARKS = 478
SKIN_LANDMARKS = 468
#: A face whose box is smaller than this is refused: there is nothing to fit.
MIN_FACE_PX = 40

# The corners of the person's right eye and of the left eye.
RIGHT_EYE_CORNERS = (33, 133)
LEFT_EYE_CORNERS = (362, 263)

#: Points of the skin that are their own mirror images, from the forehead to the chin. Found, as
#: the pairs, by matching the mean shape of 33 photos with its mirror image.
MIDLINE = (
    0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 94, 151, 152, 164, 168, 175,
    195, 197, 199, 200,
)  # fmt: skip
_FIRST_LEFT = 248  # below it the skin's points are the right half's and the middle's


def _mirror() -> tuple[int, ...]:
    """The mesh lists the points of the right half, then those of the left in the same order."""
    right = [index for index in range(_FIRST_LEFT) if index not in MIDLINE]
    left = range(_FIRST_LEFT, SKIN_LANDMARKS)
    # An iris is its middle and four points around it, of which the mirror swaps second and fourth.
    irises = zip((468, 469, 470, 471, 472), (473, 476, 475, 474, 477), strict=True)
    table = list(range(LANDMARKS))
    for one, other in (*zip(right, left, strict=True), *irises):
        table[one], table[other] = other, one
    return tuple(table)


#: Index of each landmark's mirror image: points[LANDMARK_MIRROR] of a mirrored face are in
#: order again.
LANDMARK_MIRROR = _mirror()


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
    encoded: what the encoder's network says of the same face, if it was asked.
    derived: whether `points` are only means of the encoder's points, and say nothing more.
    """

    points: Tensor
    depth: Tensor | None = None
    score: float | None = None
    spread: float | None = None
    among: tuple[float, ...] = ()
    encoded: EncodedFace | None = None
    derived: bool = False

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
