"""Arrays in one file that appears whole, also where several processes draw into one folder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from fitme.runtime.files import atomic_write_bytes


def write_arrays(path: Path, compressed: bool = False, **arrays: Any) -> None:
    """An .npz. Raises OutputError where it cannot be written."""
    packed = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(packed, **arrays)
    atomic_write_bytes(path, packed.getvalue())
