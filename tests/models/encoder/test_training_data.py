"""Training examples: crops and their truth move together."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.models.encoder.starts import StartLayout
from fitme.models.train.encoder.data import (
    KEPT,
    PhotoSet,
    batches,
    cut_matrix,
    stacked,
)
from fitme.models.train.photos.pictures import unpacked
from fitme.models.train.photos.sample import Sample, write_shard
from fitme.render.camera import rotation_towards
from fitme.segment.labels import Label

LAYOUT = StartLayout(identity=4, expression=3, code=2)
SIDE = 160


def sample(points: np.ndarray, known_code: bool = True) -> Sample:
    """A gray photo with a white dot of label EYES at each of points [N,2]."""
    photo = np.full((SIDE, SIDE, 3), 90, np.uint8)
    labels = np.full((SIDE, SIDE), Label.SKIN, np.uint8)
    for x, y in points:
        at = slice(int(y) - 2, int(y) + 3), slice(int(x) - 2, int(x) + 3)
        photo[at], labels[at] = 255, Label.EYES
    pose = np.eye(4)
    pose[:3, 3] = (0.1, 0.0, 1.0)
    return Sample(
        photo, labels, points.astype(np.float32), np.ones(len(points), np.float32),
        np.ones(len(points), bool), np.arange(4.0), np.zeros(3), np.zeros(4),
        np.diag([300.0, 300.0, 1.0]), pose, np.ones((9, 3)), np.zeros(6), np.full(3, 0.3),
        np.full(5, 0.5 if known_code else np.nan),
    )  # fmt: skip


@pytest.fixture()
def photos(tmp_path: Path) -> PhotoSet:
    rng = np.random.default_rng(0)
    samples = [sample(rng.uniform(60, 100, (3, 2)), k % 2 == 0) for k in range(6)]
    write_shard(tmp_path / "0.npz", samples)
    return PhotoSet([tmp_path / "0.npz"], LAYOUT)


class TestExample:
    @pytest.mark.parametrize("seed", range(6))
    def test_points_stay_on_their_dots(self, photos: PhotoSet, seed: int) -> None:
        size = 128
        truth = stacked([photos.example(seed, np.random.default_rng(seed), size)])
        for x, y in ((truth.points[0] + 0.5) * size).tolist():
            if not (4 < x < size - 4 and 4 < y < size - 4):
                continue
            window = truth.crops[0, 0, int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
            assert window.mean() > 0.75
            assert truth.labels[0, int(y / 2), int(x / 2)] == Label.EYES

    def test_unknown_codes_are_not_taken_for_zero(self, photos: PhotoSet) -> None:
        where = LAYOUT.slices()["code"]
        for index in range(4):
            truth = stacked([photos.example(index, None, 64)])
            assert bool(truth.known[0, where].all()) == (index % 2 == 0)
            assert bool(truth.starts.isfinite().all())

    def test_focal_length_goes_with_the_crop(self, photos: PhotoSet) -> None:
        truth = stacked([photos.example(0, None, 64)])
        where = LAYOUT.slices()["focal"]
        focal = float((truth.starts[0] * LAYOUT.scale())[where])
        assert focal == pytest.approx(math.log(300 / (KEPT * SIDE)), abs=1e-5)

    def test_pose_is_that_of_a_camera_turned_to_the_face(self, photos: PhotoSet) -> None:
        truth = stacked([photos.example(0, None, 64)])
        rows = (truth.starts[0] * LAYOUT.scale())[LAYOUT.slices()["rotation"]].reshape(2, 3)
        towards = rotation_towards(torch.tensor([0.1, 0.015, 1.055])).numpy()
        assert np.allclose(rows.numpy(), towards.T[:2], atol=1e-5)

    def test_batches_are_reproducible(self, photos: PhotoSet) -> None:
        first, second = (next(batches(photos, 64, 4, np.random.default_rng(3))) for _ in range(2))
        assert torch.equal(first.crops, second.crops)
        assert torch.equal(first.points, second.points)


class TestCut:
    def test_the_middle_stays(self) -> None:
        matrix = cut_matrix(SIDE, 64, KEPT, 1.3, 20.0)
        middle = matrix @ np.array([(SIDE - 1) / 2, (SIDE - 1) / 2, 1])
        assert np.allclose(middle, 31.5)

    def test_scale(self) -> None:
        matrix = cut_matrix(SIDE, 64, KEPT)
        assert math.sqrt(np.linalg.det(matrix[:, :2])) == pytest.approx(64 / (KEPT * SIDE))


def test_more_shards_join(photos: PhotoSet, tmp_path: Path) -> None:
    write_shard(tmp_path / "1.npz", [sample(np.array([[80.0, 80.0]] * 3))])
    more = photos.extended(sorted(tmp_path.glob("*.npz")))
    assert len(more) == len(photos) + 1
    assert more.extended(sorted(tmp_path.glob("*.npz"))) is more
    assert unpacked(more.photos[-1]).shape == (SIDE, SIDE, 3)
