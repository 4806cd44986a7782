"""Landmarks by the encoder alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fitme.fit.request import FitRequest
from fitme.image.photo import Photo, load_photo
from fitme.landmarks.encoder import EncoderLandmarks
from fitme.landmarks.face import LANDMARKS
from fitme.runtime.errors import InputError
from fitme.segment.encoder import FaceEncoder


@pytest.fixture(scope="module")
def finder() -> EncoderLandmarks:
    return EncoderLandmarks(FaceEncoder.load())


class TestDetect:
    def test_where_mediapipe_finds_it(self, finder, provider, astronaut: Path) -> None:
        photo = load_photo(astronaut)
        (own,), (other, *_) = finder.detect(photo)[:1], provider.detect(photo)
        assert own.points.shape == (LANDMARKS, 2)
        assert own.derived and own.encoded is not None
        miss = (own.points - other.points).norm(dim=-1) / other.scale
        assert float(miss.mean()) < 0.15

    def test_no_face_in_noise(self, finder) -> None:
        noise = torch.rand(240, 320, 3, generator=torch.Generator().manual_seed(0))
        assert finder.detect(Photo(Path("noise.png"), noise)) == []

    def test_the_same_every_time(self, finder, astronaut: Path) -> None:
        photo = load_photo(astronaut)
        first, second = (finder.detect(photo)[0].points for _ in range(2))
        assert torch.equal(first, second)


class TestRequest:
    def test_the_name_of_a_finder_is_no_file(self) -> None:
        request = FitRequest.of("a.jpg", landmarks="encoder")
        assert request.landmarks is None and request.finder == "encoder"
        assert FitRequest.of("a.jpg", landmarks="p.json").landmarks == Path("p.json")
        assert FitRequest.of(["a.jpg", "b.jpg"], landmarks="encoder").finder == "encoder"

    def test_unknown_finder(self) -> None:
        with pytest.raises(InputError, match="mediapipe or encoder"):
            FitRequest((Path("a.jpg"),), finder="dlib")
