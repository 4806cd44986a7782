"""A packaged picture of a face, drawn by `fitme.models.train.example_face`: does detection work?"""

from __future__ import annotations

from importlib import resources

import torch

from fitme.image.photo import Photo, load_photo
from fitme.landmarks.face import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS, FaceLandmarks

#: Where the head model has the middles of the right and of the left eye in the picture; MediaPipe
#: finds them 0.8 pixels beside that.
EYES = ((101.4, 106.3), (154.6, 106.3))


def example_photo() -> Photo:
    """The picture, 256 x 256 pixels. Raises PhotoError where it is not installed."""
    with resources.as_file(resources.files("fitme.landmarks") / "example_face.jpg") as path:
        return load_photo(path)


def eye_distance(face: FaceLandmarks) -> float:
    """How far, in pixels, a face's eyes lie from those of the picture: the larger of both."""
    corners = (RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS)
    found = torch.stack([face.points[list(pair)].mean(0) for pair in corners])
    return float((found - torch.tensor(EYES)).norm(dim=1).max())
