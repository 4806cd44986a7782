"""Basel Face Models: 2009 (MATLAB), its Deep3DFaceRecon crop, 2017 and 2019 (HDF5).

Bases are scaled to one standard deviation. What a zero expression adds in the files that have an
expression mean becomes an expression of its own, `bfm_exp_mean`, so that the model's mean is the
neutral face. Colour components are not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fitme.head.formats.checks import (
    MAX_ITEMS,
    check_file,
    fail,
    indices,
    numbers,
    read_bytes,
    require,
)
from fitme.head.formats.matlab import read_matlab
from fitme.head.formats.raw import RawHead
from fitme.runtime.errors import InputError

_CURE_2009 = (
    "give BFM2009's 01_MorphableModel.mat (faces.dmi.unibas.ch) or BFM_model_front.mat"
    " of Deep3DFaceRecon"
)
_CURE_2017 = "give model2017-1_*.h5 or model2019_*.h5 from faces.dmi.unibas.ch"
_CURE_BIN = "put BFM_exp_idx.mat and std_exp.txt of Deep3DFaceRecon beside it or move it away"


def read_bfm2009(path: Path) -> RawHead:
    """Read 01_MorphableModel.mat or BFM_model_front.mat.

    Beside the former, Exp_Pca.bin (with BFM_exp_idx.mat and std_exp.txt) gives expressions; so
    do `expPC` and `expEV` in the file. Raises InputError.
    """
    data = read_matlab(path, _CURE_2009)
    if "idBase" in data:
        return _read_front(path, data)
    require(path, data, ("shapeMU", "shapePC", "shapeEV"), _CURE_2009)
    mean = _points(path, "shapeMU", data["shapeMU"])
    identity = _basis(path, data, "shapePC", "shapeEV", len(mean))
    triangles = _triangles(path, data, "tl" if "tl" in data else "tri", len(mean))
    expression = np.zeros((0, len(mean), 3))
    offset = None
    beside = path.parent / "Exp_Pca.bin"
    if "expPC" in data:
        expression = _basis(path, data, "expPC", "expEV", len(mean))
        if "expMU" in data:
            offset = _points(path, "expMU", data["expMU"], len(mean))
    elif beside.is_file():
        kept, offset, expression = _read_expression_bin(beside, len(mean))
        number = np.full(len(mean), -1)
        number[kept] = np.arange(len(kept))
        mean, identity, triangles = mean[kept], identity[:, kept], number[triangles]
        triangles = triangles[(triangles >= 0).all(1)]
        if not len(triangles):
            fail(beside, "covers no triangle of the face", _CURE_BIN)
    return _raw("BFM2009", mean, identity, expression, offset, triangles)


def read_bfm2017(path: Path) -> RawHead:
    """Read a BFM2017 or BFM2019 .h5 file (h5py). Raises InputError."""
    check_file(path, _CURE_2017)
    try:
        import h5py
    except ImportError as error:
        raise InputError("BFM2017 and BFM2019 need h5py; pip install 'fitme[heads]'") from error
    try:
        with h5py.File(path, "r") as file:
            found = {
                name: _dataset(file, name, h5py)
                for name in (
                    "shape/model/mean", "shape/model/pcaBasis", "shape/model/pcaVariance",
                    "shape/representer/cells", "expression/model/mean",
                    "expression/model/pcaBasis", "expression/model/pcaVariance",
                )
            }  # fmt: skip
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, MemoryError):
        fail(path, "is no readable HDF5 file (cut off or damaged)", _CURE_2017)
    data = {name: value for name, value in found.items() if value is not None}
    shape_keys = ("mean", "pcaBasis", "pcaVariance")
    require(path, data, [f"shape/model/{key}" for key in shape_keys], _CURE_2017)
    require(path, data, ["shape/representer/cells"], _CURE_2017)
    mean = _points(path, "shape/model/mean", data["shape/model/mean"], cure=_CURE_2017)
    cells = data["shape/representer/cells"]
    cells = cells.T if cells.ndim == 2 and cells.shape[0] == 3 else cells
    triangles = indices(path, "cells", cells, (None, 3), len(mean), _CURE_2017)
    identity = _pca(path, data, "shape", len(mean))
    expression, offset = np.zeros((0, len(mean), 3)), None
    if "expression/model/pcaBasis" in data:
        require(path, data, [f"expression/model/{key}" for key in shape_keys], _CURE_2017)
        expression = _pca(path, data, "expression", len(mean))
        name = "expression/model/mean"
        offset = _points(path, name, data[name], len(mean), _CURE_2017)
    return _raw("BFM2017/2019", mean, identity, expression, offset, triangles)


def _raw(
    source: str, mean: np.ndarray, identity: np.ndarray, expression: np.ndarray,
    offset: np.ndarray | None, triangles: np.ndarray,
) -> RawHead:  # fmt: skip
    names = tuple(f"bfm_exp_{i:03d}" for i in range(len(expression)))
    if offset is not None and np.abs(offset).max() > 1e-6 * np.ptp(mean[:, 1]):
        expression = np.concatenate([expression, offset[None]])
        names += ("bfm_exp_mean",)
    return RawHead(source, mean, identity, expression, names, triangles)


def _read_front(path: Path, data: dict[str, Any]) -> RawHead:
    """Deep3DFaceRecon's crop: bases already scaled to one standard deviation, decimetres."""
    require(path, data, ("meanshape", "idBase", "exBase", "tri"), _CURE_2009)
    mean = _points(path, "meanshape", data["meanshape"])
    identity, expression = (
        numbers(path, key, data[key], (mean.size, None), _CURE_2009).T.reshape(-1, len(mean), 3)
        for key in ("idBase", "exBase")
    )
    triangles = _triangles(path, data, "tri", len(mean))
    return _raw("BFM2009, Deep3DFaceRecon", mean, identity, expression, None, triangles)


