"""Exceptions that a user can cause. Each message is one line: what is wrong, where, the cure.

The command line prints the message and exits with code 2; a library user catches
`FitmeError`. Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

from pathlib import Path


class FitmeError(Exception):
    """Base of every error that is not a bug in fitme."""


class InputError(FitmeError):
    """Bad input: the message names the file (or option) and says what to do instead."""


class PhotoError(InputError):
    """A photo that cannot be read, is refused, or is too small."""


class LandmarkError(InputError):
    """No usable face: none found, too small, no such index, or a bad landmark file."""


class OutputError(FitmeError):
    """The output cannot be written where the user asked."""


class LibraryError(FitmeError):
    """A library that fitme needs is missing or cannot be loaded; the message has the cure."""


class ModelError(FitmeError):
    """A network that is downloaded cannot be had, kept or read."""


def show_path(path: Path | str) -> str:
    """The path as one printable line: control characters (a newline in a name) are escaped."""
    text = str(path)
    return text if text.isprintable() else repr(text)
