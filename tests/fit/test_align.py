"""Alignment: a known head is found again from its own landmarks; bad landmarks are refused."""

import math
from dataclasses import replace

import pytest
import torch

from fitme.fit.align import Aligner
from fitme.head.model import HeadModel, load_head
from fitme.head.view import View, head_angles
from fitme.landmarks.face import FaceLandmarks
from fitme.runtime.errors import FitmeError


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def aligner(head: HeadModel) -> Aligner:
    return Aligner(head)


def known_view(head: HeadModel, **shapes: float) -> View:
    """A head 0.9 m away, turned and tilted a little, with some expression and gaze."""
    rotation = torch.tensor([[math.pi - 0.1, 0.12, 0.25]])
    expression = torch.zeros(1, len(head.expression_names))
    for name, weight in shapes.items():
        expression[0, head.expression_index(name)] = weight
    return View(
        rotation=rotation,
        translation=torch.tensor([[0.03, 0.02, 0.9]]),
        focal=torch.tensor([1400.0]),
        width=640,
        height=800,
        expression=expression,
        gaze=torch.tensor([[[0.1, -0.2], [0.1, -0.2]]]),
    )


def seen(head: HeadModel, view: View, identity: torch.Tensor) -> FaceLandmarks:
    points = view.camera().project(head.landmarks(view.posed(head, identity)))[0]
    return FaceLandmarks(points)


def test_known_head_is_found_again(head: HeadModel, aligner: Aligner) -> None:
    draw = torch.Generator().manual_seed(3)
    identity = torch.zeros(1, head.identity.shape[0])
    identity[:, :15] = torch.randn(1, 15, generator=draw)
    view = known_view(head, jawOpen=0.4, mouthSmileLeft=0.5, mouthSmileRight=0.5)
    found = aligner.align(seen(head, view, identity), 640, 800, focal_px=1400.0)
    assert found.error < 0.006
    truth = head_angles(view.camera().world_to_camera[0, :3, :3])
    result = head_angles(found.view.camera().world_to_camera[0, :3, :3])
    for name, angle in truth.items():
        assert abs(result[name] - angle) < 2.0
    assert abs(float(found.view.focal[0]) / 1400 - 1) < 0.1
    index = head.expression_index("jawOpen")
    assert abs(float(found.view.expression[0, index]) - 0.4) < 0.15
    assert (found.view.gaze - view.gaze).abs().max() < 0.06
    skin = head.part_vertices("head")
    face = skin[head.regions["face"][skin] > 0.5]

    def shape_error(code: torch.Tensor) -> float:
        difference = (head.shape(code) - head.shape(identity))[0, face]
        return float((difference - difference.mean(0)).norm(dim=1).mean())

    # 478 points do not fix 90 coefficients: the prior keeps a part of the mean head. The lips that
    # are seen overlap (`LipSeam`), those that are aligned do not.
    assert shape_error(found.identity) < 0.75 * shape_error(torch.zeros_like(identity))


def test_closed_mouth_stays_closed(head: HeadModel, aligner: Aligner) -> None:
    identity = torch.zeros(1, head.identity.shape[0])
    found = aligner.align(seen(head, known_view(head), identity), 640, 800)

    def opening(vertices: torch.Tensor) -> float:
        upper, lower = head.landmarks(vertices)[0, [13, 14]]
        return float((upper - lower).norm())

    # The two points lie a little behind the touching edge: compare with the shut neutral head.
    shut = opening(head.shape(identity))
    assert abs(opening(found.view.posed(head, found.identity)) - shut) < 0.0007
    assert ((found.view.expression >= 0) & (found.view.expression <= 1)).all()


def test_jacobian_is_the_derivative(aligner: Aligner) -> None:
    draw = torch.Generator().manual_seed(0)
    x = 0.1 * torch.randn(aligner.layout.size, generator=draw).double()
    slices = aligner.layout.slices
    x[slices["rotation"]] += torch.tensor([3.0, 0.1, 0.2])
    x[slices["translation"]] = torch.tensor([0.01, 0.02, 0.8]).double()
    x[slices["focal"]] = math.log(1200)
    model = aligner.model
    exact = model.projection_jacobian(x)
    for k in range(0, aligner.layout.size, 7):
        step = torch.zeros_like(x)
        step[k] = 1e-6
        numeric = (model.project(x + step, 640, 480) - model.project(x - step, 640, 480)) / 2e-6
        torch.testing.assert_close(exact[:, :, k], numeric, rtol=1e-4, atol=1e-3)


def test_same_landmarks_same_answer(head: HeadModel, aligner: Aligner) -> None:
    face = seen(head, known_view(head, mouthPucker=0.5), torch.zeros(1, head.identity.shape[0]))
    first, second = aligner.align(face, 640, 800), aligner.align(face, 640, 800)
    assert torch.equal(first.identity, second.identity)
    assert torch.equal(first.view.expression, second.view.expression)


def test_not_finite_landmarks_are_refused(aligner: Aligner) -> None:
    points = torch.rand(478, 2) * 300
    points[7, 1] = float("nan")
    with pytest.raises(FitmeError, match="not finite"):
        aligner.align(FaceLandmarks(points), 640, 480)


def test_head_without_landmarks_is_refused(head: HeadModel) -> None:
    bare = replace(head, landmark_triangles=torch.zeros(0, dtype=torch.long))
    with pytest.raises(FitmeError, match="no landmarks"):
        Aligner(bare)
