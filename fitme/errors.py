"""The exceptions that a user can cause, under the name by which callers know them.

The same classes as `fitme.InputError` and the others; they live in `fitme.runtime.errors`.
"""

from fitme.runtime.errors import (
    FitmeError,
    InputError,
    LandmarkError,
    ModelError,
    OutputError,
    PhotoError,
)

__all__ = [
    "FitmeError",
    "InputError",
    "LandmarkError",
    "ModelError",
    "OutputError",
    "PhotoError",
]
