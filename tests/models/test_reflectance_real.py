"""What portraits teach the linear base: masked components, correction, the extended generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fitme.models.stylegan2 import GeneratorConfig, ReflectanceGenerator
from fitme.models.train.harvest import Harvest
from fitme.models.train.reflectance_base import base_of
from fitme.models.train.reflectance_real import (
    Correction,
    Residuals,
    correction,
    extended,
    masked_components,
    mirror_of_base,
    raw_change,
    residuals,
    tone_shares,
)
from fitme.reflectance.generated import WCode

CONFIG = GeneratorConfig((12, 12, 12, 12), 12, 32, 2, position=(0, 6), base=(16, 6))


@pytest.fixture(scope="module")
def generator() -> ReflectanceGenerator:
    """A random one, all of whose layers and components do something."""
    made, draw = ReflectanceGenerator(CONFIG), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for block in made.synthesis.blocks:
            for weight in block.to_signal.weight.values():
                weight.copy_(0.1 * torch.randn(weight.shape, generator=draw))
        base = base_of(made)
        base.components.copy_(0.05 * torch.randn(base.components.shape, generator=draw))
    made.measure_w(draw, 1000)
    return made.eval().requires_grad_(False)


def smooth_maps(count: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    small = torch.randn(count, 3, 4, 4, generator=draw)
    return 0.1 * torch.nn.functional.interpolate(small, (16, 16), mode="bicubic")


class TestMaskedComponents:
    def test_known_modes_are_found_with_missing_data(self) -> None:
        draw = torch.Generator().manual_seed(0)
        true = torch.linalg.qr(torch.randn(300, 3, generator=draw))[0].T
        true = true * torch.tensor([3.0, 2.0, 1.0])[:, None]
        rows = torch.randn(120, 3, generator=draw) @ true
        weight = (torch.rand(rows.shape, generator=draw) > 0.4).float()
        noisy = rows + 0.02 * torch.randn(rows.shape, generator=draw)
        found, coefficients = masked_components(noisy * weight, weight, 3)
        assert (coefficients @ found - rows).norm() < 0.12 * rows.norm()
        torch.testing.assert_close(coefficients.square().mean(0), torch.ones(3))
        within = found @ torch.linalg.pinv(true) @ true
        assert (within - found).norm() < 0.05 * found.norm()


class TestCorrection:
    def test_a_known_bias_is_corrected(self) -> None:
        draw = torch.Generator().manual_seed(1)
        mean, slope = smooth_maps(2, 2)
        coefficients = torch.randn(200, 6, generator=draw)
        values = mean + coefficients[:, 1, None, None, None] * slope
        values = values + 0.02 * torch.randn(values.shape, generator=draw)
        weight = (torch.rand(200, 16, 16, generator=draw) > 0.3).float()
        weight[:, :, 14:] = 0
        found = correction(Residuals(values, weight, coefficients, torch.ones(200)))
        inner = slice(2, 10)
        assert (found.mean - mean)[..., inner].norm() < 0.15 * mean[..., inner].norm()
        assert (found.slopes[1] - slope)[..., inner].norm() < 0.2 * slope[..., inner].norm()
        assert found.slopes[0].abs().max() < 0.2 * slope.abs().max()
        assert found.mean[..., 15].abs().max() == 0  # nothing was seen there

    def test_rare_tones_count_more(self) -> None:
        share = tone_shares(torch.tensor([35.0, 36.0, 37.0, 38.0, -20.0, -21.0]))
        assert float(share.mean()) == pytest.approx(1)
        assert float(share[4] / share[0]) == pytest.approx(2)


class TestExtended:
    @pytest.fixture(scope="class")
    def parts(
        self, generator: ReflectanceGenerator
    ) -> tuple[Correction, torch.Tensor, ReflectanceGenerator]:
        change = Correction(smooth_maps(1, 3)[0], smooth_maps(2, 4))
        new = smooth_maps(3, 5)
        return change, new, extended(generator, change, new)

    def test_only_the_diffuse_signal_changes(
        self, generator: ReflectanceGenerator,
        parts: tuple[Correction, torch.Tensor, ReflectanceGenerator],
    ) -> None:  # fmt: skip
        change, new, larger = parts
        assert larger.config.base == (16, 9) and larger.config.photo_modes == 3
        # Within what the new directions leave of W nothing but the correction changes.
        steps = larger.photo_directions()
        w = generator.map(torch.randn(4, 12, generator=torch.Generator().manual_seed(1)))
        unit = steps / steps.norm(dim=1, keepdim=True)
        w = w - (w - generator.w_mean) @ unit.T @ unit
        before = generator.synthesis(generator.broadcast(w))
        after = larger.synthesis(larger.broadcast(w))
        wanted = change.of(base_of(generator).coefficients(w))
        torch.testing.assert_close(after[16][:, :3], before[16][:, :3] + wanted)
        for level in (16, 32):
            torch.testing.assert_close(after[level][:, 3:], before[level][:, 3:])
        amounts = torch.tensor([[1.0, 0, 0], [0, -2, 0], [0, 0, 1], [0.5, 1, -1]])
        moved = larger.synthesis(larger.broadcast(w + amounts @ steps))
        wanted = torch.einsum("nk,kchw->nchw", amounts, new)
        torch.testing.assert_close(moved[16][:, :3], after[16][:, :3] + wanted)
        torch.testing.assert_close(moved[32][:, 3:], after[32][:, 3:])

    def test_statistics_know_the_new_directions(
        self, parts: tuple[Correction, torch.Tensor, ReflectanceGenerator]
    ) -> None:
        larger = parts[2]
        steps, codes = larger.photo_directions(), WCode(larger)
        # A unit of code along each is about one step: samples add their little.
        code = torch.linalg.lstsq(codes.axes.T, steps.T).solution.T
        assert ((code.norm(dim=1) - 1).abs() < 0.2).all()
        before = larger.w_covariance.clone()
        again = ReflectanceGenerator(larger.config)
        again.load_state_dict(larger.state_dict())
        again.measure_w(torch.Generator().manual_seed(3), 1000)
        spread = ((steps @ again.w_covariance) * steps).sum(1) / steps.square().sum(1).square()
        assert (spread > 0.9).all() and before.shape == again.w_covariance.shape

    def test_saved_and_loaded(
        self, parts: tuple[Correction, torch.Tensor, ReflectanceGenerator], tmp_path: Path
    ) -> None:
        larger = parts[2]
        larger.save(tmp_path / "x.safetensors")
        loaded = ReflectanceGenerator.load(tmp_path / "x.safetensors")
        assert loaded.config == larger.config
        torch.testing.assert_close(
            loaded.photo_directions(), larger.photo_directions(), atol=2e-3, rtol=2e-3
        )

    def test_without_the_modes_it_is_the_corrected_generator(
        self, generator: ReflectanceGenerator,
        parts: tuple[Correction, torch.Tensor, ReflectanceGenerator],
    ) -> None:  # fmt: skip
        larger = parts[2]
        smaller = larger.without_photo_modes()
        assert smaller.config == generator.config and generator.without_photo_modes() is generator
        torch.testing.assert_close(smaller.w_covariance, generator.w_covariance)
        # The mean of W is where every mode is zero.
        ws = [network.broadcast(network.w_mean[None]) for network in (smaller, larger)]
        signals = [network.synthesis(w) for network, w in zip((smaller, larger), ws, strict=True)]
        torch.testing.assert_close(signals[0][32], signals[1][32])

    def test_bad_counts_are_refused(self) -> None:
        with pytest.raises(ValueError, match="photo_modes"):
            replace(CONFIG, photo_modes=7)


class TestResiduals:
    def test_ratio_becomes_signal(self, generator: ReflectanceGenerator) -> None:
        w = generator.w_mean[None]
        signal = generator.signals(w, 16)[16].clamp(-0.6, 0.6)
        ratio = 0.2 * torch.ones(1, 3, 16, 16)
        moved = signal.clone()
        moved[:, :3] = torch.tanh(torch.atanh(signal[:, :3]) + raw_change(signal, ratio))
        from fitme.models.stylegan2 import ReflectanceMaps

        before, after = (ReflectanceMaps.from_signal(s).diffuse_albedo for s in (signal, moved))
        torch.testing.assert_close((after / before).log(), torch.full_like(after, 0.2))

    def test_a_missing_mark_is_learned(self, generator: ReflectanceGenerator) -> None:
        codes = WCode(generator)
        ratio = torch.zeros(3, 16, 16)
        ratio[:, 5:11, 2:7] = ratio[:, 5:11, 9:14] = -0.3
        draw = torch.Generator().manual_seed(0)
        some = [
            Harvest(0.3 * torch.randn(codes.size, generator=draw), torch.ones(16, 16), ratio, 30.0)
            for _ in range(30)
        ]
        data = residuals(generator, some).symmetric(mirror_of_base(base_of(generator)))
        found = correction(data)
        larger = extended(generator, found, torch.zeros(0, 3, 16, 16))
        before = generator.synthesize(generator.w_mean[None], 16).diffuse_albedo[0]
        after = larger.synthesize(generator.w_mean[None], 16).diffuse_albedo[0]
        change = (after / before).log()
        assert float(change[7:9, 3:6].mean()) == pytest.approx(-0.3, abs=0.05)
        assert float(change[7:9, 10:13].mean()) == pytest.approx(-0.3, abs=0.05)
        assert float(change[1:3].abs().mean()) < 0.02
