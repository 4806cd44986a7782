"""The encoder's network and its file."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from fitme.models.encoder.network import Encoder, EncoderConfig
from fitme.models.encoder.starts import StartLayout
from fitme.models.encoder.weights import TrainedEncoder, load_encoder, save_encoder
from fitme.runtime.errors import ModelError

LAYOUT = StartLayout(identity=4, expression=3, code=2)
SMALL = EncoderConfig(labels=5, points=12, starts=LAYOUT.size, size=64, channels=(4, 6, 8, 10, 12))


def small_encoder() -> TrainedEncoder:
    torch.manual_seed(0)
    network = Encoder(SMALL).eval().requires_grad_(False)
    order = torch.arange(SMALL.points)
    weight = torch.full((478, 2), 0.5)
    index = torch.stack([torch.arange(478) % 12, (torch.arange(478) + 1) % 12], 1)
    return TrainedEncoder(network, order, torch.rand(12, 3), order.flip(0), LAYOUT, index, weight)


class TestNetwork:
    @pytest.mark.parametrize("size", [64, 96, 128])
    def test_shapes(self, size: int) -> None:
        found = small_encoder().network(torch.rand(2, 3, size, size))
        assert found.labels.shape == (2, 5, size // 2, size // 2)
        assert found.points.shape == (2, 12, 2)
        assert found.spread.shape == (2, 12)
        assert found.starts.shape == found.starts_spread.shape == (2, LAYOUT.size)
        assert len(found.rounds) == SMALL.rounds

    def test_every_weight_learns(self) -> None:
        network = Encoder(SMALL)
        found = network(torch.rand(2, 3, 64, 64))
        total = found.labels.square().mean() + found.points.square().mean()
        total = total + found.spread.square().mean() + sum(r.square().mean() for r in found.rounds)
        total = total + found.starts.square().mean() + found.starts_spread.square().mean()
        total.backward()
        idle = [name for name, value in network.named_parameters() if value.grad is None]
        assert idle == []

    def test_labels_lie_where_the_picture_is(self) -> None:
        """A change in one corner changes the labels there more than in the opposite one."""
        network = small_encoder().network
        crop = torch.full((1, 3, 64, 64), 0.5)
        other = crop.clone()
        other[..., :16, :16] = 0.0
        change = (network(crop).labels - network(other).labels).abs().mean(1)[0]
        assert change[:6, :6].mean() > 3 * change[-6:, -6:].mean()


class TestStarts:
    def test_layout_covers_all(self) -> None:
        places = sorted((s.start, s.stop) for s in LAYOUT.slices().values())
        assert places[0][0] == 0 and places[-1][1] == LAYOUT.size == len(LAYOUT.scale())
        assert all(a[1] == b[0] for a, b in pairwise(places))


class TestFile:
    def test_round_trip_in_half_precision(self, tmp_path: Path) -> None:
        trained = small_encoder()
        save_encoder(trained, tmp_path / "encoder.safetensors")
        again = load_encoder(tmp_path / "encoder.safetensors")
        crop = torch.rand(1, 3, 64, 64)
        before, after = trained.network(crop), again.network(crop)
        assert torch.allclose(before.labels, after.labels, atol=0.02)
        assert torch.allclose(before.points, after.points, atol=0.01)
        assert again.starts == LAYOUT
        for field in dataclasses.fields(TrainedEncoder):
            value = getattr(trained, field.name)
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, getattr(again, field.name)), field.name

    def test_damaged_is_one_line(self, tmp_path: Path) -> None:
        save_encoder(small_encoder(), tmp_path / "whole")
        data = (tmp_path / "whole").read_bytes()
        for name, content in (
            ("cut", data[: len(data) // 2]),
            ("text", b"nothing"),
            ("none", None),
        ):
            path = tmp_path / name
            if content is not None:
                path.write_bytes(content)
            with pytest.raises(ModelError, match=name) as caught:
                load_encoder(path)
            assert "\n" not in str(caught.value)
