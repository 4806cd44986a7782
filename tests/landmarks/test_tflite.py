"""Networks of .tflite files in torch: each operation by hand, the whole against MediaPipe's own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.image.photo import load_photo
from fitme.landmarks.face import LANDMARKS
from fitme.landmarks.face_detector import Detection, _blended
from fitme.landmarks.files import load_network
from fitme.landmarks.person_mask import PersonMask
from fitme.landmarks.tflite.file import Graph, Operation, read_graph
from fitme.landmarks.tflite.network import Network
from fitme.landmarks.tflite.operations import OPERATIONS
from fitme.learned.registry import LANDMARK_MODELS

SAME = {"Padding": 0, "StrideH": 2, "StrideW": 2, "FusedActivationFunction": 0}
DILATION = {"DilationHFactor": 1, "DilationWFactor": 1}


@pytest.fixture(scope="module")
def mesh() -> Network:
    return load_network(LANDMARK_MODELS[0])


class TestAgainstMediaPipe:
    """tests/landmarks/astronaut_mediapipe.txt was written by the mediapipe package."""

    def test_points_of_a_face(self, provider, astronaut: Path) -> None:
        stored = np.loadtxt(Path(__file__).with_name("astronaut_mediapipe.txt"))
        (face,) = provider.detect(load_photo(astronaut))
        assert stored.shape == (LANDMARKS, 3)
        off = np.linalg.norm(face.points.numpy() - stored[:, :2], axis=1)
        assert off.max() < 0.003 * face.interocular
        assert np.abs(face.depth.numpy() - stored[:, 2]).max() < 0.003 * face.interocular

    def test_person(self, astronaut: Path) -> None:
        pixels = torch.from_numpy(np.asarray(load_photo(astronaut).pixels)).clamp(0, 1) ** 0.45
        mask = PersonMask()(pixels)
        assert mask.shape == pixels.shape[:2]
        assert mask[60:200, 190:260].mean() > 0.95  # face
        assert mask[20:200, 480:].mean() < 0.1  # a space shuttle


class TestNetwork:
    def test_many_pictures_are_many_times_one(self, mesh: Network) -> None:
        pictures = torch.rand(3, 192, 192, 3, generator=torch.Generator().manual_seed(0))
        for together, *each in zip(mesh(pictures), *(mesh(p[None]) for p in pictures), strict=True):
            torch.testing.assert_close(together, torch.cat(each), rtol=1e-4, atol=1e-3)

    def test_zeros_left_out_are_put_back(self) -> None:
        graph = load_network(LANDMARK_MODELS[1]).graph
        kernels = [v for v in graph.constants.values() if v.ndim == 4 and v.shape[1:3] == (1, 1)]
        share = [float((kernel == 0).mean()) for kernel in kernels]
        assert len(kernels) > 40 and 0.4 < np.median(share) < 0.95
        assert all(np.isfinite(kernel).all() and kernel.any() for kernel in kernels)

    def test_what_is_not_known_is_refused(self, mesh: Network, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"operations \['WHAT'\]"):
            Network(Graph({}, (Operation("WHAT", (0,), (1,), {}),), (0,), (1,)))
        with pytest.raises(ValueError, match="several inputs"):
            Network(replace(mesh.graph, inputs=(0, 1)))
        (tmp_path / "a.tflite").write_bytes(b"\x00" * 64)
        with pytest.raises(ValueError, match=r"a\.tflite is no \.tflite file"):
            read_graph(tmp_path / "a.tflite")


class TestOperations:
    def test_same_padding_puts_the_odd_pixel_last(self) -> None:
        x = torch.arange(16.0).reshape(1, 4, 4, 1)
        weight = torch.ones(1, 3, 3, 1)
        y = OPERATIONS["CONV_2D"]({**SAME, **DILATION}, x, weight)
        assert y.shape == (1, 2, 2, 1)
        assert y[0, 0, 0, 0] == x[0, :3, :3].sum() and y[0, 1, 1, 0] == x[0, 2:, 2:].sum()
        options = {**SAME, "FilterHeight": 2, "FilterWidth": 2}
        assert OPERATIONS["MAX_POOL_2D"](options, -x)[0, :, :, 0].tolist() == [[0, -2], [-8, -10]]

    def test_depth_to_space_has_the_block_first(self) -> None:
        x = torch.arange(8.0).reshape(1, 1, 1, 8)
        y = OPERATIONS["DEPTH_TO_SPACE"]({"BlockSize": 2}, x)
        assert y[0].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]

    def test_a_box_around_landmarks_turns_with_them(self) -> None:
        options = {
            "left_rotation_idx": 0, "right_rotation_idx": 1, "subset_idxs": [0, 1, 2],
            "target_rotation_radians": 0.0, "scale_x": 1.0, "scale_y": 2.0,
            "output_width": 4, "output_height": 4,
        }  # fmt: skip
        flat = torch.tensor([[[10.0, 20, 0], [18, 20, 0], [14, 24, 0]]])
        matrix = OPERATIONS["Landmarks2TransformMatrix"](options, flat)
        corners = torch.tensor([[[0.0, 0], [4, 4]]])
        moved = OPERATIONS["TransformLandmarks"]({}, corners, matrix)
        assert moved[0].tolist() == [[10, 18], [18, 26]]
        c, s = math.cos(0.4), math.sin(0.4)
        turn = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        turned = OPERATIONS["Landmarks2TransformMatrix"](options, flat @ turn.T)
        again = OPERATIONS["TransformLandmarks"]({}, corners, turned)
        torch.testing.assert_close(again, moved @ turn[:2, :2].T)

    def test_sampling_is_exact_at_centres_and_nothing_beyond(self) -> None:
        x = torch.arange(16.0).reshape(1, 4, 4, 1)
        options = {"output_height": 2, "output_width": 2}
        matrix = torch.eye(4)[None].clone()
        matrix[0, :2, 3] = torch.tensor([1.0, 2.0])
        y = OPERATIONS["TransformTensorBilinear"](options, x, matrix)
        assert y[0, :, :, 0].tolist() == [[9, 10], [13, 14]]
        matrix[0, :2, 3] = torch.tensor([2.5, 2.0])
        y = OPERATIONS["TransformTensorBilinear"](options, x, matrix)
        assert y[0, :, :, 0].tolist() == [[10.5, 0], [14.5, 0]]


def test_boxes_of_one_face_are_blended_by_score() -> None:
    boxes = torch.tensor([[0.0, 0, 1, 1], [0.1, 0, 1.1, 1], [3, 3, 4, 4], [5, 5, 5, 5]])
    points = boxes[:, :2].reshape(-1, 1, 2).repeat(1, 6, 1)
    first, second = _blended(torch.tensor([0.9, 0.6, 0.8, 0.7]), boxes, points)
    assert isinstance(first, Detection) and first.score == pytest.approx(0.9)
    assert first.box == pytest.approx((0.04, 0, 1.04, 1))
    assert first.points[0] == pytest.approx((0.04, 0)) and second.box == (3, 3, 4, 4)
