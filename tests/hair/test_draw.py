"""Ribbons cover what they should, and light comes through hair as a formula says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitme.hair import PRESETS, HairColor, Strands, draw_hair, draw_hair_color, grow, transmittance
from fitme.hair.shadow import FORWARD, hair_volume
from fitme.head.model import load_head
from fitme.render.camera import Camera, perspective
from fitme.render.light import Light


@pytest.fixture(scope="module")
def hair() -> Strands:
    return grow(load_head(), PRESETS["bob"], 0, 3000)


def lines(hair: Strands, points: np.ndarray, half_width: float) -> Strands:
    """Strands with these points [N,K,3] in place of grown ones."""
    count = len(points)
    width = np.full(points.shape[:2], half_width, np.float32)
    return replace(hair.take(np.arange(count)), points=points.astype(np.float32), half_width=width)


def front(size: int = 64, distance: float = 1.0) -> Camera:
    eye = torch.tensor([[0.0, 0.0, distance]])
    return perspective(eye, torch.zeros(1, 3), 30.0, size, size)


class TestDraw:
    def test_coverage_of_a_ribbon(self, hair: Strands) -> None:
        """Covered area in pixels is length times width, wide or thin, at any slope."""
        focal = 64 / (2 * np.tan(np.radians(15)))
        for slope in (0.0, 0.4, 0.9, 3.0):
            for half in (0.0012, 0.004, 0.02):
                t = np.linspace(-0.1, 0.1, 9) / np.hypot(1, slope)
                path = np.stack([t, slope * t, 0 * t], -1)[None]
                drawn = draw_hair(lines(hair, path, half), HairColor(), front(), Light.ambient())
                wanted = 0.2 * focal * 2 * half * focal * 0.95
                assert drawn.alpha.sum() == pytest.approx(wanted, rel=0.08)

    def test_near_hides_far(self, hair: Strands) -> None:
        t = np.linspace(-0.1, 0.1, 5)
        near = np.stack([t, 0 * t, 0 * t + 0.1], -1)
        far = np.stack([0 * t, t, 0 * t - 0.1], -1)
        pair = lines(hair, np.stack([far, near]), 0.02)
        black_and_white = np.stack([np.ones((5, 3)), np.zeros((5, 3))]).astype(np.float32)
        drawn = draw_hair(pair, black_and_white, front(), Light.ambient(), opacity=1.0)
        assert drawn.depth[32, 32] == pytest.approx(0.9, abs=1e-3)
        # beside the crossing the far strand is lit
        assert drawn.radiance[32, 32].sum() < 0.05 * drawn.radiance[24, 32].sum()

    def test_what_is_in_front_hides_hair(self, hair: Strands) -> None:
        wall = np.full((64, 64), 0.5, np.float32)
        drawn = draw_hair(hair, HairColor(), front(), Light.preset("studio"), wall)
        assert drawn.alpha.max() == 0 and np.isinf(drawn.depth).all()

    def test_premultiplied_and_finite(self, hair: Strands) -> None:
        drawn = draw_hair(hair, HairColor(), front(), Light.preset("rim"))
        assert np.isfinite(drawn.radiance).all() and drawn.radiance.min() >= 0
        assert drawn.alpha.min() >= 0 and 0.9 < drawn.alpha.max() <= 1
        assert (drawn.radiance[drawn.alpha == 0] == 0).all()

    def test_nothing_to_draw(self, hair: Strands) -> None:
        none = hair.take(np.zeros(len(hair), bool))
        drawn = draw_hair(none, HairColor(), front(), Light.ambient())
        assert drawn.alpha.max() == 0

    def test_wrong_depth_is_refused(self, hair: Strands) -> None:
        with pytest.raises(ValueError, match="depth"):
            draw_hair(hair, HairColor(), front(), Light.ambient(), np.zeros((2, 2), np.float32))


class TestShadow:
    def test_a_block_of_hair_absorbs_by_its_density(self, hair: Strands) -> None:
        random = np.random.default_rng(0)
        at = random.uniform(-0.05, 0.05, (1000, 2))
        z = np.linspace(-0.05, 0.05, 8)
        path = np.stack(
            [np.broadcast_to(at[:, :1], (1000, 8)), np.broadcast_to(at[:, 1:], (1000, 8)),
             np.broadcast_to(z, (1000, 8))], -1,
        )  # fmt: skip
        many = replace(
            Strands.join([hair, hair]).take(np.arange(1000)),
            points=path.astype(np.float32),
            half_width=np.full((1000, 8), 0.0001, np.float32),
        )
        # 1000 strands of 0.2 mm over 1 dm^2: the depth of 1 dm is 1000 * 0.2e-3 * 0.1 / 0.1^2
        below = np.array([[0.0, -0.09, 0.0], [0.2, 0.0, 0.0]])
        passed = transmittance(many, below, np.array([0.0, 2.0, 0.0]))
        assert passed[0] == pytest.approx(np.exp(-2.0 * (1 - FORWARD)), rel=0.2)
        assert passed[1] == 1.0

    def test_the_sweep_agrees_with_the_march(self, hair: Strands) -> None:
        direction = np.array([0.5, 0.6, 0.62])
        points = np.array([[0.0, 0.0, 0.12], [0.03, -0.05, 0.0], [-0.06, 0.05, -0.02]], np.float32)
        volume = hair_volume(hair)
        swept = np.exp(-volume.at(volume.depth_towards(direction), points))
        marched = transmittance(hair, points, direction)
        assert np.abs(swept - marched).max() < 0.12


class TestColor:
    def test_pigment_darkens(self) -> None:
        light, dark = HairColor(0.4, 0.2).plain(), HairColor(8.0, 0.2).plain()
        assert (light > dark).all() and dark.max() < 0.05 and light[0] > light[1] > light[2]

    def test_red_hair_is_red(self) -> None:
        red, brown = HairColor(0.8, 2.2).plain(), HairColor(1.6, 0.2).plain()
        assert red[0] / red[1] > brown[0] / brown[1]

    def test_grey_and_dye(self, hair: Strands) -> None:
        grey = HairColor(3.0, 0.2, grey=0.9).albedo(hair).mean((0, 1))
        assert np.ptp(grey) < 0.06 and grey.mean() > 0.3
        blue = HairColor(3.0, 0.2, dye=(0.02, 0.05, 0.5), dyed=1.0).albedo(hair)
        assert blue[:, -1, 2].mean() > 0.2

    def test_draws_are_albedos(self, hair: Strands) -> None:
        random = np.random.default_rng(0)
        for _ in range(20):
            albedo = draw_hair_color(random).albedo(hair)
            assert albedo.min() > 0 and albedo.max() < 0.9
