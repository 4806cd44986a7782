"""Synthetic photos: the truth beside them is the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.head.model import HeadModel, load_head
from fitme.models.stylegan2 import load_generator
from fitme.models.train.photos.people import draw_someone
from fitme.models.train.photos.points import COUNT, Points, choose_points
from fitme.models.train.photos.sample import Sample, read_packed, write_shard
from fitme.models.train.photos.sensor import develop
from fitme.models.train.photos.studio import SIDE, Studio
from fitme.models.train.photos.views import FARTHEST, NEAREST, draw_view
from fitme.segment.labels import Label


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def points(head: HeadModel) -> Points:
    return choose_points(head)


@pytest.fixture(scope="module")
def studio(head: HeadModel, tmp_path_factory) -> Studio:
    return Studio(head, load_generator(), tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def photo(studio: Studio) -> Sample:
    return studio.photo(3)


class TestPoints:
    def test_symmetric_and_apart(self, head: HeadModel, points: Points) -> None:
        at = points.on(head, head.mean[None])[0]
        flipped = at * at.new_tensor([-1.0, 1.0, 1.0])
        assert len(at) == COUNT
        assert torch.equal(points.mirror[points.mirror], torch.arange(COUNT))
        assert float((flipped - at[points.mirror]).norm(dim=-1).max()) < 1e-3
        apart = torch.cdist(at, at) + torch.eye(COUNT)
        assert float(apart.min()) > 1e-4

    def test_all_of_the_head_has_some(self, head: HeadModel, points: Points) -> None:
        nearest = head.triangles[points.triangles][:, 0]
        for name, least in (("ears", 40), ("face", 300), ("scalp", 20), ("neck", 10)):
            assert int((head.regions[name][nearest] > 0.5).sum()) >= least, name

    def test_too_few(self, head: HeadModel) -> None:
        with pytest.raises(ValueError, match="count"):
            choose_points(head, 50)


class TestPeople:
    def test_weights_and_lids(self, head: HeadModel) -> None:
        rng = np.random.default_rng(0)
        blinks = head.expression_index("eyeBlinkLeft")
        people = [draw_someone(head, rng) for _ in range(60)]
        weights = torch.cat([who.expression for who in people])
        assert float(weights.min()) >= 0 and float(weights.max()) <= 1
        shut = (weights[:, blinks] > 0.8).float().mean()
        assert 0 < float(shut) < 0.25

    def test_off_model_is_small_and_smooth(self, head: HeadModel) -> None:
        made = [draw_someone(head, np.random.default_rng(5), off) for off in (True, False)]
        # the draws before the deviation are the same
        assert torch.equal(made[0].identity, made[1].identity)
        offset = (made[0].vertices - made[1].vertices)[0].norm(dim=-1)
        assert 1e-4 < float(offset.mean()) < 0.008


class TestViews:
    def test_faces_fill_the_crop(self, head: HeadModel, points: Points) -> None:
        rng = np.random.default_rng(1)
        for _ in range(40):
            seen = draw_view(head.mean, rng, SIDE)
            placed = seen.camera.project(points.on(head, head.mean[None]))[0]
            spread = placed.amax(0) - placed.amin(0)
            assert NEAREST < seen.distance < FARTHEST
            assert 0.3 * SIDE < float(spread.max()) < 1.1 * SIDE
            middle = placed.mean(0) / SIDE - 0.5
            assert float(middle.abs().max()) < 0.4


class TestPhoto:
    def test_the_same_number_is_the_same_photo(self, studio: Studio, photo: Sample) -> None:
        again = studio.photo(3)
        assert np.array_equal(again.photo, photo.photo)
        assert np.array_equal(again.labels, photo.labels)
        assert not np.array_equal(studio.photo(4).photo, photo.photo)

    def test_points_lie_on_what_they_are(self, studio: Studio) -> None:
        """Of several photos: visible points of lips, brows' skin and ears on labels of the head."""
        on_head = {
            Label.SKIN, Label.EARS, Label.NECK, Label.BROWS, Label.EYES, Label.LIPS, Label.MOUTH,
            Label.HAIR, Label.BEARD, Label.GLASSES, Label.OTHER, Label.CLOTHES,
        }  # fmt: skip
        right, all_of = 0, 0
        for number in range(3, 7):
            one = studio.photo(number)
            at = np.floor(one.points[one.visible]).astype(int)
            labels = one.labels[at[:, 1], at[:, 0]]
            right += int(np.isin(labels, [int(label) for label in on_head]).sum())
            all_of += len(labels)
        assert right > 0.97 * all_of > 0

    def test_hidden_points_are_told(self, photo: Sample) -> None:
        assert 0.1 < photo.visible.mean() < 0.95

    def test_shard_round_trip(self, photo: Sample, tmp_path: Path) -> None:
        write_shard(tmp_path / "one.npz", [photo, photo])
        pack = read_packed(tmp_path / "one.npz")
        assert len(pack["photo"]) == len(pack["labels"]) == 2
        assert np.array_equal(pack["points"][1], photo.points)


class TestSensor:
    def test_bytes_of_the_same_size(self) -> None:
        linear = np.full((64, 64, 3), 0.2, np.float32)
        for seed in range(40):
            shown = develop(linear, np.random.default_rng(seed))
            assert shown.shape == (64, 64, 3) and shown.dtype == np.uint8
            assert 30 < shown.mean() < 230
