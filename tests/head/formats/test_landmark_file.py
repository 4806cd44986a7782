from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fitme.head.formats import read_head_file
from fitme.head.model import HeadModel
from fitme.runtime.errors import InputError
from tests.head.formats.model_files import (
    write_front,
)


def landmark_entries() -> list:
    entries: list = [4] * 478
    entries[1] = [3, 0.2, 0.3, 0.5]
    entries[2] = None
    return entries


class TestLandmarks:
    def read(self, folder: Path, content: object) -> HeadModel:
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / "points.json").write_text(text)
        return read_head_file(write_front(folder), landmarks=folder / "points.json")

    def test_all_kinds_of_entries(self, tmp_path: Path) -> None:
        model = self.read(tmp_path, landmark_entries())
        points = model.landmarks(model.mean[None])[0]
        torch.testing.assert_close(points[0], model.mean[4])
        share = torch.tensor([0.2, 0.3, 0.5])
        torch.testing.assert_close(points[1], share @ model.mean[model.triangles[3]])
        assert model.landmark_weight.tolist() == [1, 1, 0] + [1] * 475

    def test_weights_and_a_file_without_irises(self, tmp_path: Path) -> None:
        content = {"landmarks": landmark_entries()[:468], "weights": [0.5] * 468}
        model = self.read(tmp_path, content)
        assert model.landmark_weight.tolist() == [0.5, 0.5, 0] + [0.5] * 465 + [0] * 10
        assert len(model.landmark_triangles) == 478

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("{", "no valid JSON"),
            ("[" * 100_000, "no valid JSON"),
            ("", "is empty"),
            ({"points": []}, "no list"),
            ([4] * 68, "68 entries"),
            ([4] * 477 + [22], "vertex 22"),
            ([4] * 477 + [-1], "vertex -1"),
            ([4] * 477 + [True], "neither"),
            ([4] * 477 + [4.0], "neither"),
            ([4] * 477 + [[28, 1, 0, 0]], "triangle 28"),
            ([4] * 477 + [[0, 1, 1, 0]], "add up"),
            ([4] * 477 + [[0, 2, -1, 0]], "0..1"),
            ('[' + '4,' * 477 + '[0, NaN, 0, 1]]', "0..1"),
            ({"landmarks": [4] * 478, "weights": [1] * 3}, "478 numbers"),
            ({"landmarks": [4] * 478, "weights": [-1] * 478}, "478 numbers"),
        ],
    )  # fmt: skip
    def test_bad_files(self, tmp_path: Path, content: object, words: str) -> None:
        with pytest.raises(InputError, match=words) as caught:
            self.read(tmp_path, content)
        assert "points.json" in str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="does not exist"):
            read_head_file(write_front(tmp_path), landmarks=tmp_path / "none.json")
