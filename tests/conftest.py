"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch loads
if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def astronaut() -> Path:
    """A 512x512 public-domain portrait (NASA) that ships with the repository."""
    return REPOSITORY / "examples" / "astronaut.png"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of development data, outside the repository: FITME_SHARED or ../shared."""
    folder = Path(os.environ.get("FITME_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("no shared development data (set FITME_SHARED)")
    return folder


@pytest.fixture
def bare_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of the test's own that holds nothing but the networks that find faces."""
    from fitme.landmarks.files import fetch_landmarks
    from fitme.learned.registry import LANDMARK_MODELS
    from fitme.learned.store import model_path

    fetch_landmarks()
    folder = tmp_path / "bare-cache"
    (folder / "models").mkdir(parents=True)
    for model in LANDMARK_MODELS:
        shutil.copy(model_path(model), folder / "models" / model.file)
    monkeypatch.setenv("FITME_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def provider():
    """The default landmark provider; its networks are fetched on the first run here."""
    from fitme.landmarks.mediapipe import MediaPipeLandmarks

    return MediaPipeLandmarks()
