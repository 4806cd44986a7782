"""Which pictures of a film are fitted: sharp ones of one person, as different as the film has."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from fitme.image.color import linear_to_srgb, luminance
from fitme.image.film import look_through, open_film, picture_at
from fitme.image.photo import Photo
from fitme.landmarks.face import MIN_FACE_PX, FaceLandmarks
from fitme.landmarks.provider import LandmarkProvider
from fitme.landmarks.select import select_face
from fitme.runtime.errors import LandmarkError, show_path
from fitme.runtime.progress import Progress

MOST = 5  # pictures that are fitted: more say little that is new, and each takes its time
_LOOKED = 120  # pictures that are compared by sharpness, evenly over the film
_SEARCHED = 30  # of these, the sharpest of as many stretches, that faces are looked for in
_APART = 8.0  # degrees by which a head must be turned anew for a picture to say more
_SHARP = 15.0  # degrees of turning that a sharp picture is worth over one without any detail
_BLURRED = 0.35  # of the sharpness of the clearest picture, below which the head moves too fast
_OPEN = 0.6  # of the usual opening of the person's eyes, below which they count as blinking
_TURNED = 55.0  # degrees from which on landmarks are not to be trusted
_FACE = 160  # pixels that faces are compared at
_STEP = 0.35  # of the face's size: farther from the last one it is another person

# Landmarks: of the lids above and below the pupils with the eyes' corners, the nose's tip, the
# outline at both ears, the brow and the chin.
_LIDS = ((159, 145, 33, 133), (386, 374, 362, 263))
_NOSE, _RIGHT, _LEFT, _BROW, _CHIN = 4, 234, 454, 10, 152
_NOSE_OUT = 1.0  # of half the face's width that the tip of the nose stands before the ears' line
_NOSE_LOW = 0.08  # of its height that the tip is below the middle of a face seen straight


@dataclass(frozen=True)
class Still:
    """One picture of a film that shows the face. Angles are rough: they compare pictures."""

    second: float
    yaw: float  # degrees
    pitch: float
    sharp: float  # of the face, any unit
    open: float  # of the eyes, height over width


def film_photos(
    path: Path, provider: LandmarkProvider, progress: Progress, face: int | None = None
) -> list[tuple[Photo, FaceLandmarks]]:
    """The best pictures of a film with the face to fit in each, in the film's order, and a note of
    their seconds. Raises PhotoError or LandmarkError, with the cure."""
    film = open_film(path)
    name = show_path(film.path)
    small = look_through(film, _LOOKED)
    picked = sharpest_of_stretches([sharpness(photo) for _, photo in small], _SEARCHED)
    stills: list[Still] = []
    last: FaceLandmarks | None = None
    with progress.stage("film", len(picked)) as stage:
        for index in picked:
            second, photo = small[index]
            found = [seen for seen in provider.detect(photo) if seen.size >= MIN_FACE_PX]
            stage.step()
            if found:
                last = same_face(found, last, face)
                stills.append(measured(photo, last, second))
    chosen = choose(stills)
    if not chosen:
        raise LandmarkError(
            f"{name} shows no face that can be found; film it closer, or give photos"
        )
    out = []
    for still in chosen:
        photo = picture_at(film, still.second)
        faces = provider.detect(photo)
        if faces:
            out.append((photo, select_face(faces, face, photo.path)))
    if not out:
        raise LandmarkError(f"{name}: faces in it cannot be found in full size; give photos")
    seconds = ", ".join(f"{photo.second:.2f}" for photo, _ in out)
    progress.note(f"{name}: fitted are its pictures at {seconds} s, saved with the result")
    return out


def sharpness(photo: Photo, box: tuple[float, float, float, float] | None = None) -> float:
    """Mean square of the Laplacian of a picture, or of its face at `_FACE` pixels."""
    pixels = photo.pixels
    if box is not None:
        x0, y0, x1, y1 = (round(value) for value in box)
        side = max(x1 - x0, y1 - y0, 2)
        pixels = photo.crop(x0, y0, side, side, (_FACE, _FACE)).pixels
    gray = linear_to_srgb(luminance(pixels))[None, None]
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    return float(F.conv2d(gray, kernel).square().mean())


def sharpest_of_stretches(sharp: Sequence[float], most: int) -> list[int]:
    """Index of the sharpest picture of each of `most` stretches of the film."""
    edges = [round(k * len(sharp) / most) for k in range(most + 1)]
    spans = [range(a, b) for a, b in itertools.pairwise(edges) if b > a]
    return [max(span, key=lambda k: sharp[k]) for span in spans]


def same_face(
    found: Sequence[FaceLandmarks], last: FaceLandmarks | None, face: int | None
) -> FaceLandmarks:
    """The face that the last picture showed, as films show more than one person: the nearest one,
    if it is near; else the largest, or number `face`."""
    if last is not None:
        middle = last.points.mean(0)
        near = min(found, key=lambda one: float((one.points.mean(0) - middle).norm()))
        if float((near.points.mean(0) - middle).norm()) < _STEP * last.size:
            return near
    return found[min(face or 0, len(found) - 1)]


def measured(photo: Photo, face: FaceLandmarks, second: float) -> Still:
    """What a picture says of the face."""
    points = face.points.double()
    across = points[_LEFT] - points[_RIGHT]
    wide = float(across.norm().clamp_min(1.0))
    along = across / wide
    down = torch.stack([-along[1], along[0]])
    middle = (points[_LEFT] + points[_RIGHT]) / 2
    tip = points[_NOSE] - middle
    half = wide / 2
    turn = float(tip @ along) / half / _NOSE_OUT
    yaw = math.degrees(math.atan(turn))
    high = float((points[_CHIN] - points[_BROW]) @ down)
    low = float((points[_NOSE] - (points[_CHIN] + points[_BROW]) / 2) @ down)
    pitch = math.degrees(math.atan((low / max(high, 1.0) - _NOSE_LOW) / 0.5))
    lids = [
        float((points[a] - points[b]).norm() / (points[c] - points[d]).norm().clamp_min(1.0))
        for a, b, c, d in _LIDS
    ]
    return Still(second, yaw, pitch, sharpness(photo, face.box), min(lids))


def choose(stills: Sequence[Still], most: int = MOST) -> list[Still]:
    """The stills to fit, in the film's order: without blinks and without heads turned too far, the
    one nearest to the front among the sharp ones first, then always the one that is turned farthest
    from those chosen, sharpness weighed in; none that says nothing new."""
    if not stills:
        return []
    usual = sorted(still.open for still in stills)[len(stills) * 3 // 4]
    good = [s for s in stills if s.open >= _OPEN * usual and abs(s.yaw) <= _TURNED]
    good = good or list(stills)
    clear = max(still.sharp for still in good) or 1.0
    worth = {id(still): still.sharp / clear for still in good}
    left = [still for still in good if worth[id(still)] >= _BLURRED]
    first = min(left, key=lambda s: math.hypot(s.yaw, s.pitch) - _SHARP * worth[id(s)])
    chosen = [first]
    left = [still for still in left if still is not first]
    while left and len(chosen) < most:
        new = [min(math.hypot(s.yaw - c.yaw, s.pitch - c.pitch) for c in chosen) for s in left]
        left = [still for still, angle in zip(left, new, strict=True) if angle >= _APART]
        new = [angle for angle in new if angle >= _APART]
        if not left:
            break
        k = max(range(len(left)), key=lambda k: new[k] + _SHARP * worth[id(left[k])])
        chosen.append(left.pop(k))
    return sorted(chosen, key=lambda still: still.second)
