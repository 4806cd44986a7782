"""The linear base: principal components of maps and a mapping to them."""

from __future__ import annotations

import math

import torch

from fitme.models.stylegan2 import GeneratorConfig, ReflectanceGenerator, mirror_signal
from fitme.models.train.reflectance_base import fit_base, principal_components
from fitme.models.train.reflectance_data import ToySource
from fitme.models.train.reflectance_prior import ParameterPrior


def raw_draws(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    parameters, maps = ToySource().draw(count, 16, torch.Generator().manual_seed(0))
    return parameters, torch.atanh(maps.to_signal().clamp(-0.999, 0.999))


class TestComponents:
    def test_rebuild_the_maps_and_are_symmetric_or_not(self) -> None:
        _, raw = raw_draws(200)
        torch.manual_seed(0)
        mean, components, coefficients = principal_components(raw, 12)
        assert coefficients.shape == (400, 12) and components.shape == (12, 6, 16, 16)
        rebuilt = mean + torch.einsum("nk,kchw->nchw", coefficients[:200], components)
        assert (rebuilt - raw).square().mean() < 0.02 * (raw - mean).square().mean()
        torch.testing.assert_close(coefficients.square().mean(0), torch.ones(12))
        torch.testing.assert_close(mirror_signal(mean[None])[0], mean, atol=1e-4, rtol=0)
        first = components[:4]
        assert ((mirror_signal(first) * first).flatten(1).sum(1).abs()
                > 0.99 * first.flatten(1).square().sum(1)).all()  # fmt: skip


class TestFit:
    def test_mapping_learns_the_coefficients(self) -> None:
        parameters, raw = raw_draws(600)
        source, config = ToySource(), GeneratorConfig((12, 12, 12), 12, 32, 3, base=(16, 8))
        generator = ReflectanceGenerator(config)
        prior = ParameterPrior.fit(source.parameters(2000, torch.Generator().manual_seed(1)))
        lines: list[str] = []
        fit_base(generator, source, prior, (parameters, raw.half()),
                 torch.Generator().manual_seed(2), lines.append, steps=600)  # fmt: skip
        held_out = float(lines[-1].rsplit(" ", 1)[1])
        assert math.isfinite(held_out) and held_out < 0.25
        z = prior.z(parameters[:50], 12, torch.Generator().manual_seed(3))
        with torch.no_grad():
            signal = generator.signals(generator.map(z), 16, noise="none")[16]
        mean = torch.tanh(generator.synthesis.base.mean)  # type: ignore[union-attr]
        target = torch.tanh(raw[:50])
        assert (signal - target).square().mean() < 0.3 * (mean - target).square().mean()
