"""Small files of every format, all of the head of `tiny_head`, and what they must read as."""

from __future__ import annotations

import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.io import savemat

from fitme.head.model import HeadModel
from tests.tiny_head import tiny_head

h5py = pytest.importorskip("h5py")

HEAD = tiny_head()
MEAN = HEAD.mean.double().numpy()
FACES = HEAD.triangles.numpy()
COUNT = len(MEAN)
DRAW = np.random.default_rng(0)
IDENTITY = DRAW.normal(0, 0.002, (10, COUNT, 3))
EXPRESSION = DRAW.normal(0, 0.001, (10, COUNT, 3))


def columns(modes: np.ndarray) -> np.ndarray:
    """Modes [K, V, 3] as the columns [3V, K] of Basel's files."""
    return modes.reshape(len(modes), -1).T


def flame_data() -> dict:
    """A FLAME dictionary: joint 0 the collar, 2 the chin, 3 and 4 the eyes, 1 the rest."""
    owner = np.array([1] * 6 + [0] * 4 + [3] * 6 + [4] * 6)
    owner[3] = 2
    weights = np.eye(5)[owner]
    return {
        "v_template": MEAN, "f": FACES.astype(np.uint32), "weights": weights,
        "shapedirs": np.concatenate([IDENTITY, EXPRESSION]).transpose(1, 2, 0),
        "posedirs": np.zeros((COUNT, 3, 36)), "kintree_table": np.zeros((2, 5), np.int64),
        "J_regressor": scipy.sparse.csc_matrix((weights / weights.sum(0)).T),
        "bs_style": "lbs", "bs_type": "lrotmin",
    }  # fmt: skip


def write_flame(folder: Path, protocol: int = 2, **changes) -> Path:
    path = folder / "generic_model.pkl"
    path.write_bytes(pickle.dumps(flame_data() | changes, protocol=protocol))
    return path


def bfm2009_data() -> dict:
    deviation = DRAW.uniform(1, 5, 10)
    return {
        "shapeMU": 1e6 * MEAN.reshape(-1, 1), "shapePC": columns(1e6 * IDENTITY) / deviation,
        "shapeEV": deviation[:, None], "tl": (FACES + 1).astype(np.float64),
    }  # fmt: skip


def write_bfm2009(folder: Path, **changes) -> Path:
    savemat(folder / "01_MorphableModel.mat", bfm2009_data() | changes)
    return folder / "01_MorphableModel.mat"


def write_front(folder: Path, **changes) -> Path:
    data = {
        "meanshape": 10 * MEAN.reshape(1, -1), "idBase": columns(10 * IDENTITY),
        "exBase": columns(10 * EXPRESSION), "tri": (FACES + 1).astype(np.uint16),
    }  # fmt: skip
    savemat(folder / "BFM_model_front.mat", data | changes)
    return folder / "BFM_model_front.mat"


def unit_columns(modes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    basis = columns(modes)
    length = np.linalg.norm(basis, axis=0)
    return basis / length, length**2


def write_bfm2017(folder: Path, **changes) -> Path:
    shape, shape_variance = unit_columns(1000 * IDENTITY)
    expression, expression_variance = unit_columns(1000 * EXPRESSION)
    data = {
        "shape/model/mean": 1000 * MEAN.ravel(), "shape/model/pcaBasis": shape,
        "shape/model/pcaVariance": shape_variance, "shape/representer/cells": FACES.T,
        "expression/model/mean": np.full(3 * COUNT, 0.5),
        "expression/model/pcaBasis": expression,
        "expression/model/pcaVariance": expression_variance,
    } | changes  # fmt: skip
    with h5py.File(folder / "model2017-1_bfm.h5", "w") as file:
        for name, value in data.items():
            if value is not None:
                file[name] = value
    return folder / "model2017-1_bfm.h5"


ICT_NAMES = ("browInnerUp_L", "browInnerUp_R", "cheekRaiser_L", "eyeBlink_L", "eyeBlink_R",
             "jawOpen")  # fmt: skip


def write_ict(folder: Path, **changes) -> Path:
    data = {
        "neutral": 100 * MEAN, "identity": 100 * IDENTITY, "expression": 100 * EXPRESSION[:6],
        "expression_names": np.array(ICT_NAMES), "faces": FACES,
    } | changes  # fmt: skip
    np.savez(folder / "ict.npz", **{k: v for k, v in data.items() if v is not None})
    return folder / "ict.npz"


def obj_text(vertices: np.ndarray) -> str:
    lines = ["v {:.6f} {:.6f} {:.6f}".format(*row) for row in 100 * vertices]
    lines += [f"vt {u:.4f} {v:.4f}" for u, v in DRAW.uniform(0, 0.9, (COUNT, 2))]
    lines += ["f " + " ".join(f"{i}/{i}/1" for i in face) for face in FACES + 1]
    return "# made by a test\n" + "\n".join(lines) + "\n"


def write_ict_folder(folder: Path) -> Path:
    root = folder / "FaceXModel"
    root.mkdir()
    (root / "generic_neutral_mesh.obj").write_text(obj_text(MEAN))
    for index, offsets in enumerate(IDENTITY):
        (root / f"identity{index:03d}.obj").write_text(obj_text(MEAN + offsets))
    for name, offsets in zip(ICT_NAMES, EXPRESSION, strict=False):
        (root / f"{name}.obj").write_text(obj_text(MEAN + offsets))
    return root


WRITERS = {"flame": write_flame, "bfm2009": write_bfm2009, "front": write_front,
           "bfm2017": write_bfm2017, "ict": write_ict, "ict_folder": write_ict_folder}  # fmt: skip


def check(model: HeadModel, identity_tolerance: float = 1e-6) -> None:
    """The model holds MEAN and IDENTITY in metres, and indices that fit."""
    np.testing.assert_allclose(model.mean, MEAN, atol=1e-6)
    np.testing.assert_allclose(model.identity, IDENTITY, atol=identity_tolerance)
    assert sorted(map(sorted, model.triangles.tolist())) == sorted(map(sorted, FACES.tolist()))
    assert model.uv.min() >= 0 and model.uv.max() <= 1
    assert model.uv_triangles.shape == model.triangles.shape
    assert model.uv_triangles.max() < len(model.uv)
    assert (model.mirror[model.mirror] == torch.arange(COUNT)).all()
    assert (model.occlusion == 1).all() and len(model.regions) == 0
    vertices = model.shape(torch.zeros(1, len(model.identity)))
    model.pose(vertices, torch.zeros(1, 2, 2), torch.zeros(1, 3))
    assert model.landmarks(vertices).shape == (1, 0, 3)
    a, b, c = (model.mean[model.triangles] - model.mean.mean(0)).unbind(1)
    assert (a * torch.linalg.cross(b, c)).sum() > 0


class Evil:
    """Creates a file when unpickled by anything that runs pickles."""

    def __init__(self, folder: Path) -> None:
        self.command = f"touch {folder / 'owned'}"

    def __reduce__(self):
        return os.system, (self.command,)


def install_chumpy(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Stand-ins for chumpy's classes with chumpy's names, to write its pickles."""
    modules = {
        name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")
    }
    for module, name in (("chumpy.ch", "Ch"), ("chumpy.reordering", "Select")):
        kind = type(name, (), {"__init__": lambda self, **state: vars(self).update(state)})
        kind.__module__ = module
        setattr(modules[module], name, kind)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return types.SimpleNamespace(ch=modules["chumpy.ch"], reordering=modules["chumpy.reordering"])
