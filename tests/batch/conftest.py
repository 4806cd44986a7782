"""What the tests of batches share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def people(tmp_path: Path):
    """A function that makes a folder of "photos" with the given texts."""

    def make(**texts: str) -> Path:
        folder = tmp_path / "people"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.jpg").write_text(text)
        return folder

    return make


@pytest.fixture
def child_env() -> dict[str, str]:
    """The environment of a child that can import `fake_fits`."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}
