"""Streams of our encoders through the decoder that three.js ships."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from fitme.export.meshopt import encode_triangles, encode_vertices, first_use
from fitme.export.triangle_order import near_order
from tests.export.export_meshes import uv_sphere
from tests.export.external import decode_meshopt


def decoded(tmp_path: Path, jobs: list[dict]) -> list[bytes]:
    for job in jobs:
        job["data"] = base64.b64encode(job["data"]).decode()
    (tmp_path / "streams.json").write_text(json.dumps(jobs))
    found = decode_meshopt(tmp_path / "streams.json")["decoded"]
    return [base64.b64decode(one) for one in found]


def rotated(triangles: np.ndarray) -> np.ndarray:
    """Each triangle [T,3] with its smallest vertex first: windings stay."""
    first = triangles.argmin(1)
    return np.stack([triangles[np.arange(len(triangles)), (first + k) % 3] for k in range(3)], 1)


class TestVertices:
    def test_all_strides_counts_and_widths(self, tmp_path: Path) -> None:
        """Constant, smooth, coarse and random bytes, in blocks that end anywhere."""
        draw = np.random.default_rng(1)
        wanted, jobs = [], []
        for stride in (4, 8, 12, 16, 64, 256):
            for count in (1, 15, 16, 17, 255, 256, 257, 1000):
                walk = draw.integers(-3, 4, (count, stride)).cumsum(0)
                rare = np.where(draw.random((count, stride)) < 0.1, 90, 0).cumsum(0)
                noise = draw.integers(0, 256, (count, stride))
                for values in (noise * 0 + 7, walk, rare, noise):
                    rows = values.astype(np.uint8)
                    wanted.append(rows.tobytes())
                    jobs.append({
                        "count": count, "stride": stride, "mode": "ATTRIBUTES",
                        "data": encode_vertices(rows),
                    })  # fmt: skip
        assert decoded(tmp_path, jobs) == wanted

    def test_what_does_not_change_costs_little(self) -> None:
        rows = np.full((4096, 8), 5, np.uint8)
        assert len(encode_vertices(rows)) == 1 + 4096 * 8 // 16 // 4 + 32

    @pytest.mark.parametrize("stride", [3, 6, 260])
    def test_stride(self, stride: int) -> None:
        with pytest.raises(ValueError, match="multiple of 4"):
            encode_vertices(np.zeros((4, stride), np.uint8))


class TestTriangles:
    def test_any_triangles(self, tmp_path: Path) -> None:
        """A sphere in its order, near order and shuffled; random triangles; a repeated one."""
        draw = np.random.default_rng(2)
        _, sphere, _, _ = uv_sphere(40, 30)
        near = sphere[near_order(sphere)]
        number = np.zeros(sphere.max() + 1, int)
        number[first_use(near)] = np.arange(len(number))
        cases = [
            sphere, near, number[near], draw.permutation(sphere),
            draw.integers(0, 70_000, (500, 3)), np.array([[0, 1, 2]] * 5), np.array([[5, 3, 9]]),
        ]  # fmt: skip
        jobs = [
            {"count": 3 * len(t), "stride": 4, "mode": "TRIANGLES", "data": encode_triangles(t)}
            for t in cases
        ]
        for triangles, found in zip(cases, decoded(tmp_path, jobs), strict=True):
            back = np.frombuffer(found, "<u4").reshape(-1, 3).astype(int)
            np.testing.assert_array_equal(rotated(back), rotated(triangles))

    def test_near_order_is_small(self) -> None:
        _, sphere, _, _ = uv_sphere(60, 40)
        shuffled = np.random.default_rng(3).permutation(sphere)
        order = near_order(shuffled)
        assert sorted(order) == list(range(len(sphere)))
        near = shuffled[order]
        number = np.zeros(sphere.max() + 1, int)
        number[first_use(near)] = np.arange(len(number))
        size = len(encode_triangles(number[near]))
        assert size < 1.6 * len(sphere) < 0.4 * len(encode_triangles(shuffled))
