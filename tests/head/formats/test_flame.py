from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from fitme.head.formats import read_head_file
from fitme.runtime.errors import InputError
from tests.head.formats.model_files import (
    COUNT,
    DRAW,
    EXPRESSION,
    FACES,
    MEAN,
    Evil,
    check,
    flame_data,
    install_chumpy,
    write_flame,
)


def python2_array(array: np.ndarray) -> bytes:
    """The opcodes with which Python 2's cPickle wrote an array."""
    shape = b"".join(b"J" + np.int32(n).tobytes() for n in array.shape)
    kind = array.dtype.str[1:].encode()
    data = array.tobytes()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        b"(K\x01(" + shape + b"tcnumpy\ndtype\n(U\x02" + kind + b"K\x00K\x01tR"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"I00\nT" + np.int32(len(data)).tobytes() + data + b"tb"
    )


class TestFlame:
    @pytest.mark.parametrize("protocol", range(6))
    def test_every_pickle_protocol(self, tmp_path: Path, protocol: int) -> None:
        check(read_head_file(write_flame(tmp_path, protocol)))

    def test_chumpy(self, tmp_path: Path, monkeypatch) -> None:
        """The published files hold chumpy objects; chumpy need not be installed to read them."""
        chumpy = install_chumpy(monkeypatch)
        data = flame_data()
        shuffle = DRAW.permutation(data["shapedirs"].size)
        source = np.empty(shuffle.size)
        source[shuffle] = data["shapedirs"].ravel()
        path = write_flame(
            tmp_path,
            v_template=chumpy.ch.Ch(x=data["v_template"], _dirty_vars={"x"}),
            shapedirs=chumpy.reordering.Select(
                a=chumpy.ch.Ch(x=source), idxs=shuffle, preferred_shape=data["shapedirs"].shape
            ),
            J_regressor=scipy.sparse.csr_matrix(data["J_regressor"]),
        )
        for name in ("chumpy", "chumpy.ch", "chumpy.reordering"):
            monkeypatch.delitem(sys.modules, name)
        check(read_head_file(path))

    def test_python2(self, tmp_path: Path) -> None:
        """Python 2 wrote an array's bytes as text, which latin1 turns back."""
        data = flame_data()
        data["J_regressor"] = data["J_regressor"].toarray()
        entries = [
            b"U%c%s%s" % (len(key), key.encode(), python2_array(data[key]))
            for key in ("v_template", "f", "weights", "shapedirs", "J_regressor")
        ]
        (tmp_path / "old.pkl").write_bytes(b"\x80\x02}(" + b"".join(entries) + b"u.")
        check(read_head_file(tmp_path / "old.pkl"))

    def test_numpy2_names(self, tmp_path: Path) -> None:
        path = write_flame(tmp_path, 2)
        data = path.read_bytes()
        assert b"cnumpy.core.multiarray" in data or b"cnumpy._core.multiarray" in data
        for new in (b"cnumpy._core.multiarray", b"cnumpy.core.multiarray"):
            for old in (b"cnumpy._core.multiarray", b"cnumpy.core.multiarray"):
                data = data.replace(old, new)
            path.write_bytes(data)
            check(read_head_file(path))

    def test_npz(self, tmp_path: Path) -> None:
        data = flame_data()
        data["J_regressor"] = data["J_regressor"].toarray()
        np.savez(tmp_path / "flame.npz", **data, vt=DRAW.uniform(0, 1, (9, 2)),
                 ft=DRAW.integers(0, 9, FACES.shape))  # fmt: skip
        model = read_head_file(tmp_path / "flame.npz")
        check(model)
        assert len(model.uv) == 9

    def test_npz_with_objects_is_not_unpickled(self, tmp_path: Path) -> None:
        data = flame_data() | {"v_template": np.array([Evil(tmp_path)], dtype=object)}
        del data["J_regressor"]
        np.savez(tmp_path / "flame.npz", **data)
        with pytest.raises(InputError, match=r"flame\.npz.*Python objects"):
            read_head_file(tmp_path / "flame.npz")
        assert not (tmp_path / "owned").exists()

    def test_expressions_and_jaw(self, tmp_path: Path) -> None:
        model = read_head_file(write_flame(tmp_path))
        names = (*(f"flame_exp_{i:03d}" for i in range(10)), "jawOpen", "jawLeft", "jawRight")
        assert model.expression_names == names
        np.testing.assert_allclose(model.expression[:10], EXPRESSION, atol=1e-7)
        jaw = model.expression[model.expression_index("jawOpen")]
        assert jaw[torch.arange(COUNT) != 3].abs().max() == 0  # only the chin follows joint 2
        np.testing.assert_allclose(jaw[3], 0, atol=1e-7)  # and here it is the joint itself

    def test_jaw_opens_downwards_with_correctives(self, tmp_path: Path) -> None:
        data = flame_data()
        weights = data["weights"].copy()
        weights[4] = np.eye(5)[2]  # the nose too: 0.1 m in front, 0.12 m above the chin
        regressor = np.zeros((5, COUNT))
        regressor[:, 5] = 1  # every joint at the back of the head, on the nose's height
        correctives = np.zeros((COUNT, 3, 36))
        correctives[0, 0, 13] = 1.0  # follows cos(angle) - 1 of the jaw
        path = write_flame(tmp_path, weights=weights, J_regressor=regressor, posedirs=correctives)
        model = read_head_file(path)
        jaw = {n: model.expression[model.expression_index(n)] for n in model.expression_names[10:]}
        sine, cosine = np.sin(np.radians(20)), np.cos(np.radians(20))
        np.testing.assert_allclose(
            jaw["jawOpen"][4], [0, -0.2 * sine, 0.2 * (cosine - 1)], atol=1e-6
        )
        assert float(jaw["jawOpen"][0, 0]) == pytest.approx(cosine - 1, abs=1e-6)
        assert jaw["jawLeft"][4, 0] > 0.03 and jaw["jawRight"][4, 0] < -0.03

    def test_parts_eyes_and_neck(self, tmp_path: Path) -> None:
        model = read_head_file(write_flame(tmp_path))
        assert model.part_names == ("head", "eye_L", "eye_R")
        assert model.part_vertices("eye_L").tolist() == list(range(10, 16))
        centres = model.eye_centres(model.mean[None])[0]
        np.testing.assert_allclose(centres, [[0.03, 0.02, 0.07], [-0.03, 0.02, 0.07]], atol=1e-6)
        assert model.neck_weight.tolist() == [1.0] * 6 + [0.0] * 4 + [1.0] * 12
        np.testing.assert_allclose(model.neck_joint, MEAN[[0, 1, 2, 4, 5]].mean(0), atol=1e-6)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"v_template": np.full((COUNT, 3), np.nan)}, "NaN"),
            ({"v_template": MEAN[:5]}, "weights has the shape"),
            ({"v_template": 7}, "v_template"),
            ({"v_template": [[None] * 3]}, "v_template"),
            ({"v_template": {"x": 1}}, "v_template"),
            ({"f": FACES + 20}, "points at"),
            ({"f": FACES.astype(float) + 0.5}, "no whole numbers"),
            ({"f": FACES[:, :2]}, "wanted .any, 3."),
            ({"weights": np.ones((COUNT, 24))}, "24 joints"),
            ({"shapedirs": np.zeros((COUNT, 3, 19))}, "19 shapes"),
            ({"posedirs": np.zeros((COUNT, 3, 35))}, "posedirs"),
            ({"v_template": MEAN * 3}, "units tall"),
            ({"v_template": MEAN * [100, 1, 1]}, "mean reaches 8 m"),
            ({"shapedirs": np.full((COUNT, 3, 20), 2.0)}, "identity reaches 2 m"),
        ],
    )
    def test_bad_content(self, tmp_path: Path, changes: dict, words: str) -> None:
        with pytest.raises(InputError, match=words) as caught:
            read_head_file(write_flame(tmp_path, **changes))
        assert str(caught.value).startswith(str(tmp_path / "generic_model.pkl"))

    def test_missing_key(self, tmp_path: Path) -> None:
        data = flame_data()
        del data["weights"], data["f"]
        (tmp_path / "smpl.pkl").write_bytes(pickle.dumps(data))
        with pytest.raises(InputError, match=r"has no f, weights"):
            read_head_file(tmp_path / "smpl.pkl")

    def test_damaged_sparse_matrix(self, tmp_path: Path) -> None:
        matrix = flame_data()["J_regressor"]
        matrix.indptr = np.array([0, 2**40, 5] * 8)[: len(matrix.indptr)]
        with pytest.raises(InputError, match="J_regressor"):
            read_head_file(write_flame(tmp_path, J_regressor=matrix))
