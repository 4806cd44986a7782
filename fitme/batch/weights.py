"""Which weights a batch uses: with other weights it is another fit."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

from fitme.batch.manifest import file_hash
from fitme.batch.task import Settings
from fitme.fit.settings import choose_preset
from fitme.learned.registry import find_model
from fitme.learned.store import is_pulled
from fitme.models import weight_path
from fitme.runtime.libraries import check_fit_libraries


def settings_with_hashes(settings: Settings) -> Settings:
    """The settings with the hashes of the weights; refuses now what each subject would refuse."""
    choose_preset(settings.preset)
    check_fit_libraries()
    from fitme.landmarks.files import fetch_landmarks

    fetch_landmarks()
    weights = settings.weights
    if weights is not None:
        from fitme.models.stylegan2 import load_generator

        load_generator(weights)
        weights = Path(os.path.abspath(weights))
    if settings.device not in ("auto", "cpu"):
        from fitme.runtime.device import resolve_device

        resolve_device(settings.device)
    used = {
        "head": file_hash(weight_path("head.safetensors")),
        "reflectance": file_hash(weights or weight_path("reflectance.safetensors")),
    }
    return replace(settings, weights=weights, models=used | _learned_losses())


def _learned_losses() -> dict[str, str]:
    """The optional networks that a fit will use here: with them it is another fit."""
    return {
        model.name: model.sha256
        for model in map(find_model, ("lpips", "facenet", "dlib"))
        if is_pulled(model) and all(map(importlib.util.find_spec, model.packages))
    }
