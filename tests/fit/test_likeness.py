"""The terms by a face network: paced, from the front and the sides, off where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fitme.fit.models import Models
from fitme.fit.observation import Observation
from fitme.fit.session import Session
from fitme.fit.settings import override
from fitme.fit.state import FitState
from fitme.fit.terms import likeness as module
from fitme.fit.terms.base import Step
from fitme.fit.terms.likeness import EVERY, Likeness, TurnedLikeness, likeness, turned_camera
from fitme.head.model import HeadModel
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from tests.fit.settings import QUICK
from tests.fit.test_dense import SIZE, view_of


class Mean:
    """Knows faces by their mean colour."""

    name = "mean"
    differentiable = True

    def embed(self, images: Tensor, landmarks: Tensor) -> Tensor:
        assert landmarks.shape == (len(images), 478, 2)
        return images.mean((1, 2))

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        return (first - second).square().sum(-1)


@pytest.fixture(scope="module")
def session(models: Models) -> Session:
    """A grey photo whose landmarks are the head's own, half a metre away."""
    head = models.head
    view = view_of(head)
    points = view.camera().project(head.landmarks(head.mean[None]))[0]
    photo = Photo(Path("made.png"), torch.full((SIZE, SIZE, 3), 0.3))
    settings = override(QUICK, {"terms.likeness": 0.3, "terms.turned": 0.2})
    return Session(
        Models(head, models.generator), [Observation(photo, FaceLandmarks(points), view)], settings
    )


@pytest.fixture
def step(session: Session, head: HeadModel) -> Step:
    identity = torch.zeros(1, len(head.identity))
    state = FitState.start(session.observations, identity, session.codes)
    crops = session.crops(160, exact=True)
    out, maps = session.view(state, crops), session.maps(session.pivot(state), 64)
    vertices = state.posed(head).detach().requires_grad_(True)
    return Step(session, state, crops, out, out.alpha[..., 0], maps, vertices=vertices)


class TestTerms:
    def test_off_without_a_network_or_weights(self, session: Session, monkeypatch) -> None:
        crops = session.crops(160, exact=True)
        monkeypatch.setitem(vars(session.models), "face_network", None)
        assert likeness(session, crops) == []
        monkeypatch.setitem(vars(session.models), "face_network", Mean())
        assert [t.name for t in likeness(session, crops)] == ["likeness", "turned"]
        assert [t.weight for t in likeness(session, crops)] == [0.3, 0.2]
        blind = torch.zeros_like(session.head.landmark_weight)
        with monkeypatch.context() as patch:  # a head of another make, without these landmarks
            patch.setattr(session, "head", replace(session.head, landmark_weight=blind))
            assert [t.name for t in likeness(session, crops)] == ["likeness"]
        none = override(session.settings, {"terms.likeness": 0, "terms.turned": 0})
        monkeypatch.setattr(session, "settings", none)
        assert likeness(session, crops) == []

    def test_zero_for_the_photo_itself(self, session: Session, step: Step, monkeypatch) -> None:
        monkeypatch.setitem(vars(session.models), "face_network", Mean())
        front, _ = likeness(session, step.crops)
        assert isinstance(front, Likeness) and float(front(step)) > 0
        blind = Step(
            step.session, step.state, step.crops, step.out, 0 * step.weight, step.maps
        )  # no skin: the photo's own pixels everywhere
        assert float(front._loss(blind)) == pytest.approx(0, abs=1e-12)

    def test_gradient_every_few_steps(self, session: Session, step: Step, monkeypatch) -> None:
        monkeypatch.setitem(vars(session.models), "face_network", Mean())
        _, turned = likeness(session, step.crops)
        yaws: list[float] = []
        camera = turned_camera
        monkeypatch.setattr(
            module, "turned_camera", lambda p, s, yaw: yaws.append(yaw) or camera(p, s, yaw)
        )
        losses = [turned(step) for _ in range(2 * EVERY + 1)]
        assert [loss.requires_grad for loss in losses] == [i % EVERY == 0 for i in range(9)]
        assert yaws == [-25, 25, -25]
        (paced,) = torch.autograd.grad(losses[0], step.vertices, retain_graph=True)
        (plain,) = torch.autograd.grad(turned._loss(step), step.vertices)  # type: ignore[attr-defined]
        assert isinstance(turned, TurnedLikeness) and float(paced.abs().max()) > 0
        assert float(losses[1]) == float(losses[0].detach())
        assert float(paced.norm() / plain.norm()) > 0.5 * EVERY


class TestCamera:
    @pytest.mark.parametrize("yaw", [-25.0, 25.0])
    def test_face_in_the_middle(self, step: Step, head: HeadModel, yaw: float) -> None:
        points = head.landmarks(head.mean[None])
        camera = turned_camera(points[0], step, yaw)
        seen = camera.project(points)[0] / module.TURNED_PIXELS
        assert float(seen.amin()) > 0.1 and float(seen.amax()) < 0.9
        nose, middle = seen[1, 0], seen.mean(0)[0]
        assert float((nose - middle) * yaw) > 0  # turned to the side that the angle says
