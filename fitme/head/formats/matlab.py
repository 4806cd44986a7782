"""MATLAB 5 files (.mat of MATLAB's -v6 and -v7): numeric arrays and structs of them.

Own reader, since `scipy.io.loadmat` crashes the interpreter on some damaged files. Source:
MathWorks, MAT-File Format, version 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fitme.head.formats.checks import MAX_ITEMS, fail, read_bytes

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
            13: "u8"}  # fmt: skip
_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _NUMERIC_CLASSES = 2, range(6, 16)
_MAX_UNPACKED = 1 << 30  # bytes of one variable; BFM2009's largest has 0.12 GiB


@dataclass(frozen=True)
class _Element:
    kind: int
    data: memoryview


def read_matlab(path: Path, cure: str) -> dict[str, np.ndarray]:
    """The numeric variables of a file by name; the fields of a 1x1 struct count as variables.

    Variables of other classes (text, cells, sparse) are left out. Raises InputError naming the
    file when it is damaged or of another version.
    """
    data = read_bytes(path, cure)
    if data[:10] == b"MATLAB 7.3" or data[:4] == b"\x89HDF":
        fail(path, "is a MATLAB 7.3 file", "save it with -v7 in MATLAB")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        fail(path, "is no MATLAB 5 file", cure)
    variables: dict[str, np.ndarray] = {}
    try:
        for element in _elements(memoryview(data)[128:], order):
            if element.kind == _COMPRESSED:
                element = next(_elements(_unpack(element.data), order))
            if element.kind == _MATRIX:
                _add_matrix(variables, element.data, order, "")
    except (ValueError, IndexError, StopIteration, struct.error, zlib.error, MemoryError):
        fail(path, "is no readable MATLAB file (cut off or damaged)", cure)
    return variables


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """The elements that follow each other in `data`."""
    position = 0
    while position < len(data):
        kind, size = struct.unpack_from(order + "II", data, position)
        start = position + 8
        if kind >> 16:  # small: type and size share one word, the data fills the other
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            if size > 4:
                raise ValueError("small element too large")
            end = position + 8
        else:
            # Elements are padded to 8 bytes, only compressed ones are not.
            end = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > len(data):
            raise ValueError("cut off")
        yield _Element(kind, data[start : start + size])
        position = end


def _unpack(data: memoryview) -> memoryview:
    stream = zlib.decompressobj()
    unpacked = stream.decompress(data, _MAX_UNPACKED)
    if not stream.eof:
        raise ValueError("cut off or too large")
    return memoryview(unpacked)


def _add_matrix(variables: dict[str, np.ndarray], data: memoryview, order: str, field: str) -> None:
    """Put a numeric matrix, or those of a struct's fields, into `variables`."""
    if not len(data):  # how an empty field is written
        return
    parts = _elements(data, order)
    flags, shape = _numbers(next(parts), order), _numbers(next(parts), order)
    name = bytes(next(parts).data).decode("latin1") or field
    size = 1
    for length in shape.tolist():
        if length < 0:
            raise ValueError("negative length")
        size *= length
    if size > MAX_ITEMS:
        raise ValueError("too large")
    matrix_class = int(flags[0]) & 0xFF
    if matrix_class in _NUMERIC_CLASSES:
        values = _numbers(next(parts), order)
        if len(values) != size:
            raise ValueError("wrong number of values")
        variables[name] = values.reshape(shape.tolist(), order="F")
    elif matrix_class == _STRUCT and not field and size == 1:
        length = int(_numbers(next(parts), order)[0])
        names = bytes(next(parts).data)
        if length < 1:
            raise ValueError("no field names")
        for start in range(0, len(names), length):
            member = next(parts)
            if member.kind != _MATRIX:
                raise ValueError("no matrix in a struct")
            key = names[start : start + length].split(b"\0")[0].decode("latin1")
            _add_matrix(variables, member.data, order, key)


def _numbers(element: _Element, order: str) -> np.ndarray:
    if element.kind not in _NUMBERS:
        raise ValueError("no numbers")
    return np.frombuffer(element.data, order + _NUMBERS[element.kind])
