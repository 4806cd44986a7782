"""Read the arrays of a pickle without running it.

FLAME comes as a Python 2 pickle of numpy, scipy and chumpy objects. A pickle is a program that
may call anything it can name, so here it can name nothing real: every allowed name stands for a
stub that keeps what it is given, and the arrays are rebuilt afterwards from those stubs, from
plain bytes and a checked dtype. Any other name is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fitme.head.formats.checks import MAX_ITEMS, fail, read_bytes
from fitme.runtime.errors import InputError, show_path

_NUMBER = re.compile(r"[biuf]\d")  # the dtypes whose bytes are plain numbers


class _Stub:
    """An object of the file: the arguments and the state it was made with, no behaviour."""

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Any:
        stub = super().__new__(cls)
        stub.args, stub.state = args, None
        return stub

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Token(_Stub):
    """Something allowed that no array needs (`object`, `set`)."""


class _Dtype(_Stub):
    def numpy(self) -> np.dtype:
        if not (self.args and isinstance(self.args[0], str) and _NUMBER.fullmatch(self.args[0])):
            raise ValueError("an array of something else than numbers")
        order = self.state[1] if self.state else "="
        if order not in ("<", ">", "|", "="):
            raise ValueError("a damaged dtype")
        return np.dtype(order + self.args[0])


class _Array(_Stub):
    """numpy.ndarray; its state is (version, shape, dtype, is_fortran, bytes)."""

    def numpy(self) -> np.ndarray:
        _, shape, dtype, fortran, data = self.state
        return _from_bytes(data, dtype, shape, "F" if fortran else "C")


class _FromBuffer(_Stub):
    """numpy._frombuffer(bytes, dtype, shape, order), which pickle protocol 5 uses; since numpy 2.4
    with the order of axes as a fifth, where they lie in memory in another order (order "K")."""

    def numpy(self) -> np.ndarray:
        data, dtype, shape, order, *axes = self.args
        array = _from_bytes(data, dtype, shape, "F" if order == "F" else "C")
        return array.transpose(axes[0]) if order == "K" and axes else array


class _Scalar(_Stub):
    """numpy scalar: dtype and bytes."""

    def numpy(self) -> np.ndarray:
        dtype, data = self.args
        return _from_bytes(data, dtype, (), "C")


class _Chumpy(_Stub):
    """chumpy.ch.Ch: a variable whose value is `x`."""

    def numpy(self) -> np.ndarray:
        return as_array(self.state["x"])


class _Select(_Stub):
    """chumpy.reordering.Select: some entries of another array."""

    def numpy(self) -> np.ndarray:
        chosen = as_array(self.state["a"]).ravel()[as_array(self.state["idxs"])]
        shape = self.state.get("preferred_shape")
        return chosen if shape is None else chosen.reshape(_shape(shape))


class _Sparse(_Stub):
    """scipy.sparse csc_matrix; made dense, since the only one in FLAME is 5 x 5023."""

    by_column = True

    def numpy(self) -> np.ndarray:
        state = self.state
        rows, columns = _shape(state["_shape"] if "_shape" in state else state["shape"])
        data, minor, start = (as_array(state[key]) for key in ("data", "indices", "indptr"))
        major_count = columns if self.by_column else rows
        whole = start.shape == (major_count + 1,) and (np.diff(start) >= 0).all()
        if not whole or not start[-1] - start[0] == len(data) == len(minor):
            raise ValueError("a damaged sparse matrix")
        major = np.repeat(np.arange(major_count), np.diff(start))
        dense = np.zeros((rows, columns), dtype=np.float64)
        np.add.at(dense, (minor, major) if self.by_column else (major, minor), data)
        return dense


class _SparseRows(_Sparse):
    by_column = False


class _Reconstruct:
    """numpy's `_reconstruct(ndarray, shape, code)`: an array whose state follows."""

    def __new__(cls, *args: Any) -> Any:
        return _Array()


class _Reconstructor:
    """`copyreg._reconstructor(class, base, state)`: an object whose state follows."""

    def __new__(cls, kind: Any, *args: Any) -> Any:
        if not (isinstance(kind, type) and issubclass(kind, _Stub)):
            raise pickle.UnpicklingError("not a class")
        return kind()


