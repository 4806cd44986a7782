"""Training examples: crops and their truth move together."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.head.model import HeadModel, load_head
from fitme.models.encoder.starts import StartLayout
from fitme.models.train.encoder.cuts import (
    between,
    cut_pixels,
    inverse,
    middle_cuts,
    moved,
    random_cuts,
)
from fitme.models.train.encoder.data import KEPT, Examples, Flips, PhotoSet, batches
from fitme.models.train.encoder.recolor import recolored
from fitme.models.train.encoder.truth import Mirror, mirrored_truth
from fitme.models.train.photos.points import choose_points
from fitme.models.train.photos.sample import Sample, write_shard
from fitme.render.camera import rotation_towards
from fitme.render.light import sh_basis
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


FLIPS = Flips(
    torch.tensor([1, 0, 2]), Mirror(torch.eye(4), torch.arange(3), torch.ones(9))
)  # the first two points are each other's mirror images


@pytest.fixture()
def photos(tmp_path: Path) -> PhotoSet:
    rng = np.random.default_rng(0)
    samples = [sample(rng.uniform(60, 100, (3, 2)), k % 2 == 0) for k in range(6)]
    write_shard(tmp_path / "0.npz", samples)
    return PhotoSet([tmp_path / "0.npz"], LAYOUT, FLIPS)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestExamples:
    @pytest.mark.parametrize("seed", range(4))
    def test_points_stay_on_their_dots(self, photos: PhotoSet, seed: int) -> None:
        size = 128
        truth = photos.cut(torch.arange(6), size, draws(seed))
        checked = 0
        for crop, labels, points in zip(truth.crops, truth.labels, truth.points, strict=True):
            for x, y in ((points + 0.5) * size).tolist():
                if not (4 < x < size - 4 and 4 < y < size - 4):
                    continue
                checked += 1
                window = crop[0, int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
                assert window.mean() > 0.75
                assert labels[int(y / 2), int(x / 2)] == Label.EYES
        assert checked > 6

    def test_unknown_codes_are_not_taken_for_zero(self, photos: PhotoSet) -> None:
        where = LAYOUT.slices()["code"]
        truth = photos.middles(torch.arange(4), 64)
        assert truth.known[:, where].all(1).tolist() == [True, False, True, False]
        assert bool(truth.starts.isfinite().all())

    def test_focal_length_goes_with_the_crop(self, photos: PhotoSet) -> None:
        truth = photos.middles(torch.tensor([0]), 64)
        where = LAYOUT.slices()["focal"]
        focal = float((truth.starts[0] * LAYOUT.scale())[where])
        assert focal == pytest.approx(math.log(300 / (KEPT * SIDE)), abs=1e-5)

    def test_pose_is_that_of_a_camera_turned_to_the_face(self, photos: PhotoSet) -> None:
        truth = photos.middles(torch.tensor([0]), 64)
        rows = (truth.starts[0] * LAYOUT.scale())[LAYOUT.slices()["rotation"]].reshape(2, 3)
        towards = rotation_towards(torch.tensor([0.1, 0.015, 1.055]))
        assert torch.allclose(rows, towards.T[:2], atol=1e-5)

    def test_batches_are_reproducible(self, photos: PhotoSet) -> None:
        first, second = (next(batches(photos, 64, 4, draws(3))) for _ in range(2))
        assert torch.equal(first.crops, second.crops)
        assert torch.equal(first.points, second.points)

    def test_a_round_shows_each_photo_once(
        self, photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[torch.Tensor] = []
        plain = photos.examples

        def asked(index: torch.Tensor, size: int, generator: torch.Generator) -> Examples:
            seen.append(index)
            return plain(index, size, generator)

        monkeypatch.setattr(photos, "examples", asked)
        source = batches(photos, 64, 2, draws())
        for _ in range(3):
            next(source)
        assert sorted(torch.cat(seen).tolist()) == list(range(6))


class TestCuts:
    def test_the_middle_stays(self) -> None:
        cuts = middle_cuts(2, KEPT)
        assert torch.allclose(moved(cuts.matrix, torch.zeros(2, 1, 2)), torch.zeros(2, 1, 2))
        assert torch.linalg.det(cuts.matrix[:, :, :2])[0] == pytest.approx(KEPT**-2)

    def test_there_and_back(self) -> None:
        first, second = (random_cuts(5, KEPT, draws(k)).matrix for k in range(2))
        places = torch.rand(5, 7, 2, generator=draws()) - 0.5
        assert torch.allclose(moved(inverse(first), moved(first, places)), places, atol=1e-6)
        joined = moved(between(first, second), moved(first, places))
        assert torch.allclose(joined, moved(second, places), atol=1e-6)

    def test_black_beyond_the_edge_only_where_asked(self) -> None:
        white = torch.full((2, 3, 32, 32), 255, dtype=torch.uint8)
        cuts = middle_cuts(2, 1.5)
        crops = cut_pixels(white, replace(cuts, black=torch.tensor([True, False])), 48)
        assert float(crops[0, :, 0, 0].max()) == 0 and float(crops[0, :, 24, 24].min()) == 1
        assert float(crops[1].min()) == 1

    def test_half_are_mirrored(self) -> None:
        cuts = random_cuts(400, KEPT, draws())
        assert 140 < int(cuts.mirrored.sum()) < 260
        turned = torch.linalg.det(cuts.matrix[:, :, :2]) < 0
        assert torch.equal(turned, cuts.mirrored)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


class TestMirror:
    def test_a_mirrored_head_is_the_head_of_the_mirrored_numbers(self, head: HeadModel) -> None:
        mirror, points = Mirror.of(head), choose_points(head)
        identity = torch.randn(2, len(head.identity), generator=draws())
        expression = torch.rand(2, len(head.expression), generator=draws())
        truth = {
            "identity": identity, "expression": expression, "gaze": torch.zeros(2, 4),
            "pose": torch.eye(4).expand(2, 4, 4), "sh": torch.zeros(2, 9, 3),
            "lamp": torch.zeros(2, 6), "code": torch.zeros(2, 5),
        }  # fmt: skip
        flags = torch.tensor([True, False])
        other = mirrored_truth(truth, flags, mirror)
        before = points.on(head, head.shape(identity, expression))
        after = points.on(head, head.shape(other["identity"], other["expression"]))
        flipped = before[:, points.mirror] * torch.tensor([-1.0, 1.0, 1.0])
        assert float((after[0] - flipped[0]).norm(dim=-1).mean()) < 2e-4  # metres
        assert torch.equal(after[1], before[1])
        assert bool(other["code"][0].isnan().all()) and not bool(other["code"][1].isnan().any())

    def test_light_from_the_left_comes_from_the_right(self, head: HeadModel) -> None:
        mirror = Mirror.of(head)
        direction = torch.tensor([[0.7, 0.2, 0.4]])
        flipped = direction * torch.tensor([-1.0, 1.0, 1.0])
        assert torch.allclose(sh_basis(direction)[0] * mirror.sh, sh_basis(flipped)[0], atol=1e-6)


def test_colours_change_and_stay_in_range() -> None:
    crops = torch.rand(3, 3, 16, 16, generator=draws())
    changed = recolored(crops, draws(1))
    assert torch.equal(changed, recolored(crops, draws(1)))
    assert float((changed - crops).abs().mean()) > 0.01
    assert float(changed.min()) >= 0 and float(changed.max()) <= 1


def test_more_shards_join(photos: PhotoSet, tmp_path: Path) -> None:
    write_shard(tmp_path / "1.npz", [sample(np.array([[80.0, 80.0]] * 3))])
    more = PhotoSet([tmp_path / "1.npz"], LAYOUT, FLIPS)
    joined = photos.extended(more)
    assert len(joined) == len(photos) + 1
    assert joined.shards == photos.shards + more.shards
    assert torch.equal(joined.tensors["photo"][-1], more.tensors["photo"][0])
