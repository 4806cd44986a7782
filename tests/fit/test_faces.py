"""Which faces the encoder looks at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fitme.fit.faces import Seen, encode_faces
from fitme.fit.models import Models
from fitme.fit.settings import FitSettings
from fitme.image.photo import load_photo
from fitme.landmarks.face import LANDMARKS, FaceLandmarks
from fitme.models.encoder import weights
from fitme.runtime.errors import ModelError

WITH = replace(FitSettings(), encoder=True)


@pytest.fixture
def seen(astronaut: Path) -> list[Seen]:
    photo = load_photo(astronaut)
    points = torch.rand(LANDMARKS, 2, generator=torch.Generator().manual_seed(0))
    face = FaceLandmarks(points * 100 + torch.tensor([180.0, 70.0]))
    return [(photo, face)]


class TestEncodeFaces:
    def test_those_that_came_without(self, seen: list[Seen], models: Models) -> None:
        ((photo, face),) = encode_faces(seen, models, WITH)
        assert photo is seen[0][0] and face.points is seen[0][1].points
        assert face.encoded is not None
        again = encode_faces([(photo, face)], models, WITH)
        assert again[0][1] is face

    def test_asks_for_the_file_where_it_is_needed(
        self, seen: list[Seen], models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        known = encode_faces(seen, models, WITH)
        monkeypatch.setattr(weights, "weight_path", lambda name: tmp_path / name)
        unread = Models(models.head, models.generator)
        assert encode_faces(seen, unread, replace(WITH, encoder=False)) == seen
        assert encode_faces(known, unread, WITH)[0][1] is known[0][1]
        with pytest.raises(ModelError):
            encode_faces(seen, unread, WITH)

    def test_half_a_face_is_left_to_its_landmarks(self, seen: list[Seen], models: Models) -> None:
        photo, face = seen[0]
        out = replace(face, points=face.points - torch.tensor([230.0, 0.0]))
        assert encode_faces([(photo, out)], models, WITH)[0][1].encoded is None
        assert encode_faces(seen, models, WITH)[0][1].encoded is not None
