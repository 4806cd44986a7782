"""What the encoder saw, in alignment and in terms: with exact points and outlines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fitme.fit.align import Aligner, AlignWeights
from fitme.fit.evidence.labels import free_pixels, pixel_points
from fitme.fit.evidence.outline import jaw_line, neck_sides, outline
from fitme.fit.models import Models
from fitme.fit.observation import Observation
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.fit.terms.base import Step
from fitme.fit.terms.contour import Borders, Contour, skin_edges
from fitme.fit.terms.dense import Dense
from fitme.head.model import HeadModel, load_head
from fitme.head.view import View, head_rotation
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.models.encoder.starts import StartLayout
from fitme.models.stylegan2 import load_generator
from fitme.models.train.photos.points import Points, choose_points
from fitme.render.camera import matrix_to_axis_angle
from fitme.segment.encoder import EncodedFace
from fitme.segment.frame import Frame
from fitme.segment.labels import Label

SIZE = 400


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def points(head: HeadModel) -> Points:
    return choose_points(head)


def view_of(head: HeadModel, yaw: float = 15.0) -> View:
    rotation = head_rotation(yaw)
    translation = torch.tensor([0.0, 0.0, 0.9]) - rotation @ torch.tensor([0.0, 0.01, 0.05])
    return View(
        matrix_to_axis_angle(rotation)[None], translation[None], torch.tensor([800.0]), SIZE, SIZE,
        torch.zeros(1, len(head.expression_names)), torch.zeros(1, 2, 2),
    )  # fmt: skip


def encoded_face(
    head: HeadModel, points: Points, view: View, identity: torch.Tensor, spread: float = 0.5
) -> EncodedFace:
    """The truth: points where they are, all of the frame's left half skin, the rest background."""
    posed = view.posed(head, identity)
    placed = view.camera().project(points.on(head, posed))[0]
    labels = torch.zeros(len(Label), 64, 64)
    labels[Label.SKIN, :, :32] = 1
    labels[Label.BACKGROUND, :, 32:] = 1
    layout = StartLayout(len(head.identity), len(head.expression_names), 4)
    starts = torch.zeros(layout.size)
    return EncodedFace(
        Frame(0, 0, SIZE), labels, placed, torch.full((len(placed),), spread), starts,
        torch.full((layout.size,), 1e3), points.triangles, points.barycentric, layout,
    )  # fmt: skip


@pytest.fixture(scope="module")
def seen(head: HeadModel, points: Points) -> tuple[FaceLandmarks, View, torch.Tensor]:
    """Noisy landmarks and exact dense points of a known head."""
    draws = torch.Generator().manual_seed(3)
    identity = torch.randn(1, len(head.identity), generator=draws)
    view = view_of(head)
    posed = view.posed(head, identity)
    tied = view.camera().project(head.landmarks(posed))[0]
    noisy = tied + 1.5 * torch.randn(tied.shape, generator=draws)
    return FaceLandmarks(noisy, encoded=encoded_face(head, points, view, identity)), view, identity


class TestAlign:
    def test_dense_points_bring_the_shape_nearer(self, head: HeadModel, seen) -> None:
        face, _, identity = seen
        errors = []
        for encoded in (None, face.encoded):
            aligned = Aligner(head).align(replace(face, encoded=encoded), SIZE, SIZE, 800.0)
            miss = head.shape(aligned.identity) - head.shape(identity)
            skin = head.regions["face"] > 0.5
            errors.append(float(miss[0, skin].norm(dim=-1).mean()))
        assert errors[1] < 0.5 * errors[0]

    def test_without_landmarks_of_its_own(self, head: HeadModel, seen) -> None:
        """Derived landmarks say nothing: wrong ones change nothing but lids, lips and irises."""
        face, _, _ = seen
        wrong = replace(face, points=face.points + 3.0, derived=True)
        right = replace(face, derived=True)
        first, second = (Aligner(head).align(f, SIZE, SIZE, 800.0) for f in (right, wrong))
        assert torch.allclose(first.view.translation, second.view.translation, atol=8e-3)

    def test_guesses_count_by_their_spread(self, head: HeadModel, seen) -> None:
        face, _, _ = seen
        encoded = face.encoded
        assert encoded is not None
        where = encoded.layout.slices()["identity"]
        starts, spread = encoded.starts.clone(), encoded.starts_spread.clone()
        starts[where] = 1.5
        spread[where] = 1e-3
        sure = replace(face, encoded=replace(encoded, starts=starts, starts_spread=spread))
        aligned = Aligner(head).align(sure, SIZE, SIZE, 800.0)
        assert torch.allclose(aligned.identity, torch.full_like(aligned.identity, 1.5), atol=0.05)
        off = AlignWeights(start_widen=0.0)
        ignored = Aligner(head, off).align(sure, SIZE, SIZE, 800.0)
        assert float((ignored.identity - 1.5).abs().mean()) > 0.5


