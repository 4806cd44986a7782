"""What a worker keeps from subject to subject."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fitme.batch import Settings, Task
from fitme.batch import fit as batch_fit


def test_models_are_read_once_and_stay_as_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    received = []

    def fit_that_tunes(photos, folder, *, models, **options):
        received.append((models, options))
        parameter = next(models.generator.parameters())
        values.append(parameter.detach().clone())
        with torch.no_grad():
            parameter += 1
        return SimpleNamespace(avatar=SimpleNamespace(photos=photos))

    values: list[torch.Tensor] = []
    monkeypatch.setattr(batch_fit, "fit_photos", fit_that_tunes)
    monkeypatch.setattr(batch_fit, "write_thumb", lambda folder: None)
    monkeypatch.setattr(batch_fit, "avatar_quality", lambda avatar, folder: {})
    batch_fit._models.cache_clear()
    settings = Settings(preset="fast", size=128, device="cpu")
    for name in ("a", "b"):
        photo = tmp_path / f"{name}.jpg"
        task = Task(name, name, (photo,), photo, tmp_path, settings)
        assert batch_fit.fit_subject(task, tmp_path).photos == 1
    (first, options), (second, _) = received
    assert first.head is second.head and first.landmarks is second.landmarks
    assert torch.equal(*values)
    assert options["preset"] == "fast" and options["size"] == 128 and "seed" not in options
