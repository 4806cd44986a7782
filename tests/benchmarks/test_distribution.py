"""The maths of the generator's benchmark, on cases whose answer is known."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import distribution, features, inversion, populations
from benchmarks import generator as benchmark
from fitme.models.stylegan2 import GENERATORS, ReflectanceGenerator
from fitme.models.train.checkpoint import save_checkpoint
from fitme.runtime.errors import InputError


def normal(count: int, dimensions: int, seed: int = 0) -> Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


class TestKernelDistance:
    def test_by_hand(self) -> None:
        a, b = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [2.0]])
        kernel = lambda x, y: (x * y + 1) ** 3  # noqa: E731
        within = kernel(1, 3) + kernel(0, 2)
        between = sum(kernel(x, y) for x in (1, 3) for y in (0, 2)) / 4
        assert distribution.kernel_distance(a, b) == pytest.approx(within - 2 * between)

    def test_unbiased(self) -> None:
        values = [
            distribution.kernel_distance(normal(40, 6, 2 * s), normal(60, 6, 2 * s + 1))
            for s in range(200)
        ]
        error = np.std(values) / math.sqrt(len(values))
        assert abs(np.mean(values)) < 3 * error
        assert min(values) < 0 < max(values)

    def test_a_shift_in_one_dimension(self) -> None:
        # E (xy + 1)^3 = 1 + 3 m^2 + 3 (1 + m^2)^2 + (m^3 + 3 m)^2 for x, y ~ N(m, 1)
        shift = 0.5
        power = lambda m, n: (  # noqa: E731
            1 + 3 * m * n + 3 * (1 + m * m) * (1 + n * n) + (m**3 + 3 * m) * (n**3 + 3 * n)
        )
        wanted = power(0, 0) + power(shift, shift) - 2 * power(0, shift)
        a, b = normal(4000, 1, 0), normal(4000, 1, 1) + shift
        assert distribution.kernel_distance(a, b) == pytest.approx(wanted, rel=0.15)


class TestFrechetDistance:
    def test_identical_sets(self) -> None:
        assert distribution.frechet_distance(normal(50, 8), normal(50, 8)) == pytest.approx(
            0, abs=1e-6
        )

    def test_shift_and_scale_are_exact(self) -> None:
        # The same points moved: covariances S and 4 S, so tr(S + 4 S - 2 * 2 S) = tr S.
        a = normal(300, 5)
        b = 2 * a + torch.tensor([1.0, 0, 0, 0, -2.0])
        trace = float(torch.cov(a.double().T).trace())
        moved = float((b.mean(0) - a.mean(0)).square().sum())
        assert distribution.frechet_distance(a, b) == pytest.approx(moved + trace, rel=1e-5)

    def test_normal_distributions(self) -> None:
        spread = torch.tensor([1.0, 2.0, 0.5])
        a, b = normal(100_000, 3, 0), normal(100_000, 3, 1) * spread + 1
        wanted = 3 + float((spread - 1).square().sum())
        assert distribution.frechet_distance(a, b) == pytest.approx(wanted, rel=0.02)

    def test_fewer_points_than_dimensions(self) -> None:
        value = distribution.frechet_distance(normal(10, 30, 0), normal(10, 30, 1))
        assert math.isfinite(value) and value > 0

    def test_one_dimension(self) -> None:
        a = normal(1000, 1)
        assert distribution.frechet_distance(a, a + 3) == pytest.approx(9, rel=1e-5)


class TestPrecisionRecall:
    def test_identical_sets(self) -> None:
        a = normal(60, 20)
        assert distribution.precision_recall(a, a.clone()) == (1, 1)

    def test_disjoint_sets(self) -> None:
        assert distribution.precision_recall(normal(60, 4), normal(60, 4, 1) + 100) == (0, 0)

    def test_half_of_the_modes(self) -> None:
        # Two far clusters; one of them is made, twice as densely.
        left, right = normal(100, 4, 0), normal(100, 4, 1) + 1000
        precision, recall = distribution.precision_recall(
            torch.cat([left, right]), normal(200, 4, 2)
        )
        assert precision > 0.8 and 0.3 < recall <= 0.5

    def test_half_of_it_is_nonsense(self) -> None:
        made = torch.cat([normal(100, 4, 2), normal(100, 4, 1) + 1000])
        precision, recall = distribution.precision_recall(normal(200, 4, 0), made)
        assert 0.3 < precision <= 0.5 and recall > 0.8

    def test_by_hand(self) -> None:
        # Radii with k = 1 on the line: 1, 1, 8 and 0.5, 0.5.
        real, made = torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([[2.0], [2.5]])
        assert distribution.precision_recall(real, made, 1) == (1, 0)

    def test_too_few_points(self) -> None:
        with pytest.raises(ValueError, match="3 points"):
            distribution.precision_recall(normal(3, 2), normal(9, 2))


class TestOneDimension:
    def test_wasserstein_of_a_shift(self) -> None:
        a = normal(500, 1)[:, 0]
        assert distribution.wasserstein(a, a + 2.5) == pytest.approx(2.5, rel=1e-5)
        assert distribution.wasserstein(a, a.flip(0)) == 0

    def test_wasserstein_of_unequal_counts(self) -> None:
        a, b = torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.0, 1.0, 3.0])
        assert distribution.wasserstein(a, b) == pytest.approx(0.5)
        assert distribution.wasserstein(b, a) == pytest.approx(0.5)

    def test_histogram(self) -> None:
        edges = torch.tensor([0.0, 1.0, 2.0, 3.0])
        shares = distribution.histogram(torch.tensor([-5.0, 0.5, 1.0, 7.0]), edges)
        assert shares.tolist() == [0.5, 0.25, 0.25]

    def test_overlap_and_coverage(self) -> None:
        a, b = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.02, 0.73])
        assert distribution.histogram_overlap(a, a) == 1
        assert distribution.histogram_overlap(a, b) == pytest.approx(0.27)
        assert distribution.histogram_coverage(a, b) == 0.5
        assert distribution.histogram_coverage(a, a) == 1


class TestFeatures:
    def test_fixed_and_finite(self) -> None:
        signal = torch.rand(3, 6, 128, 128, generator=torch.Generator().manual_seed(0))
        first, second = (features.RandomFeatures().of_all([signal]) for _ in range(2))
        assert set(first) == {64, 128}
        for size, value in first.items():
            assert value.shape == (3, 448) and value.isfinite().all()
            assert torch.equal(value, second[size])

    def test_chunks_do_not_matter(self) -> None:
        signal = torch.rand(4, 6, 128, 128, generator=torch.Generator().manual_seed(0))
        network = features.RandomFeatures()
        whole, parts = network.of_all([signal]), network.of_all(signal.split(3))
        torch.testing.assert_close(whole[64], parts[64])

    def test_they_see_fine_structure_and_place(self) -> None:
        draw = torch.Generator().manual_seed(0)
        grain = 0.05 * torch.randn(1, 6, 64, 64, generator=draw)
        plain, spot = torch.zeros(1, 6, 64, 64), torch.zeros(1, 6, 64, 64)
        spot[:, :, :20, :20] = 0.2
        network = features.RandomFeatures()
        base = network(plain)
        assert (network(plain + grain) - base).norm() > 0.01 * base.norm()
        assert (network(spot) - network(spot.flip(3))).norm() > 0.01 * base.norm()

    def test_standardised(self) -> None:
        like = 3 * normal(200, 5) + 7
        value = features.standardised(like, like)
        torch.testing.assert_close(value.mean(0), torch.zeros(5), rtol=0, atol=1e-5)
        torch.testing.assert_close(value.std(0), torch.ones(5))


@pytest.fixture(scope="module")
def generator() -> ReflectanceGenerator:
    """Random, but its output depends on w."""
    made, draw = ReflectanceGenerator(GENERATORS["tiny"]), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for block in made.synthesis.blocks:
            for weight in block.to_signal.weight.values():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=draw))
    made.measure_w(draw, 2000)
    return made.requires_grad_(False)


class TestInversion:
    def test_axes_whiten(self, generator) -> None:
        axes = inversion.w_axes(generator)
        floor = 0.01 * generator.w_covariance.diagonal().mean()
        wanted = generator.w_covariance + floor * torch.eye(len(axes))
        torch.testing.assert_close(axes.T @ axes, wanted, rtol=1e-3, atol=1e-5)

    def test_it_finds_its_own_samples(self, generator) -> None:
        z = torch.randn(2, 16, generator=torch.Generator().manual_seed(4))
        target = generator.signals(generator.map(z), 32)[32]
        w = inversion.invert_in_w(generator, target, 60)
        found, mean = (
            inversion.map_errors(generator.signals(v, 32)[32], target)
            for v in (w, generator.w_mean.expand(2, -1))
        )
        assert (found["diffuse_srgb_db"] > mean["diffuse_srgb_db"] + 6).all()
        assert (found["normal_degrees"] < 0.6 * mean["normal_degrees"]).all()
        assert float(generator.regularizer(w)) < 3

    def test_errors_by_hand(self) -> None:
        target = torch.zeros(1, 6, 8, 8)
        same = inversion.map_errors(target, target)
        assert same["diffuse_srgb_db"] == 100 and same["normal_degrees"] == 0
        other = target.clone()
        other[:, :3] += 0.2  # 0.1 of sRGB
        other[:, 3] = 2 * math.sqrt(0.5) - 1  # twice the reflectance of s = 0
        slope = math.tan(math.radians(10))
        other[:, 4] = slope / math.sqrt(slope**2 + 0.25)
        errors = inversion.map_errors(other, target)
        assert float(errors["diffuse_srgb_db"]) == pytest.approx(20, abs=1e-3)
        assert float(errors["specular_percent"]) == pytest.approx(100, abs=1e-3)
        assert float(errors["specular_db"]) == pytest.approx(-20 * math.log10(0.25), abs=1e-3)
        assert float(errors["normal_degrees"]) == pytest.approx(10, abs=1e-3)


class TestSections:
    def test_tone_is_that_of_the_masked_texels(self) -> None:
        diffuse, mask = torch.rand(2, 8, 8, 3), torch.zeros(8, 8, dtype=torch.bool)
        mask[2:5, 2:5] = True
        diffuse[:, mask] = torch.tensor([0.45, 0.28, 0.2])
        tones = populations.face_tone(diffuse, mask)
        assert tones[0] == tones[1] and 0 < tones[0] < 90

    def test_compare(self) -> None:
        def population(seed: int, shift: float = 0.0):
            found = {size: normal(50, 4, seed) + shift for size in features.SIZES}
            return populations.Population(found, torch.zeros(50))

        same = benchmark.compare(population(0), population(1))["128"]
        far = benchmark.compare(population(0), population(1, 5.0))["128"]
        assert far["kernel"] > 100 * abs(same["kernel"]) and far["frechet"] > 10 * same["frechet"]
        assert same["recall"] > 0.5 and far["recall"] == 0

    def test_unevenness(self) -> None:
        assert benchmark.unevenness(torch.arange(5.0)[:, None]) == 1
        assert benchmark.unevenness(torch.tensor([[0.0], [1.0], [4.0]])) == 1.5

    def test_histogram_picture(self) -> None:
        edges = torch.arange(0.0, 11.0)
        picture = benchmark.histogram_picture([torch.rand(10), torch.rand(10)], edges)
        assert picture.dtype == np.uint8 and picture.shape[1:] == (240, 3) and picture.min() < 200

    def test_a_checkpoint_is_its_moving_average(self, generator, tmp_path: Path) -> None:
        tensors = {f"average.{k}": v for k, v in generator.state_dict().items()}
        tensors |= {f"model.{k}": v + 1 for k, v in generator.state_dict().items()}
        numbers = {"generator": generator.config.to_json(), "step": 3}
        path = save_checkpoint(tmp_path, 3, tensors, numbers)
        made, found = populations.checkpoint_generator(path)
        assert found["step"] == 3
        assert torch.equal(made.synthesis.start, generator.synthesis.start)
        with pytest.raises(InputError, match="no complete checkpoint"):
            populations.checkpoint_generator(tmp_path)

    def test_missing_weights_are_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
    ) -> None:
        arguments = ["generator.py", "--weights", str(tmp_path / "none"), "--out", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", [*arguments, "--only", "load"])
        monkeypatch.setattr(benchmark, "keep_large_blocks", lambda: True)
        assert benchmark.main() == 2
        assert capsys.readouterr().err.count("\n") == 1
