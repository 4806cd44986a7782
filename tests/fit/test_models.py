"""What fits share: read when asked for, and sent to workers."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from fitme.fit.models import Models
from fitme.models.encoder import weights
from fitme.runtime.errors import ModelError


@pytest.fixture
def without_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the encoder's file is looked for, and is not."""
    monkeypatch.setattr(weights, "weight_path", lambda name: tmp_path / name)
    return tmp_path / weights.FILE


class TestEncoder:
    def test_is_read_when_asked_for(self, models: Models, without_encoder: Path) -> None:
        own = Models(models.head, models.generator)
        with pytest.raises(ModelError, match="reinstall fitme") as caught:
            _ = own.encoder
        assert str(without_encoder) in str(caught.value) and "\n" not in str(caught.value)

    def test_is_read_once(self, models: Models) -> None:
        own = Models(models.head, models.generator)
        assert own.encoder is own.encoder


@pytest.mark.parametrize("asked", [False, True])
def test_goes_to_a_worker(models: Models, asked: bool) -> None:
    sent = Models(models.head, models.generator)
    if asked:
        assert sent.encoder
    got = pickle.loads(pickle.dumps(sent))
    assert torch.equal(got.head.mean, models.head.mean)
    assert torch.equal(got.encoder.trained.triangles, sent.encoder.trained.triangles)
