"""The generator: shapes, exits, windows, noise, statistics, files."""

import time

import pytest
import safetensors.torch
import torch

from fitme.models.stylegan2 import GENERATORS, GeneratorConfig, ReflectanceGenerator, Window
from fitme.models.stylegan2.config import discriminator_config
from fitme.models.stylegan2.maps import ReflectanceMaps
from fitme.runtime.errors import InputError


def awake(config: GeneratorConfig | None = None, seed: int = 0) -> ReflectanceGenerator:
    """A generator as if trained: output weights and noise strengths, zero at first, are not."""
    generator = ReflectanceGenerator(config or GENERATORS["tiny"], seed)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for block in generator.synthesis.blocks:
            for weight in block.to_signal.weight.values():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=draw))
        for layer in generator.layers():
            layer.noise_strength.fill_(0.3)
    return generator


@pytest.fixture(scope="module")
def generator() -> ReflectanceGenerator:
    return awake()


@pytest.fixture(scope="module")
def w(generator) -> torch.Tensor:
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(3))
    return generator.map(z).detach()


class TestShapes:
    def test_maps(self, generator, w):
        maps = generator.synthesize(w)
        assert maps.diffuse_albedo.shape == (2, 32, 32, 3)
        assert maps.specular_albedo.shape == (2, 32, 32, 1)
        assert maps.normal.shape == (2, 32, 32, 3)
        assert maps.diffuse_albedo.min() > 0 and maps.diffuse_albedo.max() < 1
        assert maps.specular_albedo.min() > 0 and maps.specular_albedo.max() < 0.16
        assert maps.normal[..., 2].min() > 0
        torch.testing.assert_close(maps.normal.norm(dim=-1), torch.ones(2, 32, 32))

    def test_w_plus_is_w_repeated(self, generator, w):
        plus = generator.broadcast(w)
        assert plus.shape == (2, generator.config.w_count, 24)
        torch.testing.assert_close(
            generator.synthesize(plus).normal, generator.synthesize(w).normal
        )  # fmt: skip

    def test_every_w_of_w_plus_has_an_effect(self, generator, w):
        plus = generator.broadcast(w[:1]).clone().requires_grad_()
        generator.signals(plus)[32].sum().backward()
        assert (plus.grad[0].abs().sum(1) > 0).all()

    @pytest.mark.parametrize("bad", [(2, 25), (2, 3, 24)])
    def test_wrong_w(self, generator, bad):
        with pytest.raises(ValueError, match="w must be"):
            generator.synthesize(torch.zeros(bad))

    def test_wrong_resolution(self, generator, w):
        with pytest.raises(ValueError, match="resolution must be one of"):
            generator.synthesize(w, 48)

    def test_the_presets_reach_1024(self):
        for name in ("cpu", "gpu"):
            assert GENERATORS[name].resolution == 1024
            assert discriminator_config(name, 256).resolution == 256


