"""The default landmark provider: MediaPipe's networks, run by torch; without the mediapipe package.

MediaPipe's own face mesh pipeline finds a face with a short-range detector and runs the
landmark network once, on whatever window the detector proposed; the landmarks then move by
0.7 % of the interocular distance with the framing of the photo. Here the full-range detector
proposes windows (on the whole photo, on tiles, on the photo turned by quarters), and the
landmark network is run directly:

1. `PASSES` times, each time on the window that the landmarks of the last pass define, so the
   result no longer depends on the detector (a fixed point);
2. then on eight views (two scales x two rolls x mirrored or not), of which the mean is taken.
   Mirroring removes the network's left-right bias, about 1 % of the interocular distance.

That leaves 0.1 % of jitter for about 0.1 s. The network is fed its own input size
(192 x 192) from an antialiased patch, since MediaPipe itself shrinks without a filter.

MediaPipe's normalised coordinates times the size count pixel centres at +0.5: mirrored
photos give mirrored points around the image's middle to 0.1 px of the 192.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fitme.image.color import linear_to_srgb
from fitme.image.photo import Photo
from fitme.landmarks.face import LANDMARK_MIRROR, LANDMARKS, FaceLandmarks
from fitme.landmarks.face_detector import FaceDetector
from fitme.landmarks.face_mesh import LEAST_PRESENCE, FaceMesh
from fitme.landmarks.files import Note, load_network
from fitme.landmarks.windows import (
    PATCH_PX,
    VIEW_PX,
    WINDOW,
    Patch,
    Window,
    covering_squares,
    cut_patch,
    sample_views,
    to_uint8,
    view_affine,
    window_of,
)
from fitme.learned.registry import LANDMARK_MODELS

PASSES = 3
# (scale, roll in radians, mirrored) of the views that are averaged.
VIEWS = tuple(
    (scale, roll, mirrored)
    for scale in (0.93, 1.07)
    for roll in (-0.08, 0.08)
    for mirrored in (False, True)
)
#: Disagreement of the views over the interocular distance: 1 to 3 % for a face, 6 to 8 % for
#: one taken upside down (detector and presence score both fall for that), more for none.
SURE_SPREAD = 0.04
MAX_SPREAD = 0.10

_WORKING_PX = 1536  # longer side of the copy of the photo that is searched
_MIN_DETECTION = 0.6  # MediaPipe's own bound
# Where faces are searched, in this order: side of the squares over the photo's longer side,
# quarter turns. The second look also completes a photo of several or small faces (none
# larger than _LARGE_FACE of the longer side); the others follow only while there is no face.
_LOOKS = ((1.0, (0,)), (0.6, (0,)), (1.0, (1, 2, 3)), (0.3, (0,)), (0.6, (1, 2, 3)))
_LARGE_FACE = 0.25


class MediaPipeLandmarks:
    """`LandmarkProvider` with MediaPipe's full-range detector and attention face mesh.

    The networks load with the first photo (0.2 s); where their files are not on this machine they
    are fetched then, and `note` gets a line that says so. Not for use by several threads at once.
    """

    def __init__(self, note: Note | None = None) -> None:
        self._note = note
        self._networks: tuple[FaceDetector, FaceMesh] | None = None

    def detect(self, photo: Photo) -> list[FaceLandmarks]:
        """All faces, largest first. Deterministic. See `LandmarkProvider`.

        Raises ModelError where the networks are not here and cannot be fetched.
        """
        self._load()
        return self._search(photo)

    def _load(self) -> tuple[FaceDetector, FaceMesh]:
        if self._networks is None:
            mesh, detector = (load_network(model, self._note) for model in LANDMARK_MODELS)
            self._networks = FaceDetector(detector, _MIN_DETECTION), FaceMesh(mesh)
        return self._networks

    def _search(self, photo: Photo) -> list[FaceLandmarks]:
        """Ever closer looks, until there is a face; tiles also where faces are small."""
        longer = max(photo.width, photo.height)
        factor = max(1.0, longer / _WORKING_PX)
        working = photo
        if factor > 1:
            working = photo.resized(
                max(1, round(photo.width / factor)), max(1, round(photo.height / factor))
            )
        faces: list[FaceLandmarks] = []
        for number, (fraction, turns) in enumerate(_LOOKS):
            if faces and (number > 1 or faces[0].size > _LARGE_FACE * longer):
                break
            for region in covering_squares(working.width, working.height, fraction):
                for turn in turns:
                    for seed in self._windows(working, region, turn):
                        self._add_face(faces, photo, working, seed)
            faces.sort(key=lambda face: -face.size)
        return faces

    def _windows(self, photo: Photo, region: tuple[int, int, int], turn: int) -> list[Window]:
        """Face windows the detector sees in a square (x, y, side) turned by quarters."""
        x, y, side = region
        pixels = photo.crop(x, y, side, side, (VIEW_PX, VIEW_PX)).pixels
        image = np.rot90(to_uint8(linear_to_srgb(pixels)), turn)
        detector, _ = self._load()
        windows = []
        for detection in detector(_unit(image)):
            x0, y0, x1, y1 = detection.box
            centre = _turn_back((x0 + x1) / 2, (y0 + y1) / 2, turn)
            right, left = (_turn_back(*eye, turn) for eye in detection.points[:2])
            windows.append(
                Window(
                    x + centre[0] * side,
                    y + centre[1] * side,
                    WINDOW * max(x1 - x0, y1 - y0) * side,
                    math.atan2(left[1] - right[1], left[0] - right[0]),
                )
            )
        return windows

    def _add_face(
        self, faces: list[FaceLandmarks], photo: Photo, working: Photo, seed: Window
    ) -> None:
        """Fit the seed (in working pixels) and add the face unless it is none or known."""
        scale_x, scale_y = photo.width / working.width, photo.height / working.height
        if any(_same(face, seed.x * scale_x, seed.y * scale_y) for face in faces):
            return
        # The small copy is sharp enough, and cheaper, where the network shrinks it anyway.
        if seed.side >= PATCH_PX:
            face = self._fit(working, seed)
            face = None if face is None else _scaled(face, scale_x, scale_y)
        else:
            face = self._fit(
                photo, Window(seed.x * scale_x, seed.y * scale_y, seed.side * scale_x, seed.roll)
            )
        if face is None:
            return
        x0, y0, x1, y1 = face.box
        if not any(_same(other, (x0 + x1) / 2, (y0 + y1) / 2) for other in faces):
            faces.append(face)

    def _fit(self, photo: Photo, window: Window) -> FaceLandmarks | None:
        """The face in a window, which may be turned by half a turn, or None."""
        face = self._settle(photo, window)
        if face is None or _doubt(face) > SURE_SPREAD:
            turned = self._settle(photo, replace(window, roll=window.roll + math.pi))
            face = min((f for f in (face, turned) if f is not None), key=_doubt, default=None)
        return None if face is None or _doubt(face) > MAX_SPREAD else face

    def _settle(self, photo: Photo, window: Window) -> FaceLandmarks | None:
        """Passes to the fixed point, then the mean of the views."""
        patch = cut_patch(photo, window)
        for _ in range(PASSES):
            points, _ = self._measure(patch, window, ((1.0, 0.0, False),))
            if points is None:
                return None
            window = window_of(points[0])
            if not 8 < window.side < 4 * max(photo.width, photo.height):
                return None
            if not patch.covers(window):
                patch = cut_patch(photo, window)
        points, score = self._measure(patch, window, VIEWS)
        if points is None:
            return None
        mean = points.mean(0)
        spread = float((points - mean)[..., :2].square().sum(-1).mean().sqrt())
        return FaceLandmarks(mean[:, :2].float(), mean[:, 2].float(), score, spread)

    def _measure(
        self, patch: Patch, window: Window, views: tuple[tuple[float, float, bool], ...]
    ) -> tuple[Tensor | None, float]:
        """Landmarks [views, 478, 3] in photo pixels (None if a view shows no face), score."""
        affines = torch.stack([view_affine(window, scale, roll) for scale, roll, _ in views])
        images = sample_views(patch, affines)
        turned = [
            image[:, ::-1] if mirrored else image
            for image, (_, _, mirrored) in zip(images, views, strict=True)
        ]
        _, mesh = self._load()
        found, presence = mesh(_unit(np.stack(turned)))
        if float(presence.min()) < LEAST_PRESENCE:
            return None, 0.0
        results = []
        for points, affine, (_, _, mirrored) in zip(found.double(), affines, views, strict=True):
            assert points.shape == (LANDMARKS, 3)
            if mirrored:
                points = points[list(LANDMARK_MIRROR)]
                points[:, 0] = 1 - points[:, 0]
            xy = points[:, :2] @ affine[:, :2].T + affine[:, 2]
            depth = points[:, 2:] * affine[:, :2].det().sqrt()
            results.append(torch.cat((xy, depth), 1))
        return torch.stack(results), float(presence.mean())


def _unit(image: np.ndarray) -> Tensor:
    """Bytes as float32 from 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(image)).float() / 255


def _turn_back(x: float, y: float, turn: int) -> tuple[float, float]:
    """Relative coordinates in np.rot90(image, turn) -> in the image."""
    for _ in range(turn):
        x, y = 1 - y, x
    return x, y


def _same(face: FaceLandmarks, x: float, y: float) -> bool:
    x0, y0, x1, y1 = face.box
    return math.hypot(x - (x0 + x1) / 2, y - (y0 + y1) / 2) < 0.4 * face.size


def _doubt(face: FaceLandmarks) -> float:
    """Spread over interocular distance (infinite for points that collapsed)."""
    distance = face.interocular
    return (face.spread or 0.0) / distance if distance > 1 else math.inf


def _scaled(face: FaceLandmarks, x: float, y: float) -> FaceLandmarks:
    """The face in a photo enlarged by x and y, which differ only by rounding."""
    return FaceLandmarks(
        face.points * torch.tensor([x, y]),
        None if face.depth is None else face.depth * x,
        face.score,
        None if face.spread is None else face.spread * x,
    )
