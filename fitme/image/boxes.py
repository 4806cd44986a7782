"""The colour space that a HEIC or AVIF file states in numbers (ISO/IEC 23008-12, 14496-12).

Files of phones have an ICC profile or an "nclx" box: code points of ITU-T H.273 for primaries and
transfer. Pillow hands on the profile and forgets the numbers, so they are read here: from the
properties of the primary picture, as gain maps and depth maps beside it have their own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MOST = 4 << 20  # bytes of a meta box that are read; those of phones have a few kilobytes
_CONTAINERS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"heim", b"heis")


@dataclass(frozen=True)
class Nclx:
    """Code points of H.273."""

    primaries: int
    transfer: int


def is_heic(head: bytes) -> bool:
    """Whether a file that begins with `head` (12 bytes or more) is HEIC or a kin of it."""
    return head[4:8] == b"ftyp" and head[8:12] in _CONTAINERS and head[8:12] not in (
        b"avif", b"avis")  # fmt: skip


def read_nclx(path: Path) -> Nclx | None:
    """The code points of the primary picture; None for other files and for those without."""
    try:
        with path.open("rb") as stream:
            if stream.read(12)[4:8] != b"ftyp":
                return None
            stream.seek(0)
            meta = _find_meta(stream.read(_MOST))
        return None if meta is None else _nclx(meta)
    except (OSError, struct.error, IndexError, ValueError):
        return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of the boxes that follow one another."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = len(data) if size == 0 else at + size
        if end < start:
            raise ValueError("a box that ends before it begins")
        yield kind, data[start:end]
        at = end


def _find_meta(data: bytes) -> bytes | None:
    return next((content[4:] for kind, content in _boxes(data) if kind == b"meta"), None)


def _nclx(meta: bytes) -> Nclx | None:
    parts = dict(_boxes(meta))
    pitm = parts.get(b"pitm", b"\0" * 6)
    primary = struct.unpack_from(">I" if pitm[0] else ">H", pitm, 4)[0]
    tables = list(_boxes(parts.get(b"iprp", b"")))
    properties = [item for kind, content in tables if kind == b"ipco" for item in _boxes(content)]
    own: list[int] = []
    for kind, content in tables:
        if kind == b"ipma":
            own += _associations(content).get(primary, [])
    for index in own:
        kind, content = properties[index - 1]
        if kind == b"colr" and content[:4] == b"nclx":
            return Nclx(*struct.unpack_from(">HH", content, 4))
    return None


def _associations(ipma: bytes) -> dict[int, list[int]]:
    """Indices of the properties, from 1, of each item."""
    version, wide = ipma[0], ipma[3] & 1
    (count,) = struct.unpack_from(">I", ipma, 4)
    at, out = 8, {}
    for _ in range(count):
        (item,) = struct.unpack_from(">I" if version else ">H", ipma, at)
        at += 4 if version else 2
        many, at = ipma[at], at + 1
        size = 2 if wide else 1
        mask = 0x7FFF if wide else 0x7F
        out[item] = [
            int.from_bytes(ipma[at + k * size : at + (k + 1) * size], "big") & mask
            for k in range(many)
        ]
        at += many * size
    return out
