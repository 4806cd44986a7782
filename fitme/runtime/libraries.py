"""Importing large libraries of others: quietly, with a cure where one cannot be loaded."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fitme.runtime.errors import LibraryError
from fitme.runtime.quiet_stderr import quiet_native_stderr

REINSTALL = "install fitme again (in a checkout: uv sync --reinstall)"
# What OpenCV's wheel takes from the system and slim containers lack.
_OPENCV_NEEDS = ("libGL.so", "libgthread-2.0.so", "libglib-2.0.so")
_OPENCV_CURE = (
    "apt-get install libgl1 libglib2.0-0, or without root: pip uninstall opencv-contrib-python,"
    " then pip install opencv-contrib-python-headless"
)
_SHARED_OBJECT = re.compile(r"(\S+\.so[.\d]*): cannot open shared object file")


def import_cure(error: BaseException) -> str:
    """What to do about a failed import, by what its message names."""
    missing = _SHARED_OBJECT.search(str(error))
    if missing is None:
        return REINSTALL
    if missing[1].startswith(_OPENCV_NEEDS):
        return _OPENCV_CURE
    return f"install the package of your system that holds {missing[1]}"


def import_problem(error: ImportError) -> str | None:
    """What is wrong and its cure in one line; None where it is fitme's own import that fails."""
    reason = " ".join(str(error).split())
    if (error.name or "fitme").partition(".")[0] == "fitme" and not _SHARED_OBJECT.search(reason):
        return None
    return f"{reason}; {import_cure(error)}"


@contextmanager
def library_errors(what: str) -> Iterator[None]:
    """Failed imports in the block become a LibraryError: `what` that is missing, and its cure."""
    try:
        yield
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise LibraryError(f"{what} cannot be loaded ({reason}); {import_cure(error)}") from error


def check_fit_libraries() -> None:
    """Raise LibraryError where a fit would, before anything heavy is loaded."""
    with library_errors("OpenCV"):
        importlib.import_module("cv2")
    if importlib.util.find_spec("mediapipe") is None:
        raise LibraryError(f"mediapipe, which finds faces, is missing; {REINSTALL}")


def import_quietly(module: str) -> None:
    """Import a library without its chatter. Raises whatever its import raises."""
    with warnings.catch_warnings(), quiet_native_stderr(), matplotlib_folder():
        warnings.simplefilter("ignore")  # protobuf's deprecation warnings
        importlib.import_module(module)


@contextmanager
def matplotlib_folder() -> Iterator[None]:
    """Let matplotlib, which mediapipe imports, keep its font list where HOME cannot be written.

    It looks for its folder once, while it is imported. Its own way out is a warning on stderr and
    a variable that stays set; here a temporary folder, gone when the program ends, and the
    environment is as it was after the block.
    """
    if "MPLCONFIGDIR" in os.environ or _home_is_writable():
        yield
        return
    folder = tempfile.mkdtemp(prefix="fitme-matplotlib-")
    # Not when the block ends: the list of fonts may be written later.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["MPLCONFIGDIR"] = folder
    try:
        yield
    finally:
        os.environ.pop("MPLCONFIGDIR", None)


def _home_is_writable() -> bool:
    """Whether matplotlib finds folders for its settings and its cache."""
    for variable, usual in (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache")):
        try:
            folder = Path(os.environ.get(variable) or Path.home() / usual) / "matplotlib"
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError):  # RuntimeError: no home at all
            return False
        if not os.access(folder, os.W_OK):
            return False
    return True
