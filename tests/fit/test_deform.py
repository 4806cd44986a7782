"""The inversion finds what a face has beyond the head model, or leaves it alone when told to."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from fitme.detail.deformation import Deformation
from fitme.fit.models import Models
from fitme.fit.observation import Observation
from fitme.fit.session import Session
from fitme.fit.settings import FitSettings, override
from fitme.fit.stages.invert import InvertStage
from fitme.fit.state import FitState
from fitme.head.view import View, head_rotation
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.render.camera import matrix_to_axis_angle

SETTINGS = override(
    FitSettings(),
    {"invert.steps": 12, "invert.pixels": 160, "invert.texels": 64, "mask": False},
)


def wider_jaw(models: Models) -> Tensor:
    """Offsets [V,3] of 4 mm to both sides around the corners of the jaw."""
    fields = models.deformations
    assert fields is not None
    layer = Deformation.none(models.head)
    middle = layer.surface.positions.new_tensor([0.058, -0.045, 0.055])
    mirrored = layer.surface.positions.abs() * torch.tensor([1.0, 0, 0]) + (
        layer.surface.positions * torch.tensor([0.0, 1, 1])
    )
    near = (-0.5 * ((mirrored - middle).norm(dim=-1) / 0.018).square()).exp()
    layer.map[..., 0] = 0.004 * near
    return layer.offsets(models.head, torch.zeros(1, len(models.head.expression_names)))[0]


@pytest.fixture(scope="module")
def seen(models: Models) -> Observation:
    """The landmarks of the mean head with a wider jaw on a gray picture."""
    head = models.head
    view = View(
        matrix_to_axis_angle(head_rotation(0))[None],
        torch.tensor([[0.0, 0.03, 0.9]]), torch.tensor([900.0]), 320, 320,
        torch.zeros(1, len(head.expression_names)), torch.zeros(1, 2, 2),
    )  # fmt: skip
    vertices = view.posed(head, torch.zeros(1, len(head.identity))) + wider_jaw(models)
    points = view.camera().project(head.landmarks(vertices))[0]
    return Observation(
        Photo(Path("a.png"), torch.full((320, 320, 3), 0.2)), FaceLandmarks(points), view
    )


def inverted(seen: Observation, models: Models, changes: dict[str, str | float | bool]) -> FitState:
    settings = override(SETTINGS, changes)
    session = Session(models, [seen], settings)
    identity = torch.zeros(1, len(models.head.identity))
    state = FitState.start([seen], identity, session.codes)
    InvertStage(settings.invert).run(session, state)
    return state


class TestInversion:
    def test_moves_towards_the_truth(self, seen: Observation, models: Models) -> None:
        still = {f"invert.rates.{name}": 0.0 for name in ("identity", "rotation", "translation")}
        pixels = {"terms.photometric": 0.0, "terms.structure": 0.0, "terms.landmark": 3.0}
        pixels |= {"terms.likeness": 0.0, "terms.turned": 0.0}
        state = inverted(seen, models, {**still, **pixels, "invert.rates.expression": 0.0})
        geometry = state.geometry(models.head)
        (layer,) = geometry.layers
        at_rest = torch.zeros(1, len(models.head.expression_names))
        found, truth = layer.offsets(models.head, at_rest)[0], wider_jaw(models)
        assert float((found * truth).sum()) > 0.1 * float(truth.square().sum())

    def test_can_be_left_out(self, seen: Observation, models: Models) -> None:
        state = inverted(seen, models, {"deform.on": False, "invert.steps": 1})
        assert state.geometry(models.head).layers == ()
        assert float(state.regularizer()["deformation"]) == 0

    def test_starts_when_told(self, seen: Observation, models: Models) -> None:
        state = inverted(seen, models, {"deform.starts": 1.0, "invert.steps": 2})
        assert not state.person.deformation.any()