def _read_expression_bin(path: Path, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exp_Pca.bin (Guo et al. 2018): vertices it covers [N], mean [N, 3], basis [E, N, 3]."""
    folder = path.parent
    for name in ("BFM_exp_idx.mat", "std_exp.txt"):
        if not (folder / name).is_file():
            fail(path, f"needs {name} beside it, which is not there", _CURE_BIN)
    data = read_bytes(path, _CURE_BIN)
    modes = int(np.frombuffer(data[:4].ljust(4, b"\0"), "<i4")[0])
    vertices = (len(data) - 4) // (12 * (1 + modes)) if 0 < modes < 10_000 else 0
    if vertices < 1 or len(data) != 4 + 12 * vertices * (1 + modes):
        fail(path, "is no Exp_Pca.bin (cut off or damaged)", _CURE_BIN)
    values = np.frombuffer(data, "<f4", offset=4).reshape(1 + modes, vertices, 3)
    values = numbers(path, "its values", values, (1 + modes, vertices, 3), _CURE_BIN)
    index = folder / "BFM_exp_idx.mat"
    trim = read_matlab(index, _CURE_BIN)
    require(index, trim, ("trimIndex",), _CURE_BIN)
    kept = indices(index, "trimIndex", np.ravel(trim["trimIndex"]) - 1, (vertices,), count,
                   _CURE_BIN)  # fmt: skip
    if len(np.unique(kept)) != len(kept):
        fail(index, "names a vertex twice", _CURE_BIN)
    try:
        deviation = np.loadtxt(folder / "std_exp.txt", dtype=np.float64).ravel()
    except (ValueError, OSError):
        fail(folder / "std_exp.txt", "holds something that is no number", _CURE_BIN)
    deviation = numbers(folder / "std_exp.txt", "it", deviation, (modes,), _CURE_BIN)
    return kept, values[0], values[1:] * deviation[:, None, None]


def _dataset(file: Any, name: str, h5py: Any) -> np.ndarray | None:
    """The array at a path of an HDF5 file, or None. Links that leave the file are not followed."""
    node = file
    for key in name.split("/"):
        if not isinstance(node, h5py.Group) or key not in node:
            return None
        if isinstance(node.get(key, getlink=True), h5py.ExternalLink):
            raise ValueError("external link")
        node = node[key]
    if not isinstance(node, h5py.Dataset) or node.external or node.is_virtual:
        raise ValueError("no plain array")
    if node.dtype.kind not in "iuf" or node.size > MAX_ITEMS:
        raise ValueError("no plain numbers")
    return np.asarray(node[()])


def _points(
    path: Path, name: str, value: Any, count: int | None = None, cure: str = _CURE_2009
) -> np.ndarray:
    """Stacked coordinates x0 y0 z0 x1 ... in any shape -> [V, 3]."""
    flat = value.reshape(-1) if isinstance(value, np.ndarray) else value
    flat = numbers(path, name, flat, (None if count is None else 3 * count,), cure)
    if flat.size % 3:
        fail(path, f"{name} has {flat.size} numbers, no multiple of 3", cure)
    return flat.reshape(-1, 3)


def _basis(
    path: Path, data: dict[str, Any], vectors: str, deviations: str, count: int
) -> np.ndarray:
    """Unit vectors [3V, K] times standard deviations [K] -> [K, V, 3]."""
    require(path, data, (vectors, deviations), _CURE_2009)
    basis = numbers(path, vectors, data[vectors], (3 * count, None), _CURE_2009)
    scale = data[deviations].reshape(-1) if isinstance(data[deviations], np.ndarray) else None
    scale = numbers(path, deviations, scale, (basis.shape[1],), _CURE_2009)
    return (basis * scale).T.reshape(-1, count, 3)


def _pca(path: Path, data: dict[str, np.ndarray], group: str, count: int) -> np.ndarray:
    """Statismo's basis [3V, K] and variance [K] -> [K, V, 3], one standard deviation each.

    Statismo wrote scaled columns before version 0.9 and unit columns since; the columns' own
    lengths tell which (columns of a cropped model are somewhat shorter than 1).
    """
    names = (f"{group}/model/pcaBasis", f"{group}/model/pcaVariance")
    basis = numbers(path, names[0], data[names[0]], (3 * count, None), _CURE_2017)
    variance = numbers(path, names[1], data[names[1]], (basis.shape[1],), _CURE_2017)
    if (variance < 0).any():
        fail(path, f"{names[1]} is negative", _CURE_2017)
    length = np.linalg.norm(basis, axis=0)
    already = length.max() > 1.5 and np.allclose(length**2, variance, rtol=0.5)
    scale = np.ones_like(variance) if already else np.sqrt(variance)
    return (basis * scale).T.reshape(-1, count, 3)


def _triangles(path: Path, data: dict[str, Any], key: str, count: int) -> np.ndarray:
    """MATLAB counts from 1."""
    require(path, data, (key,), _CURE_2009)
    value = data[key]
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        value = value.astype(np.float64) - 1
        if value.ndim == 2 and value.shape[0] == 3 != value.shape[1]:
            value = value.T
    return indices(path, key, value, (None, 3), count, _CURE_2009)
