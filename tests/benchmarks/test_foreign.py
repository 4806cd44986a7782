"""Photos and registration of foreign heads, on a made head of the library's kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.foreign.heads import FACES
from benchmarks.foreign.lifting import barycentric
from benchmarks.foreign.photos import HEIGHT, LENSES_MM, LIGHTS, WIDTH, plan_photo
from benchmarks.foreign.registration import Registration
from fitme.head.view import head_angles

PLANS = [plan_photo(name, index, 0) for name in FACES for index in range(2)]


class TestPlans:
    def test_every_lens_and_light_comes_about_as_often(self) -> None:
        for kinds, of in ((LENSES_MM, "lens_mm"), (LIGHTS, "light")):
            count = [sum(getattr(plan, of) == kind for plan in PLANS) for kind in kinds]
            assert sum(count) == len(PLANS)
            assert max(count) - min(count) <= 2
        assert len({(plan.lens_mm, plan.light) for plan in PLANS}) == 16
        assert len({plan.yaw_deg for plan in PLANS}) == len(PLANS)

    def test_the_face_fills_the_same_part(self) -> None:
        """Within what a nearer lens and a turn of the head change."""
        points = torch.tensor([[[0.0, 0.0, 0.0], [0.0, -0.12, 0.0], [0.0, -0.03, 0.0]]])
        for plan in PLANS:
            eyes, chin, middle = plan.camera().project(points)[0]
            assert float((chin - eyes).norm()) / HEIGHT == pytest.approx(0.30, abs=0.03)
            away = (middle - torch.tensor([WIDTH / 2, HEIGHT / 2])).abs()
            assert bool((away <= torch.tensor([0.0501 * WIDTH, 0.0501 * HEIGHT])).all())

    def test_turns(self) -> None:
        for plan in PLANS:
            angles = head_angles(torch.tensor(plan.rotation))
            assert abs(angles["yaw_deg"] - plan.yaw_deg) < 2.5  # rolled up to 5 degrees
            assert abs(plan.yaw_deg) <= 20 and abs(plan.pitch_deg) <= 10


class TestLaidOn:
    def test_barycentric(self) -> None:
        draws = np.random.default_rng(0)
        corners, weight = draws.normal(size=(20, 3, 3)), draws.dirichlet((1, 1, 1), 20)
        points = (weight[..., None] * corners).sum(1)
        assert np.allclose(barycentric(points, corners), weight)

    def test_registration_follows_a_head(self) -> None:
        class Head:
            vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 2]])
            triangles = np.array([[0, 1, 2], [0, 2, 3]])

        laid = Registration(
            np.array([1, 0]), np.array([[0.5, 0, 0.5], [0.2, 0.8, 0]]), np.ones(2, bool)
        )
        assert np.allclose(laid.vertices(Head()), [[0, 0, 1], [0.8, 0, 0]])
