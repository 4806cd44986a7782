from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fitme.runtime.errors import LibraryError
from fitme.runtime.libraries import (
    REINSTALL,
    import_cure,
    import_problem,
    library_errors,
)

NO_LIBGL = "libGL.so.1: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("message", "cure"),
    [
        (NO_LIBGL, "apt-get install libgl1 libglib2.0-0"),
        (NO_LIBGL.replace("libGL.so.1", "libgthread-2.0.so.0"), "libglib2.0-0"),
        (NO_LIBGL.replace("libGL.so.1", "libodd-1.so"), "holds libodd-1.so"),
        ("No module named 'numba'", REINSTALL),
    ],
)
def test_cure(message: str, cure: str) -> None:
    assert cure in import_cure(ImportError(message))


def test_own_imports_are_bugs() -> None:
    assert import_problem(ImportError("cannot import name 'x'", name="fitme.fit")) is None
    assert import_problem(ImportError("cannot import name 'x'")) is None
    line = import_problem(ModuleNotFoundError("No module named 'numba'", name="numba"))
    assert line == f"No module named 'numba'; {REINSTALL}"


def test_library_errors_are_one_line() -> None:
    wanted = r"OpenCV cannot be loaded \(a b\); install"
    with pytest.raises(LibraryError, match=wanted) as caught, library_errors("OpenCV"):
        raise ImportError("a\n  b")
    assert "\n" not in str(caught.value)


class TestWithoutLibGL:
    """The whole program where OpenCV's wheel finds no libGL, as in a slim container."""

    @pytest.fixture
    def slim(self, tmp_path: Path) -> dict[str, str]:
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "cv2.py").write_text(f"raise ImportError({NO_LIBGL!r}, name='cv2')\n")
        return {**os.environ, "PYTHONPATH": str(tmp_path / "site")}

    def run(self, slim: dict[str, str], *arguments: str) -> str:
        command = [sys.executable, "-m", "fitme.cli.main", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=slim, timeout=300)
        assert done.returncode == 2, done.stderr
        lines = done.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("fitme: error: ")
        return lines[0]

    def test_fit(self, slim: dict[str, str], astronaut: Path, tmp_path: Path) -> None:
        line = self.run(slim, "fit", str(astronaut), "--out", str(tmp_path / "out"), "-q")
        assert "libGL.so.1" in line and "apt-get install libgl1 libglib2.0-0" in line
        assert not (tmp_path / "out").exists()

    def test_batch(self, slim: dict[str, str], astronaut: Path, tmp_path: Path) -> None:
        photos = tmp_path / "photos"
        photos.mkdir()
        (photos / "a.png").write_bytes(astronaut.read_bytes())
        line = self.run(slim, "batch", str(photos), "--out", str(tmp_path / "out"), "-q")
        assert "libGL.so.1" in line and "apt-get install libgl1 libglib2.0-0" in line
