"""What the tests of batches share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.append(str(HERE))  # spawned workers get the path of their parent, and find fake_fits


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
    return {**os.environ, "PYTHONPATH": str(HERE)}
