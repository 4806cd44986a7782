"""Lids' edges and gazes against pictures whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fitme.fit.models import Models
from fitme.fit.observation import Observation
from fitme.fit.session import Session
from fitme.fit.stages.gaze import MIDDLES, aim_eyes
from fitme.fit.state import FitState
from fitme.fit.terms.base import Step
from fitme.fit.terms.lids import BENDS, LASHES, LidEdges
from fitme.head.lids import BLINKS, lid_seams
from fitme.head.openings import LOWER, UPPER
from tests.fit.made_photo import known_state, photographed, plain

SIGMA = 0.012


@pytest.fixture(scope="module")
def models() -> Models:
    return Models.load("cpu")


def at_edges(models: Models, state: FitState, seen: Observation) -> Observation:
    """The photo with landmarks of lids where the head's edges are and their lashes begin."""
    head = models.head
    vertices, points = state.posed(head), seen.face.points.clone()
    raised = torch.tensor([0.0, LASHES * seen.face.scale])
    for side, seam in enumerate(lid_seams(head)):
        for (index, weights), tied, lift in (
            (seam.margin, UPPER, raised), (seam.ridge, LOWER, 0 * raised),
        ):  # fmt: skip
            edge = seen.view.camera().project(weights @ vertices[:, index])[0] - lift
            along = torch.linspace(0, len(edge) - 1, len(tied[side])).round().long()
            points[list(tied[side])] = edge[along]
    return replace(seen, face=replace(seen.face, points=points))


def moved(seen: Observation, contours: tuple[tuple[int, ...], ...], pixels: float) -> Observation:
    """The photo with some lids' landmarks lower by `pixels`."""
    points = seen.face.points.clone()
    for tied in contours:
        points[list(tied), 1] += pixels
    return replace(seen, face=replace(seen.face, points=points))


class Made:
    def __init__(self, models: Models) -> None:
        self.models, self.state = models, known_state(models.head)
        seen = photographed(models.head, models.regions, self.state, plain())
        self.seen = at_edges(models, self.state, seen)

    def loss(self, seen: Observation, expression: Tensor | None = None) -> Tensor:
        session = Session(self.models, [seen])
        state, crops = self.state, session.crops(256)
        if expression is not None:
            state = replace(state, frames=replace(state.frames, expression=expression))
        term = LidEdges.of(session, 1.0, SIGMA, torch.tensor([self.seen.face.scale]))
        assert term is not None
        vertices = state.posed(self.models.head)
        out = session.view(self.state, crops)
        weight, maps = session.skin(out), session.maps(session.pivot(state), 64)
        return term(Step(session, state, crops, out, weight, maps, vertices=vertices))


@pytest.fixture(scope="module")
def made(models: Models) -> Made:
    return Made(models)


def test_nothing_is_off_where_the_edges_are(made: Made) -> None:
    assert float(made.loss(made.seen)) < 0.03


@pytest.mark.parametrize(("contours", "share"), [((*UPPER,), 2 / 3), ((*UPPER, *LOWER), 2 / 3)])
def test_two_deviations(made: Made, contours: tuple[tuple[int, ...], ...], share: float) -> None:
    """An upper lid off is one edge and the width; both lids off are two edges and no width."""
    shift = 2 * SIGMA * made.seen.face.scale
    wanted = share * BENDS**2 * math.log1p(4 / BENDS**2)
    found = float(made.loss(moved(made.seen, contours, shift)))
    assert found == pytest.approx(wanted, rel=0.08)


@pytest.mark.parametrize("pixels", [-4.0, 4.0])
def test_lids_go_where_the_photo_has_them(made: Made, pixels: float) -> None:
    head = made.models.head
    expression = torch.full_like(made.state.frames.expression, 0.1).requires_grad_()
    blinks = [head.expression_index(name) for name in BLINKS]
    half_shut = replace(
        made.state, frames=replace(made.state.frames, expression=expression.detach())
    )
    seen = moved(at_edges(made.models, half_shut, made.seen), UPPER, pixels)
    made.loss(seen, expression).backward()
    assert expression.grad is not None
    assert bool((expression.grad[0, blinks] * pixels < 0).all())  # lower lids: more of a blink


@pytest.mark.parametrize("gaze", [(0.0, 0.0), (0.1, 0.2), (-0.15, -0.25)])
def test_eyes_look_where_the_irises_are(models: Models, gaze: tuple[float, float]) -> None:
    state = known_state(models.head)
    wanted = torch.tensor(gaze).expand(1, 2, 2)
    turned = replace(state, frames=replace(state.frames, gaze=wanted))
    seen = photographed(models.head, models.regions, state, plain())
    points = seen.view.camera().project(models.head.landmarks(turned.posed(models.head)))[0]
    seen = replace(seen, face=replace(seen.face, points=points))
    aim_eyes(Session(models, [seen]), state)
    found = seen.view.camera().project(models.head.landmarks(state.posed(models.head)))[0]
    miss = (found - points)[list(MIDDLES)].norm(dim=-1) / seen.face.scale
    assert float(miss.max()) < 0.003
    torch.testing.assert_close(state.frames.gaze, wanted, atol=0.02, rtol=0)
