"""Importing large libraries of others, with a cure where one cannot be loaded."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from fitme.runtime.errors import LibraryError

REINSTALL = "install fitme again (in a checkout: uv sync --reinstall)"
# What OpenCV's wheels with windows take from the system and slim containers lack. fitme asks for
# the one without; another package may have brought one with, and both are the folder cv2.
_OPENCV_NEEDS = ("libGL.so", "libgthread-2.0.so", "libglib-2.0.so")
_OPENCV_CURE = (
    "pip uninstall opencv-python opencv-contrib-python, then pip install --force-reinstall"
    " opencv-python-headless; or apt-get install libgl1 libglib2.0-0"
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
