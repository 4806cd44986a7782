from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from fitme.head.formats import read_head_file
from fitme.head.formats.defaults import cylinder_uv, eye_ring
from tests.head.formats.model_files import (
    DRAW,
    IDENTITY,
    MEAN,
    check,
    columns,
    write_front,
)


class TestDefaults:
    def test_mirror_pairs(self, tmp_path: Path) -> None:
        model = read_head_file(write_front(tmp_path))
        assert model.mirror[0] == 1 and model.mirror[4] == 4  # the sides, the nose
        assert model.mirror[16:22].tolist() == [11, 10, 12, 13, 14, 15]  # the right eye

    def test_no_eyes(self, tmp_path: Path) -> None:
        model = read_head_file(write_front(tmp_path))
        assert model.eye_ring.shape == (0, 1) and model.part_names == ("head",)
        assert (model.neck_weight == 1).all()

    def test_cylinder_faces_the_front(self) -> None:
        rows, around = 8, 33
        angle, height = np.meshgrid(np.arange(around) * 2 * np.pi / around, np.arange(rows))
        mean = np.stack([np.sin(angle), height, np.cos(angle)], -1).reshape(-1, 3)
        first = np.arange((rows - 1) * around)
        beside = first - first % around + (first + 1) % around
        triangles = np.concatenate([
            np.stack([first, beside, beside + around], 1),
            np.stack([first, beside + around, first + around], 1),
        ])  # fmt: skip
        uv, uv_triangles = cylinder_uv(mean, triangles, np.zeros(len(triangles), int))
        assert uv.min() == 0 and uv.max() == 1
        own = uv[uv_triangles]
        assert np.ptp(own[..., 0], axis=1).max() < 1.1 / around  # nothing goes around the back
        front = own[triangles == 4 * around]  # straight ahead, a bit above the middle
        np.testing.assert_allclose(front, np.tile([0.5, 3 / 7], (len(front), 1)), atol=0.02)
        a, b = own[:, 1] - own[:, 0], own[:, 2] - own[:, 0]
        assert (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] < 0).all()

    def test_eye_ring_ignores_the_cornea(self) -> None:
        sphere = DRAW.normal(size=(400, 3))
        sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
        sphere = np.concatenate([sphere, -sphere])
        hull = ConvexHull(sphere).simplices
        eye = 0.012 * sphere
        eye[:, 2] += 0.006 * np.clip(sphere[:, 2] - 0.8, 0, None)
        centre = np.array([0.03, 0.04, 0.08])
        ring = eye_ring(eye + centre, hull)
        np.testing.assert_allclose((eye + centre)[ring].mean(0), centre, atol=1e-5)

    @pytest.mark.parametrize("scale", [1.0, 10.0, 100.0, 1000.0, 1e6])
    def test_unit_is_found(self, tmp_path: Path, scale: float) -> None:
        path = write_front(
            tmp_path, meanshape=scale * MEAN.reshape(1, -1), idBase=columns(scale * IDENTITY)
        )
        check(read_head_file(path))
