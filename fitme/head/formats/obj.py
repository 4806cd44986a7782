"""Wavefront OBJ: vertices, texture coordinates and faces of three or four corners."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fitme.head.formats.checks import fail, read_bytes


@dataclass(frozen=True)
class ObjMesh:
    """What one OBJ file holds."""

    vertices: np.ndarray  # [V, 3]
    faces: np.ndarray  # [F, 4], -1 pads triangles
    uv: np.ndarray | None  # [U, 2], v upwards
    faces_uv: np.ndarray | None  # [F, 4]


def read_obj(path: Path, cure: str) -> ObjMesh:
    """Read a mesh; faces with more corners, or relative indices, are refused with InputError."""
    lines = _lines(path, cure)
    vertices = _rows(path, lines, "v", 3, cure)
    corners, texture = [], []
    for row in (line.split()[1:] for line in lines if line.startswith("f ")):
        try:
            entries = [[int(n or 0) for n in corner.split("/")] for corner in row]
        except ValueError:
            fail(path, "has a face that is no list of indices", cure)
        if len(entries) not in (3, 4) or any(e[0] < 1 for e in entries):
            fail(path, "has a face that is no triangle or quad of positive indices", cure)
        padding = [-1] * (4 - len(entries))
        corners.append([e[0] - 1 for e in entries] + padding)
        texture.append([e[1] - 1 if len(e) > 1 else -1 for e in entries] + padding)
    if not corners:
        fail(path, "has no faces", cure)
    faces, faces_uv = np.array(corners, np.int64), np.array(texture, np.int64)
    if faces_uv[:, :3].min() < 0:
        return ObjMesh(vertices, faces, None, None)
    return ObjMesh(vertices, faces, _rows(path, lines, "vt", 2, cure), faces_uv)


def read_obj_vertices(path: Path, cure: str) -> np.ndarray:
    """Only the vertices [V, 3] of an OBJ file. Raises InputError."""
    return _rows(path, _lines(path, cure), "v", 3, cure)


def _lines(path: Path, cure: str) -> list[str]:
    return read_bytes(path, cure).decode("utf-8", errors="replace").splitlines()


def _rows(path: Path, lines: list[str], keyword: str, width: int, cure: str) -> np.ndarray:
    rows = [line.split()[1 : 1 + width] for line in lines if line.startswith(keyword + " ")]
    try:
        array = np.array(rows, dtype=np.float64).reshape(len(rows), width)
    except ValueError:  # too few numbers in a line, or something else than a number
        fail(path, f"has a damaged '{keyword}' line (cut off?)", cure)
    if not len(array) or not np.isfinite(array).all():
        fail(path, f"has no '{keyword}' lines or a NaN in one", cure)
    return array
