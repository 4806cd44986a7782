from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fitme.runtime.errors import LibraryError
from fitme.runtime.libraries import (
    REINSTALL,
    check_fit_libraries,
    import_cure,
    import_problem,
    library_errors,
    matplotlib_folder,
)

NO_LIBGL = "libGL.so.1: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("message", "cure"),
    [
        (NO_LIBGL, "apt-get install libgl1 libglib2.0-0"),
        (NO_LIBGL.replace("libGL.so.1", "libgthread-2.0.so.0"), "libglib2.0-0"),
        (NO_LIBGL.replace("libGL.so.1", "libodd-1.so"), "holds libodd-1.so"),
        ("No module named 'mediapipe'", REINSTALL),
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


def test_missing_mediapipe(monkeypatch: pytest.MonkeyPatch) -> None:
    check_fit_libraries()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LibraryError, match="mediapipe"):
        check_fit_libraries()


class TestWithoutLibGL:
    """The whole program where OpenCV's wheel finds no libGL, as in a slim container."""

    @pytest.fixture
    def slim(self, tmp_path: Path) -> dict[str, str]:
        (tmp_path / "site").mkdir()
        for module in ("cv2", "mediapipe"):
            (tmp_path / "site" / f"{module}.py").write_text(
                f"raise ImportError({NO_LIBGL!r}, name='cv2')\n"
            )
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


class TestMatplotlibFolder:
    CODE = (
        "import os\n"
        "from fitme.runtime.libraries import import_quietly\n"
        "before = dict(os.environ)\n"
        "import_quietly('matplotlib.pyplot')\n"
        "assert dict(os.environ) == before\n"
        "import matplotlib\n"
        "print(matplotlib.get_cachedir())\n"
    )

    def folder(self, **variables: str) -> Path:
        kept = {k: v for k, v in os.environ.items() if k != "MPLCONFIGDIR" and "XDG" not in k}
        done = subprocess.run(
            [sys.executable, "-c", self.CODE],
            capture_output=True,
            text=True,
            env={**kept, **variables},
            check=True,
        )
        assert done.stderr == ""
        return Path(done.stdout.strip())

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc, where nobody may write")
    def test_home_that_cannot_be_written(self) -> None:
        folder = self.folder(HOME="/proc/nobody")
        assert folder.name.startswith("fitme-matplotlib-") and not folder.exists()

    def test_the_users_own_folder(self, tmp_path: Path) -> None:
        assert self.folder(HOME=str(tmp_path)).is_relative_to(tmp_path)
        (tmp_path / "own").mkdir()
        assert self.folder(MPLCONFIGDIR=str(tmp_path / "own")) == tmp_path / "own"

    def test_an_error_leaves_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MPLCONFIGDIR", raising=False)
        monkeypatch.setenv("HOME", "/proc/nobody")
        with pytest.raises(KeyError), matplotlib_folder():
            raise KeyError
        assert "MPLCONFIGDIR" not in os.environ
