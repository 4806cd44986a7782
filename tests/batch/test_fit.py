"""What a worker keeps from subject to subject."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from fitme.batch import Settings, Task
from fitme.batch import fit as batch_fit


def test_models_are_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    received = []

    def fit_photos(photos, folder, *, models, **options):
        received.append((models, options))
        return SimpleNamespace(avatar=SimpleNamespace(photos=photos))

    monkeypatch.setattr(batch_fit, "fit_photos", fit_photos)
    monkeypatch.setattr(batch_fit, "write_thumb", lambda folder: None)
    monkeypatch.setattr(batch_fit, "all_notes", lambda avatar, panels: ())
    monkeypatch.setattr(batch_fit, "avatar_quality", lambda avatar, folder: {})
    batch_fit._models.cache_clear()
    settings = Settings(preset="fast", size=128, device="cpu")
    for name in ("a", "b"):
        photo = tmp_path / f"{name}.jpg"
        task = Task(name, name, (photo,), photo, tmp_path, settings)
        assert batch_fit.fit_subject(task, tmp_path).photos == 1
    (first, options), (second, _) = received
    assert first is second  # a fit tunes a copy of the generator, see tests/fit/test_stages.py
    assert options["preset"] == "fast" and options["size"] == 128 and "seed" not in options