class _Encode:
    """`_codecs.encode(text, "latin1")`: how Python 3 writes bytes for Python 2."""

    def __new__(cls, text: str, *args: Any) -> Any:
        return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("copyreg", "_reconstructor"): _Reconstructor,
    ("copy_reg", "_reconstructor"): _Reconstructor,
    ("_codecs", "encode"): _Encode,
    ("chumpy.ch", "Ch"): _Chumpy,
    ("chumpy.reordering", "Select"): _Select,
}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _Reconstruct
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _Scalar
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _FromBuffer
for _builtins in ("builtins", "__builtin__"):
    _ALLOWED[_builtins, "object"] = _Token
    _ALLOWED[_builtins, "set"] = _Token
for _name, _kind in (("csc", _Sparse), ("csr", _SparseRows)):
    for _module in (f"scipy.sparse.{_name}", f"scipy.sparse._{_name}"):
        _ALLOWED[_module, f"{_name}_matrix"] = _kind


class _Unpickler(pickle._Unpickler):  # the one in Python: sizes a file claims allocate nothing
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, path: Path, data: bytes, cure: str) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._path, self._cure = path, cure

    def find_class(self, module: str, name: str) -> Any:
        stub = _ALLOWED.get((module, name))
        if stub is None:
            label = re.sub(r"[^\w.]", "?", f"{module}.{name}")[:120]
            fail(self._path, f"refused, it asks for {label}, which no head model needs", self._cure)
        return stub

    def _load_bytearray(self) -> None:
        this: Any = self  # `read` and `append` appear while loading
        this.append(this.read(int.from_bytes(this.read(8), "little")))

    dispatch[pickle.BYTEARRAY8[0]] = _load_bytearray


def read_pickle(path: Path, cure: str) -> dict[str, Any]:
    """The dictionary in a pickle; its values are read with `as_array`.

    Raises InputError naming the file: unreadable, cut off, not a dictionary, or naming a class
    or function outside the short list of numpy, scipy.sparse and chumpy arrays. Nothing that
    the file names is imported or called.
    """
    data = read_bytes(path, cure)
    try:
        loaded = _Unpickler(path, data, cure).load()
    except InputError:
        raise
    except Exception:  # damaged pickles raise nearly every exception there is
        fail(path, "is no readable pickle (cut off or damaged)", cure)
    if not isinstance(loaded, dict):
        fail(path, "holds no dictionary", cure)
    return {key: value for key, value in loaded.items() if isinstance(key, str)}


def get_array(path: Path, name: str, value: Any, cure: str) -> np.ndarray:
    """`as_array` with an InputError that names the file and the entry."""
    try:
        return as_array(value)
    except Exception as error:  # whatever a damaged state leads to, RecursionError included
        raise InputError(
            f"{show_path(path)}: {name} is no array of numbers or damaged; {cure}"
        ) from error


def as_array(value: Any) -> np.ndarray:
    """A value of `read_pickle` as a numpy array. Raises ValueError, TypeError, KeyError..."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (int, float, list, tuple)):
        array = np.array(value)
        if array.dtype.kind in "biuf":
            return array
    if isinstance(value, (_Array, _FromBuffer, _Scalar, _Chumpy, _Select, _Sparse)):
        return value.numpy()
    raise ValueError("not an array of numbers")


def _shape(value: Any) -> tuple[int, ...]:
    shape = tuple(int(n) for n in (value if isinstance(value, (list, tuple)) else as_array(value)))
    if any(n < 0 for n in shape) or math.prod(shape) > MAX_ITEMS:
        raise ValueError("a damaged shape")
    return shape


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if isinstance(data, str):  # Python 2 wrote bytes as text
        data = data.encode("latin1")
    if not isinstance(dtype, _Dtype) or not isinstance(data, (bytes, bytearray)):
        raise ValueError("not an array of numbers")
    return np.frombuffer(data, dtype=dtype.numpy()).reshape(_shape(shape), order=order)
