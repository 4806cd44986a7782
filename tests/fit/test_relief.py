"""Wrinkles of a picture become slopes, pigment does not, and what is hidden stays as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.displacement import STEEPEST, bounded, tilted
from fitme.fit.models import Models
from fitme.fit.stages.relief import (
    CLOUDY,
    Tilts,
    conjugate_gradients,
    relief_tilts,
    shading_weights,
)
from fitme.fit.state import FitState
from fitme.head.model import HeadModel
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.regions import AtlasRegions
from fitme.reflectance.skin import HAEMOGLOBIN, MELANIN
from tests.fit.made_photo import SKIN, TEXELS, known_state, photographed, plain, refined


def grooves(texels: int, period: float, slant: float, reach: float = 0.25) -> Tensor:
    """Parallel dark lines in the middle of a square, [R,R], 0 outside, deepest -1."""
    axis = torch.arange(texels) + 0.5
    row, column = torch.meshgrid(axis, axis, indexing="ij")
    wave = (torch.cos(2 * torch.pi * (row + slant * column) / period) - 1) / 2
    half = texels / 2
    near = ((row - half).square() + (column - half).square()).sqrt() / (reach * texels)
    return wave * (1 - near.square()).clamp_min(0).square()


class TestParts:
    def test_weights_keep_shading_and_drop_pigment(self) -> None:
        weights = shading_weights()
        assert float(weights.sum()) == pytest.approx(1)
        for pigment in (MELANIN, HAEMOGLOBIN):
            assert abs(float(weights @ torch.tensor(pigment))) < 0.45 * sum(pigment) / 3

    def test_adjoint(self) -> None:
        draws = torch.Generator().manual_seed(0)
        linear = Tilts(64)
        q, values = torch.randn(64, 64, generator=draws), torch.randn(3, 64, 64, generator=draws)
        one, two = (linear(q) * values).sum(), (q * linear.adjoint(values)).sum()
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-3)

    def test_tilts_lean_away_from_the_heights(self) -> None:
        """Left of a bump the normal points left, above it up (Y+)."""
        q = torch.zeros(1024, 1024)
        q[512, 512] = 1
        x, y, even = Tilts(1024)(q)
        assert x[512, 508] < 0 < x[512, 516] and y[508, 512] > 0 > y[516, 512]
        assert even[512, 512] > 0

    def test_conjugate_gradients_solve(self) -> None:
        draws = torch.Generator().manual_seed(1)
        factor = torch.randn(6, 6, generator=draws)
        matrix = factor @ factor.T + torch.eye(6)
        wanted = torch.randn(6, generator=draws)
        found = conjugate_gradients(lambda x: matrix @ x, matrix @ wanted, 12)
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)

    def test_bounds(self) -> None:
        steep = bounded(torch.tensor([[30.0, -40.0], [0.01, 0.0]]))
        assert float(steep[0].norm()) == pytest.approx(STEEPEST)
        torch.testing.assert_close(steep[1], torch.tensor([0.01, 0.0]), rtol=1e-2, atol=0)
        normal = tilted(torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.3, 0.0]))
        torch.testing.assert_close(normal[0] / normal[2], torch.tensor(0.3))


class TestTilts:
    @pytest.mark.parametrize("response", [(0.0, 0.0), (0.7, 0.0), (-0.5, 0.5)])
    def test_grooves_are_found(self, response: tuple[float, float]) -> None:
        """In even light as under a lamp, from noisy shading."""
        linear = Tilts(TEXELS)
        q = grooves(TEXELS, 12, 0.4)
        x, y, even = linear(0.4 * q)
        draws = torch.Generator().manual_seed(2)
        noise = 0.003 * torch.randn(1, TEXELS, TEXELS, generator=draws)
        shading = (response[0] * x + response[1] * y + CLOUDY * even)[None] + noise
        wide = torch.tensor(response).expand(1, TEXELS, TEXELS, 2)
        found = relief_tilts(shading, wide, torch.ones_like(shading))
        true = torch.stack([x, y], -1)
        similar = (found * true).sum() / (found.norm() * true.norm())
        assert similar > 0.9
        assert (found - true).norm() < 0.7 * true.norm()

    def test_two_lights_tell_more_than_one(self) -> None:
        x, y, even = Tilts(TEXELS)(0.4 * grooves(TEXELS, 12, 0.4))
        response = torch.tensor([[0.6, 0.1], [-0.1, 0.7]])
        draws = torch.Generator().manual_seed(4)
        noise = 0.01 * torch.randn(2, TEXELS, TEXELS, generator=draws)
        shading = torch.stack([a * x + b * y + CLOUDY * even for a, b in response]) + noise
        wide = response[:, None, None].expand(2, TEXELS, TEXELS, 2)
        true, one = torch.stack([x, y], -1), torch.ones_like(shading)
        both = relief_tilts(shading, wide, one)
        for k in (slice(0, 1), slice(1, 2)):
            alone = relief_tilts(shading[k], wide[k], one[k])
            assert (both - true).norm() < (alone - true).norm()

    def test_noise_stays_flat(self) -> None:
        draws = torch.Generator().manual_seed(3)
        noise = 0.03 * torch.randn(1, TEXELS, TEXELS, generator=draws)
        lines = noise + 0.1 * grooves(TEXELS, 12, 0.4)
        flat = torch.zeros(1, TEXELS, TEXELS, 2)
        one = torch.ones_like(noise)
        rough, folded = (relief_tilts(s, flat, one).norm(dim=-1) for s in (noise, lines))
        assert rough.mean() < 0.25 * folded[200:312, 200:312].mean()

    def test_hidden_texels_stay_flat_whatever_they_hold(self) -> None:
        shading = 0.1 * grooves(TEXELS, 12, 0.4)[None]
        weight = torch.ones_like(shading)
        weight[..., :256] = 0
        other = shading.clone()
        other[..., :256] = 40
        response = torch.full((1, TEXELS, TEXELS, 2), 0.5)
        found, same = (relief_tilts(s, response, weight) for s in (shading, other))
        torch.testing.assert_close(found, same)
        assert float(found[:, :256].abs().max()) == 0 < float(found.abs().max())


def on_cheek() -> Tensor:
    """Lines on a cheek, [R,R]: the middle of the square moved there."""
    return grooves(TEXELS, 8, 0.4, 0.1).roll((10, -90), (0, 1))


@pytest.fixture(scope="module")
def state(head: HeadModel) -> FitState:
    made = known_state(head)
    made.frames.gray *= 0.15  # a raking lamp from above, and little else
    made.frames.lamp[:] = torch.tensor([[-0.2, 0.8, 0.5]])
    return made


def slopes(maps: ReflectanceMaps) -> Tensor:
    return maps.normal[0, ..., :2] / maps.normal[0, ..., 2:]


class TestRefine:
    def test_lines_under_a_lamp_become_slopes(
        self, models: Models, head: HeadModel, regions: AtlasRegions, state: FitState
    ) -> None:
        true = Tilts(TEXELS)(1.2 * on_cheek())[:2].movedim(0, -1)
        folded = replace(plain(), normal=tilted(plain().normal, true[None]))
        seen = photographed(head, regions, state, folded)
        found = refined(models, state, seen)
        again = refined(models, state, seen)
        assert torch.equal(found.normal, again.normal)
        lines = on_cheek() < -0.05
        own, wanted = slopes(found)[lines], true[lines]
        assert (own * wanted).sum() / (own.norm() * wanted.norm()) > 0.8
        assert (own - wanted).norm() < 0.7 * wanted.norm()  # flat: 1
        painted = refined(models, state, seen, relief=False)
        at = F.max_pool2d(lines[None, None].float(), 5, 1, 2)[0, 0] > 0
        left, before = (
            (m.diffuse_albedo[0][at] / torch.tensor(SKIN)).log().abs().mean()
            for m in (found, painted)
        )
        assert left < 0.7 * before  # what is relief is not painted on as well

    def test_pigment_is_no_relief(
        self, models: Models, head: HeadModel, regions: AtlasRegions, state: FitState
    ) -> None:
        lines = on_cheek()[..., None]
        amounts = []
        for colour in (MELANIN, (1.0, 1.0, 1.0)):
            change = 0.3 * lines * torch.tensor(colour) / (sum(colour) / 3)
            made = replace(plain(), diffuse_albedo=plain().diffuse_albedo * change.exp())
            found = refined(models, state, photographed(head, regions, state, made))
            amounts.append(float(slopes(found)[lines[..., 0] < -0.05].norm(dim=-1).mean()))
        assert amounts[0] < 0.5 * amounts[1]

    def test_grey_photos_and_hidden_skin_keep_their_normals(
        self, models: Models, head: HeadModel, regions: AtlasRegions, state: FitState
    ) -> None:
        dark = plain().diffuse_albedo * (0.3 * on_cheek()).exp()[None, ..., None]
        seen = photographed(head, regions, state, replace(plain(), diffuse_albedo=dark))
        grey = replace(seen, photo=replace(seen.photo, was_gray=True))
        assert torch.equal(refined(models, state, grey).normal, plain().normal)
        hidden = refined(models, state, seen, trusted=0.0)
        torch.testing.assert_close(hidden.normal, plain().normal)
        torch.testing.assert_close(hidden.diffuse_albedo, plain().diffuse_albedo)
