"""The encoder's training: a few steps on drawn photos, and the head of start values."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.models.encoder.network import Encoder, EncoderConfig
from fitme.models.encoder.starts import StartLayout
from fitme.models.train.encoder.__main__ import Pace, Photos
from fitme.models.train.encoder.data import Flips
from fitme.models.train.encoder.starts_head import Features, explained, solve
from fitme.models.train.encoder.truth import Mirror
from fitme.models.train.photos.sample import Sample, write_shard

LAYOUT = StartLayout(identity=4, expression=3, code=2)
FLIPS = Flips(torch.tensor([1, 0, 2]), Mirror(torch.eye(4), torch.arange(3), torch.ones(9)))


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sample() -> Sample:
    return Sample(
        np.full((40, 40, 3), 90, np.uint8), np.zeros((40, 40), np.uint8),
        np.full((3, 2), 20, np.float32), np.ones(3, np.float32), np.ones(3, bool),
        np.zeros(4), np.zeros(3), np.zeros(4), np.diag([80.0, 80.0, 1.0]), np.eye(4),
        np.zeros((9, 3)), np.zeros(6), np.full(3, 0.3), np.zeros(2),
    )  # fmt: skip


def arguments(folder: Path, **changes: object) -> argparse.Namespace:
    values = {"photos": folder, "shards": None, "device": "cpu", "steps": 100, "minutes": None,
              "rate": 1e-3, "fall": 0.5}  # fmt: skip
    return argparse.Namespace(**values | changes)


class TestPhotos:
    def test_those_that_come_are_taken_up(self, tmp_path: Path) -> None:
        for k in range(4):
            write_shard(tmp_path / f"{k}.npz", [sample()])
        photos = Photos(arguments(tmp_path), LAYOUT, FLIPS)
        assert len(photos.now) == 2  # the first two shards are to check with
        assert not photos.more()
        write_shard(tmp_path / "4.npz", [sample()])
        assert not photos.more()  # asks for it
        photos.wait()
        assert photos.more() and len(photos.now) == 3

    def test_no_more_than_asked_for(self, tmp_path: Path) -> None:
        for k in range(8):
            write_shard(tmp_path / f"{k}.npz", [sample()])
        assert len(Photos(arguments(tmp_path, shards=3), LAYOUT, FLIPS).now) == 3


class TestPace:
    def test_rises_holds_and_falls(self, tmp_path: Path) -> None:
        pace = Pace(arguments(tmp_path, steps=4000))
        rates = [pace.rate(step) for step in (0, 150, 1000, 2000, 3000, 4000)]
        assert rates[0] < rates[1] < rates[2] == rates[3] == pytest.approx(1e-3)
        assert rates[4] == pytest.approx(5e-4) and rates[5] == pytest.approx(0, abs=1e-9)

    def test_the_clock_ends_it(self, tmp_path: Path) -> None:
        assert Pace(arguments(tmp_path, minutes=1e-9)).gone(0) >= 1


class TestStartsHead:
    def test_tells_what_can_be_told(self) -> None:
        """Numbers that depend on the features are told, others get their own deviation."""
        torch.manual_seed(0)
        network = Encoder(EncoderConfig(3, 12, LAYOUT.size, 64, (4, 6, 8, 10, 12)))
        network.requires_grad_(False).eval()
        mix = torch.randn(60, LAYOUT.size, generator=draws(1)) / 60**0.5
        told = LAYOUT.slices()["identity"]

        def features(count: int, seed: int) -> Features:
            seen = 3 + torch.randn(count, 60, generator=draws(seed))
            starts = torch.randn(count, LAYOUT.size, generator=draws(seed + 1))
            starts[:, told] = ((seen - 3) @ mix)[:, told]
            known = torch.rand(starts.shape, generator=draws(seed + 2)) < 0.8
            return Features(seen, torch.where(known, starts, 0.0), known)

        kept, checked = features(4000, 3), features(400, 6)
        solve(network, kept, checked)
        share = explained(network, checked, LAYOUT.slices())
        assert share["identity"] > 0.9 and abs(share["sh"]) < 0.1
        deviation = network.starts(checked.seen)[0, LAYOUT.size :].exp()
        assert float(deviation[told].max()) < 0.3
        assert float(deviation[LAYOUT.slices()["sh"]].mean()) == pytest.approx(1, abs=0.1)
