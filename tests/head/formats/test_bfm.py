from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from fitme.head.formats import read_head_file
from fitme.runtime.errors import InputError
from tests.head.formats.model_files import (
    COUNT,
    EXPRESSION,
    FACES,
    IDENTITY,
    MEAN,
    bfm2009_data,
    check,
    columns,
    h5py,
    unit_columns,
    write_bfm2009,
    write_bfm2017,
    write_front,
)


class TestBasel:
    def test_front_has_expressions(self, tmp_path: Path) -> None:
        model = read_head_file(write_front(tmp_path))
        assert model.expression_names[0] == "bfm_exp_000" and len(model.expression) == 10
        np.testing.assert_allclose(model.expression, EXPRESSION, atol=1e-7)
        assert model.metadata["unit_of_file"] == "decimetres"

    def test_2009_without_expressions(self, tmp_path: Path) -> None:
        model = read_head_file(write_bfm2009(tmp_path))
        assert model.expression.shape == (0, COUNT, 3)
        assert model.metadata["unit_of_file"] == "micrometres"
        assert model.shape(torch.zeros(1, 10), torch.zeros(1, 0)).shape == (1, COUNT, 3)

    def test_2009_winding_is_turned_outwards(self, tmp_path: Path) -> None:
        check(read_head_file(write_bfm2009(tmp_path, tl=FACES[:, ::-1] + 1.0)))

    def test_2009_with_expressions_inside(self, tmp_path: Path) -> None:
        path = write_bfm2009(
            tmp_path, expPC=columns(1e6 * EXPRESSION) / 4, expEV=np.full((10, 1), 4.0),
            expMU=np.full((3 * COUNT, 1), 500.0),
        )  # fmt: skip
        model = read_head_file(path)
        assert model.expression_names[-1] == "bfm_exp_mean" and len(model.expression) == 11
        np.testing.assert_allclose(model.expression[:10], EXPRESSION, atol=1e-6)
        np.testing.assert_allclose(model.expression[10], 0.0005, atol=1e-7)
        np.testing.assert_allclose(model.mean, MEAN, atol=1e-6)

    def test_2009_in_a_struct(self, tmp_path: Path) -> None:
        savemat(tmp_path / "BFM.mat", {"model": bfm2009_data()})
        check(read_head_file(tmp_path / "BFM.mat"))

    def test_2009_with_expression_bin(self, tmp_path: Path) -> None:
        path, kept = write_bfm2009(tmp_path), np.delete(np.arange(COUNT), 9)
        modes = np.concatenate([np.zeros((1, COUNT, 3)), 1e6 * EXPRESSION])[:, kept]
        data = np.int32(10).tobytes() + modes.astype("<f4").tobytes()
        (tmp_path / "Exp_Pca.bin").write_bytes(data)
        with pytest.raises(InputError, match=r"Exp_Pca\.bin: needs BFM_exp_idx\.mat"):
            read_head_file(path)
        savemat(tmp_path / "BFM_exp_idx.mat", {"trimIndex": kept[:, None] + 1})
        (tmp_path / "std_exp.txt").write_text(" ".join(["2.0"] * 10))
        model = read_head_file(path)
        assert len(model.mean) == COUNT - 1 and len(model.expression) == 10
        np.testing.assert_allclose(model.expression, 2 * EXPRESSION[:, kept], atol=1e-6)
        np.testing.assert_allclose(model.identity, IDENTITY[:, kept], atol=1e-6)
        assert len(model.triangles) == (FACES != 9).all(1).sum()
        for damage in (data[:-4], data[:3], b"\xff" * len(data)):
            (tmp_path / "Exp_Pca.bin").write_bytes(damage)
            with pytest.raises(InputError, match=r"Exp_Pca\.bin: is no"):
                read_head_file(path)

    def test_2017_expression_mean_is_an_expression(self, tmp_path: Path) -> None:
        model = read_head_file(write_bfm2017(tmp_path))
        assert model.expression_names[-1] == "bfm_exp_mean"
        np.testing.assert_allclose(model.expression[-1], 0.0005, atol=1e-7)
        np.testing.assert_allclose(model.expression[:-1], EXPRESSION, atol=1e-6)

    def test_2017_scaled_columns_of_old_statismo(self, tmp_path: Path) -> None:
        basis, variance = unit_columns(1000 * IDENTITY)
        scaled = {"shape/model/pcaBasis": basis * np.sqrt(variance)}
        check(read_head_file(write_bfm2017(tmp_path, **scaled)))

    def test_2017_without_expressions(self, tmp_path: Path) -> None:
        model = read_head_file(write_bfm2017(tmp_path, **{
            f"expression/model/{key}": None for key in ("mean", "pcaBasis", "pcaVariance")
        }))  # fmt: skip
        check(model)
        assert model.expression_names == ()

    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("shape/model/pcaVariance", np.ones(3), "pcaVariance has the shape"),
            ("shape/model/pcaVariance", -np.ones(10), "negative"),
            ("shape/model/mean", None, "has no shape/model/mean"),
            ("shape/model/mean", np.full(3 * COUNT, np.inf), "infinite"),
            ("shape/representer/cells", None, "cells"),
            ("shape/representer/cells", FACES.T + 5, "points at"),
            ("shape/model/mean", np.array([b"x"] * 9), "damaged"),
        ],
    )
    def test_2017_bad_content(self, tmp_path: Path, key: str, value, words: str) -> None:
        with pytest.raises(InputError, match=words):
            read_head_file(write_bfm2017(tmp_path, **{key: value}))

    def test_2017_links_to_other_files_are_not_followed(self, tmp_path: Path) -> None:
        path = write_bfm2017(tmp_path, **{"shape/model/mean": None})
        with h5py.File(tmp_path / "secret.h5", "w") as file:
            file["mean"] = 1000 * MEAN.ravel()
        with h5py.File(path, "a") as file:
            file["shape/model/mean"] = h5py.ExternalLink("secret.h5", "/mean")
        with pytest.raises(InputError, match=r"model2017-1_bfm\.h5"):
            read_head_file(path)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"tl": FACES.astype(float)}, "points at -1"),
            ({"shapeEV": np.ones((3, 1))}, "shapeEV has the shape"),
            ({"shapeMU": np.ones((7, 1))}, "no multiple of 3"),
            ({"shapePC": "text"}, "has no shapePC"),
            ({"shapeMU": np.full((3 * COUNT, 1), np.nan)}, "NaN"),
        ],
    )
    def test_2009_bad_content(self, tmp_path: Path, changes: dict, words: str) -> None:
        with pytest.raises(InputError, match=words):
            read_head_file(write_bfm2009(tmp_path, **changes))

    def test_matlab_7_3(self, tmp_path: Path) -> None:
        path = tmp_path / "01_MorphableModel.mat"
        with h5py.File(path, "w", userblock_size=512) as file:
            file["shapeMU"] = np.zeros(3)
        header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
        path.write_bytes(header.ljust(512, b"\0") + path.read_bytes()[512:])
        with pytest.raises(InputError, match=r"save it with -v7"):
            read_head_file(path)
