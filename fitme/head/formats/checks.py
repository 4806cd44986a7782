"""Reading arrays that a stranger made: shapes, kinds, finite values, and errors with a cure."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fitme.runtime.errors import InputError, show_path

MAX_FILE_BYTES = 4 << 30  # the largest known model (BFM2017, shape and colour) has 0.26 GiB
MAX_VALUE = 1e12  # a metre has a million micrometres; anything far above is damage
MAX_ITEMS = 200_000_000  # numbers in one array; BFM2009's basis has 32 million


def fail(path: Path, problem: str, cure: str) -> NoReturn:
    """Raise the one-line InputError "PATH: problem; cure"."""
    raise InputError(f"{show_path(path)}: {problem}; {cure}")


def read_bytes(path: Path, cure: str) -> bytes:
    """The whole file. Raises InputError when it is missing, a directory, empty or too large."""
    check_file(path, cure)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{show_path(path)}: cannot be read ({error.strerror}); {cure}") from error


def check_file(path: Path, cure: str) -> None:
    """Raise InputError unless `path` is a plain file of a plausible size."""
    if path.is_dir():
        fail(path, "is a directory", cure)
    if not path.is_file():
        fail(path, "does not exist", "check the path")
    size = path.stat().st_size
    if size == 0:
        fail(path, "is empty", cure)
    if size > MAX_FILE_BYTES:
        fail(path, f"has {size / 2**30:.1f} GiB, too much for a head model", cure)


def require(path: Path, data: Mapping[str, Any], keys: Iterable[str], cure: str) -> None:
    """Raise InputError that lists the `keys` which `data` lacks."""
    missing = [key for key in keys if key not in data]
    if missing:
        fail(path, f"has no {', '.join(missing)}", cure)


def numbers(
    path: Path, name: str, value: Any, shape: tuple[int | None, ...], cure: str
) -> np.ndarray:
    """`value` as a finite float64 array of `shape`; None fits every positive length.

    Raises InputError for what is no array of numbers, has another shape or a NaN.
    """
    array = _checked(path, name, value, "biuf", "numbers", shape, cure).astype(np.float64)
    if not np.isfinite(array).all():
        fail(path, f"{name} holds a NaN or infinite number", cure)
    if np.abs(array).max() > MAX_VALUE:
        fail(path, f"{name} holds the number {np.abs(array).max():.3g}", cure)
    return array


def indices(
    path: Path, name: str, value: Any, shape: tuple[int | None, ...], count: int, cure: str
) -> np.ndarray:
    """`value` as an int64 array of `shape` with entries in 0..count-1.

    Files of MATLAB store indices as floats too, so whole floats pass. Raises InputError.
    """
    array = _checked(path, name, value, "iuf", "indices", shape, cure)
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array % 1 == 0).all()):
        fail(path, f"{name} holds indices that are no whole numbers", cure)
    low, high = array.min(), array.max()
    if low < 0 or high >= count:
        fail(path, f"{name} points at {low:.0f}..{high:.0f}, but there are {count}", cure)
    return array.astype(np.int64)


def read_npz(path: Path, keys: Iterable[str], cure: str) -> dict[str, np.ndarray]:
    """Those of `keys` that an .npz file has, read without pickles. Raises InputError."""
    check_file(path, cure)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_FILE_BYTES:
            fail(path, f"unpacks to {unpacked / 2**30:.1f} GiB", cure)
        with np.load(path, allow_pickle=False) as data:
            return {key: data[key] for key in keys if key in data.files}
    except InputError:
        raise
    except Exception as error:  # zlib, zipfile and numpy raise very different things
        if "allow_pickle" in str(error):
            fail(path, "holds Python objects, which are not read", "save it with plain arrays only")
        fail(path, "is no readable .npz file (cut off or damaged)", cure)


def _checked(
    path: Path, name: str, value: Any, kinds: str, what: str, shape: tuple[int | None, ...],
    cure: str,
) -> np.ndarray:  # fmt: skip
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        fail(path, f"{name} is no array of {what}", cure)
    fits = value.ndim == len(shape) and all(
        length == wanted or (wanted is None and length > 0)
        for length, wanted in zip(value.shape, shape, strict=True)
    )
    if not fits or value.size > MAX_ITEMS:
        wanted_text = ", ".join("any" if n is None else str(n) for n in shape)
        fail(path, f"{name} has the shape {list(value.shape)}, wanted [{wanted_text}]", cure)
    return value
