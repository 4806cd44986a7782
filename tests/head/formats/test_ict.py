from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.head.formats import read_head_file
from fitme.runtime.errors import InputError
from tests.head.formats.model_files import (
    COUNT,
    DRAW,
    EXPRESSION,
    FACES,
    IDENTITY,
    check,
    write_ict,
    write_ict_folder,
)


class TestIct:
    def test_names_become_arkits(self, tmp_path: Path) -> None:
        model = read_head_file(write_ict(tmp_path))
        assert model.expression_names == (
            "browInnerUp", "eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "cheekRaiserLeft"
        )  # fmt: skip
        np.testing.assert_allclose(model.expression[0], EXPRESSION[:2].sum(0), atol=1e-6)
        np.testing.assert_allclose(model.expression[4], EXPRESSION[2], atol=1e-6)

    def test_quads_and_tiles(self, tmp_path: Path) -> None:
        quads = np.full((len(FACES), 4), -1)
        quads[:, :3] = FACES
        uv = DRAW.uniform(0.01, 0.99, (COUNT, 2))
        uv[10:16, 0] += 3  # an eye in the fourth tile
        model = read_head_file(write_ict(tmp_path, faces=quads, uv=uv, faces_uv=quads))
        check(model)
        own = model.uv[model.uv_triangles]
        in_eye = (model.triangles >= 10).all(1) & (model.triangles < 16).all(1)
        assert own[in_eye][..., 0].min() > 0.5 > own[~in_eye][..., 0].max()
        given = 1 - uv[model.triangles.numpy()][..., 1]  # v downwards
        np.testing.assert_allclose(own[..., 1], given, atol=1e-6)

    def test_two_triangles_from_a_quad(self, tmp_path: Path) -> None:
        quads = np.concatenate([np.full((27, 4), -1), [[6, 7, 8, 9]]])
        quads[:27, :3] = FACES[:27]
        model = read_head_file(write_ict(tmp_path, faces=quads))
        assert len(model.triangles) == 29
        assert sorted(map(sorted, model.triangles.tolist()))[-10:] and {6, 8, 9} in [
            set(t) for t in model.triangles.tolist()
        ]

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"identity": None}, "has no identity"),
            ({"identity": IDENTITY[:, :4]}, "identity has the shape"),
            ({"faces": FACES + 1}, "points at"),
            ({"faces": np.zeros((3, 5), int)}, "faces has the shape"),
            ({"expression_names": np.array(["one"])}, "6 expression_names"),
            ({"expression_names": np.array([{}] * 6, dtype=object)}, "Python objects"),
            ({"neutral": np.full((COUNT, 3), np.nan)}, "NaN"),
            ({"uv": np.zeros((4, 2)), "faces_uv": FACES}, "points at"),
            ({"uv": np.zeros((COUNT, 2)), "faces_uv": FACES[:4]}, "does not match"),
        ],
    )
    def test_bad_npz(self, tmp_path: Path, changes: dict, words: str) -> None:
        with pytest.raises(InputError, match=words):
            read_head_file(write_ict(tmp_path, **changes))

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("v 1 2\n", "damaged 'v' line"),
            ("v 1 2 three\n", "damaged 'v' line"),
            ("v nan 0 0\n", "NaN"),
            ("f 1 2\n", "no triangle or quad"),
            ("f 1 2 x\n", "no list of indices"),
            ("f -1 -2 -3\n", "positive indices"),
            ("f 1 2 99999\n", "points at"),
        ],
    )
    def test_bad_obj(self, tmp_path: Path, line: str, words: str) -> None:
        root = write_ict_folder(tmp_path)
        with (root / "generic_neutral_mesh.obj").open("a") as file:
            file.write(line)
        with pytest.raises(InputError, match=words):
            read_head_file(root)

    def test_folder_of_something_else(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"has no generic_neutral_mesh\.obj"):
            read_head_file(tmp_path)

    def test_the_real_model(self, shared: Path) -> None:
        path = shared / "data" / "ict_face" / "ict_face.npz"
        if not path.is_file():
            pytest.skip("no ICT model")
        model = read_head_file(path)
        assert model.part_names == ("head", "eye_L", "eye_R", "mouth", "teeth")
        assert len(model.identity) == 100
        centres = model.eye_centres(model.mean[None])[0]
        np.testing.assert_allclose(centres[0], [0.0313, 0.0361, 0.0790], atol=5e-4)
        np.testing.assert_allclose(centres[0] * torch.tensor([-1, 1, 1]), centres[1], atol=1e-5)
        assert (model.mirror != torch.arange(len(model.mean))).float().mean() > 0.98
        a, b, c = model.uv[model.uv_triangles[model.part == 0]].unbind(1)
        a, b = b - a, c - a
        assert (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] < 0).all()
