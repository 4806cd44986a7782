"""Distances of photo and head: nothing for a photo that is the head's own picture."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from benchmarks.likeness import likeness
from fitme.fit.observation import Observation
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.learned.faces import DLIB, aligned_faces
from fitme.render.picture import BACKDROP, over
from tests.small_avatar import small_avatar


class Chips:
    """Knows faces by the pixels of their chips."""

    name = "chips"
    differentiable = True

    def embed(self, images: Tensor, landmarks: Tensor) -> Tensor:
        return aligned_faces(images, landmarks, DLIB).flatten(1) / DLIB.size

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        return (first - second).square().sum(-1)


def test_own_picture() -> None:
    avatar = small_avatar()
    seen = avatar.photos[0]
    camera = seen.view.camera()
    out = avatar.render(camera, seen.light, avatar.posed(0))
    points = camera.project(avatar.head.landmarks(avatar.posed(0)))[0]
    photo = Photo(Path("own.png"), over(out, BACKDROP))
    observation = Observation(photo, FaceLandmarks(points), seen.view)
    found = likeness(avatar, observation, Chips())
    assert list(found) == ["dlib", "dlib -25", "dlib +25"]
    assert found["dlib"] < 0.06 and min(found["dlib -25"], found["dlib +25"]) > 2 * found["dlib"]
    brighter = Photo(Path("brighter.png"), photo.pixels * 2)
    other = likeness(avatar, Observation(brighter, observation.face, seen.view), Chips())
    assert other["dlib"] > 2 * found["dlib"]