class TestLabels:
    def test_free_where_skin_is_and_beyond_the_frame(self, head, points) -> None:
        encoded = encoded_face(head, points, view_of(head), torch.zeros(1, len(head.identity)))
        wide = torch.tensor([[8.0, 0, -200], [0, 8.0, -200], [0, 0, 1]])  # crop of 100 px
        free = free_pixels(encoded, wide, 100)
        at = pixel_points(wide, 100)
        skin = (at[..., 0] > 10) & (at[..., 0] < 0.45 * SIZE) & (at[..., 1] > 10)
        skin &= at[..., 1] < SIZE - 10
        wall = (at[..., 0] > 0.55 * SIZE) & (at[..., 0] < SIZE) & (at[..., 1] > 0)
        wall &= at[..., 1] < SIZE
        outside = (at < -20).any(-1) | (at > SIZE + 20).any(-1)
        assert bool((free[skin] > 0.99).all())
        assert bool((free[wall] < 0.01).all())
        assert bool((free[outside] > 0.99).all())

    def test_between_the_lips_is_no_skin(self, head, points) -> None:
        encoded = encoded_face(head, points, view_of(head), torch.zeros(1, len(head.identity)))
        labels = torch.zeros_like(encoded.labels)
        labels[Label.SKIN] = 1
        row, column = labels.shape[1] // 2, labels.shape[2] // 2
        labels[:, row - 3 : row + 4, column - 3 : column + 4] = 0
        labels[Label.MOUTH, row - 3 : row + 4, column - 3 : column + 4] = 1
        middle = encoded.frame.to_photo(torch.zeros(1, 2))[0]
        around = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
        around[:2, 2] = middle - 50
        free = free_pixels(replace(encoded, labels=labels), around, 100)
        assert float(free[50, 50]) < 0.01 and float(free[5, 5]) > 0.99

    def test_outline_is_the_border_of_skin_and_wall(self, head, points) -> None:
        encoded = encoded_face(head, points, view_of(head), torch.zeros(1, len(head.identity)))
        found = outline(encoded)
        assert len(found) > 40
        assert torch.allclose(found[:, 0], torch.full((len(found),), SIZE / 2), atol=0.1)

    def test_hair_ends_no_skin(self, head, points) -> None:
        encoded = encoded_face(head, points, view_of(head), torch.zeros(1, len(head.identity)))
        labels = encoded.labels.clone()
        labels[Label.HAIR] = labels[Label.BACKGROUND]
        labels[Label.BACKGROUND] = 0
        assert len(outline(replace(encoded, labels=labels))) == 0

    def test_a_neck_ends_at_the_wall_and_the_jaw_at_the_neck(self, head, points, seen) -> None:
        face, view, identity = seen
        encoded = encoded_face(head, points, view, identity)
        labels = encoded.labels.clone()
        chin = float(encoded.frame.from_photo(face.points[152])[1] + 0.5) * 64
        row = round(chin)
        labels[Label.NECK, row:] = labels[Label.SKIN, row:]
        labels[Label.SKIN, row:] = 0
        found = replace(face, encoded=replace(encoded, labels=labels))
        jaw, sides = jaw_line(found.encoded), neck_sides(found)
        assert len(jaw) > 20 and bool(((jaw[:, 1] / SIZE * 64 - row).abs() < 0.1).all())
        assert len(sides) > 2 and bool(((sides[:, 0] - SIZE / 2).abs() < 0.1).all())
        assert float(sides[:, 1].max()) < float(face.points[152, 1]) + 0.6 * face.scale
        assert len(neck_sides(replace(face, encoded=None))) == 0