class TestBranches:
    def test_a_branch_changes_its_modality_only(self, w):
        # At the last resolution: below, the branches are concatenated and mix in the trunk.
        changed = awake()
        before = changed.signals(w)[32]
        last = changed.layers()[-1]
        with torch.no_grad():
            last.weight[: last.weight.shape[0] // 3] += 1.0  # the diffuse third
        after = changed.signals(w)[32]
        assert not torch.allclose(after[:, :3], before[:, :3])
        torch.testing.assert_close(after[:, 3:], before[:, 3:])


class TestExits:
    @pytest.mark.parametrize("resolution", [4, 8, 16])
    def test_low_exit_is_the_intermediate_image(self, generator, w, resolution):
        full = generator.signals(w)
        low = generator.signals(w, resolution)
        assert list(full) == [4, 8, 16, 32]
        torch.testing.assert_close(low[resolution], full[resolution], rtol=0, atol=0)

    @pytest.mark.parametrize("top,left,size,full", [(9, 14, 10, 8), (0, 0, 16, 4), (16, 5, 16, 16)])
    def test_window_is_the_crop_of_the_whole(self, generator, w, top, left, size, full):
        whole = generator.signals(w)[32][:, :, top : top + size, left : left + size]
        part = generator.signals(w, window=Window(top, left, size, full))
        torch.testing.assert_close(part[32], whole, rtol=1e-5, atol=1e-5)
        assert [level for level in part if level < 32] == [r for r in (4, 8, 16) if r <= full]


class TestNoise:
    def test_const_is_repeatable_and_random_follows_its_generator(self, generator, w):
        def random(seed):
            g = torch.Generator().manual_seed(seed)
            return generator.signals(w, noise="random", generator=g)[32]

        same = generator.signals(w)[32]
        torch.testing.assert_close(generator.signals(w)[32], same, rtol=0, atol=0)
        torch.testing.assert_close(random(1), random(1), rtol=0, atol=0)
        assert not torch.allclose(random(1), random(2))
        assert not torch.allclose(generator.signals(w, noise="none")[32], same)

    def test_given_noise_gets_a_gradient(self, generator, w):
        noise = [n.requires_grad_() for n in generator.noise()]
        assert len(noise) == len(generator.layers())
        out = generator.signals(w, noise=noise)[32]
        torch.testing.assert_close(out, generator.signals(w)[32])
        out.sum().backward()
        assert all(n.grad.abs().sum() > 0 for n in noise)

    def test_unknown_kind(self, generator, w):
        with pytest.raises(ValueError, match="noise must be"):
            generator.signals(w, noise="some")


class TestPrecisionAndLayout:
    def test_channels_last_changes_nothing(self, w):
        plain, turned = awake(), awake()
        turned.to(memory_format=torch.channels_last)
        torch.testing.assert_close(
            plain.signals(w)[32], turned.signals(w)[32], rtol=1e-4, atol=1e-4
        )  # fmt: skip

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_features(self, dtype):
        config = GeneratorConfig((24, 24, 24, 24, 24), z_dim=8, w_dim=16, mapping_layers=1)
        generator = awake(config)
        w = generator.map(torch.randn(1, 8, generator=torch.Generator().manual_seed(0))).detach()
        exact = generator.signals(w)[64]
        half = generator.signals(w, dtype=dtype)[64]
        assert half.dtype == torch.float32
        assert (half - exact).abs().mean() < 0.01

    def test_same_seed_same_network_and_the_global_one_is_untouched(self):
        torch.manual_seed(5)
        before = torch.get_rng_state()
        a, b, c = (ReflectanceGenerator(GENERATORS["tiny"], s) for s in (1, 1, 2))
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(a.synthesis.start, b.synthesis.start)
        assert not torch.equal(a.synthesis.start, c.synthesis.start)


class TestStatistics:
    def test_truncation_goes_to_the_mean(self):
        generator = awake()
        generator.measure_w(torch.Generator().manual_seed(0), 4000)
        z = torch.randn(4000, 16, generator=torch.Generator().manual_seed(1))
        generator.requires_grad_(False)
        w = generator.map(z)
        torch.testing.assert_close(w.mean(0), generator.w_mean, rtol=0, atol=0.1)
        torch.testing.assert_close(torch.cov(w.T), generator.w_covariance, rtol=0, atol=0.15)
        half = generator.map(z, truncation=0.5)
        torch.testing.assert_close(half - generator.w_mean, 0.5 * (w - generator.w_mean))
        torch.testing.assert_close(
            generator.map(z[:1], truncation=0.0)[0], generator.w_mean
        )  # fmt: skip
        assert float(generator.regularizer(w)) == pytest.approx(1, abs=0.1)
        assert float(generator.regularizer(generator.broadcast(w))) == pytest.approx(1, abs=0.1)
        far = generator.w_mean + 3 * (w - generator.w_mean)
        assert float(generator.regularizer(far)) == pytest.approx(9, abs=0.9)

    def test_unmeasured(self):
        with pytest.raises(ValueError, match="measure_w"):
            awake().regularizer(torch.zeros(1, 24))


class TestFiles:
    def test_round_trip_in_half_precision(self, generator, w, tmp_path):
        path = tmp_path / "g.safetensors"
        generator.save(path, {"note": "x"})
        loaded = ReflectanceGenerator.load(path)
        assert loaded.config == generator.config
        assert not any(p.requires_grad for p in loaded.parameters())
        difference = loaded.signals(w)[32] - generator.signals(w)[32]
        assert difference.abs().max() < 0.01
        tensors = safetensors.torch.load_file(path)
        assert {t.dtype for n, t in tensors.items() if not n.startswith("w_")} == {torch.float16}
        assert not any("noise" in n and "strength" not in n for n in tensors)

    def test_the_cpu_preset_loads_quickly(self, tmp_path):
        path = tmp_path / "g.safetensors"
        ReflectanceGenerator(GENERATORS["cpu"]).save(path)
        assert 10e6 < path.stat().st_size < 40e6
        start = time.process_time()
        ReflectanceGenerator.load(path)
        assert time.process_time() - start < 4  # seconds; 2 is the aim, on a machine at rest

    def test_bad_files(self, generator, tmp_path):
        with pytest.raises(InputError, match="no readable"):
            ReflectanceGenerator.load(tmp_path / "missing.safetensors")
        broken = tmp_path / "broken.safetensors"
        broken.write_bytes(generator.to_bytes()[:500])
        with pytest.raises(InputError, match="no readable"):
            ReflectanceGenerator.load(broken)
        other = tmp_path / "other.safetensors"
        other.write_bytes(safetensors.torch.save({"a": torch.zeros(1)}))
        with pytest.raises(InputError, match="not a reflectance generator"):
            ReflectanceGenerator.load(other)
        tensors = {k: v.half().contiguous() for k, v in generator.state_dict().items()}
        for bad in ('{"channels": [5]}', "[]", '{"channels": [24, 24], "evil": 1}'):
            metadata = {"format": "fitme-reflectance-generator-1", "config": bad}
            other.write_bytes(safetensors.torch.save(tensors, metadata))
            with pytest.raises(InputError, match="damaged"):
                ReflectanceGenerator.load(other)

    def test_not_finite_weights_are_refused(self):
        broken = awake()
        with torch.no_grad():
            broken.synthesis.start[0, 0] = 1e6  # above the range of float16
        with pytest.raises(ValueError, match="not finite in half precision"):
            broken.to_bytes()


class TestMaps:
    def test_round_trip(self):
        g = torch.Generator().manual_seed(0)
        slopes = torch.randn(1, 8, 8, 2, generator=g) * 0.5
        normal = torch.nn.functional.normalize(
            torch.cat([slopes, torch.ones(1, 8, 8, 1)], -1), dim=-1
        )
        maps = ReflectanceMaps(
            torch.rand(1, 8, 8, 3, generator=g), torch.rand(1, 8, 8, 1, generator=g) * 0.15, normal
        )
        signal = maps.to_signal()
        assert signal.shape == (1, 6, 8, 8) and signal.abs().max() <= 1
        back = ReflectanceMaps.from_signal(signal)
        torch.testing.assert_close(back.diffuse_albedo, maps.diffuse_albedo, rtol=0, atol=1e-5)
        torch.testing.assert_close(back.specular_albedo, maps.specular_albedo, rtol=0, atol=1e-6)
        torch.testing.assert_close(back.normal, maps.normal, rtol=0, atol=1e-5)

    def test_slopes_are_sinh_of_the_raw_output(self):
        raw = torch.linspace(-3, 3, 13).reshape(1, 1, 1, 13).expand(1, 6, 1, 13)
        normal = ReflectanceMaps.from_signal(torch.tanh(raw)).normal
        slopes = normal[0, 0, :, 0] / normal[0, 0, :, 2]
        torch.testing.assert_close(slopes, torch.sinh(raw[0, 0, 0]) / 2, rtol=1e-3, atol=1e-4)

    def test_gradients_stay_finite_at_the_edges(self):
        raw = torch.tensor([-30.0, 0.0, 30.0]).reshape(1, 1, 1, 3).repeat(1, 6, 1, 1)
        raw.requires_grad_()
        maps = ReflectanceMaps.from_signal(torch.tanh(raw))
        (maps.diffuse_albedo.sum() + maps.specular_albedo.sum() + maps.normal.sum()).backward()
        assert raw.grad.isfinite().all()

    def test_wrong_shape(self):
        with pytest.raises(ValueError, match=r"\(B, 6, H, W\)"):
            ReflectanceMaps.from_signal(torch.zeros(1, 7, 4, 4))