class TestTerms:
    @pytest.fixture(scope="class")
    def session(self, head: HeadModel, seen) -> Session:
        face, view, _ = seen
        pixels = torch.full((SIZE, SIZE, 3), 0.3)
        observation = Observation(Photo(Path("made.png"), pixels), face, view)
        return Session(Models(load_head(), load_generator()), [observation])

    @staticmethod
    def step(session: Session, identity: torch.Tensor) -> Step:
        state = FitState.start(session.observations, identity, session.codes)
        crops = session.crops(160, exact=True)
        vertices = state.posed(session.head)
        out = session.view(state, crops)
        maps = session.maps(session.pivot(state), 64)
        return Step(session, state, crops, out, out.alpha[..., 0], maps, vertices=vertices)

    def test_dense_is_zero_at_the_truth(self, session: Session, seen) -> None:
        _, _, identity = seen
        term = Dense.of(session, 1.0, 3.0)
        assert term is not None
        assert float(term(self.step(session, identity))) < 1e-4
        assert float(term(self.step(session, torch.zeros_like(identity)))) > 0.1

    def test_contour_is_small_at_the_truth(self, head: HeadModel, session: Session, seen) -> None:
        _, _, identity = seen
        edges, _, _ = skin_edges(head)
        placed = self.step(session, identity)
        assert placed.vertices is not None
        camera = session.camera(placed.state, placed.crops)
        points = placed.crops.in_photo(camera.project(placed.vertices))
        middles = points[0][edges].mean(1)[::40]
        nothing = contour(head, Borders(middles, middles[:0]), 60.0)
        rim = middles - nothing._missed(points[0], nothing.observed[0])
        truth = contour(head, Borders(rim, rim[:0]), 60.0)
        mean = self.step(session, torch.zeros_like(identity))
        assert float(truth(placed)) < 1e-3  # of a pixel, between edges
        assert float(truth(mean)) > 0.02

    def test_contour_pulls_the_outline_there(self, head: HeadModel, session: Session, seen) -> None:
        _, _, identity = seen
        target = torch.stack([torch.full((60,), 300.0), torch.linspace(120, 260, 60)], -1)
        term = contour(head, Borders(target, target[:0]), 400.0)
        own = identity.clone().requires_grad_()
        step = self.step(session, identity)
        vertices = head.shape(own)
        term(replace(step, vertices=vertices)).backward()
        assert own.grad is not None and bool(own.grad.isfinite().all())
        assert float(own.grad.abs().max()) > 0

    def test_the_jaw_ends_where_the_neck_begins(self, head: HeadModel, session: Session) -> None:
        """Of a head seen from the front, whose chin hides nothing, the template's own border."""
        step = self.step(session, torch.zeros(1, len(head.identity)))
        assert step.vertices is not None
        camera = session.camera(step.state, step.crops)
        points = step.crops.in_photo(camera.project(step.vertices))[0]
        below = head.regions["neck"] > 0.5
        edges, _, _ = skin_edges(head)
        crossing = edges[
            (below[edges[:, 0]] != below[edges[:, 1]]) & (head.mean[edges, 2] > 0.04).all(1)
        ]
        seen = points[crossing].mean(1)
        as_jaw = contour(head, Borders(seen[:0], seen), 60.0)(step)
        as_outline = contour(head, Borders(seen, seen[:0]), 60.0)(step)
        assert float(as_jaw) < 0.2 * float(as_outline)


def contour(head: HeadModel, seen: Borders, scale: float) -> Contour:
    edges, sides, triangles = skin_edges(head)
    below = head.regions["neck"] > 0.5
    neck = below[edges[:, 0]] != below[edges[:, 1]]
    return Contour(1.0, 0.02, edges, sides, triangles, neck, (seen,), torch.tensor([scale]))
