"""Equalised layers and the modulated convolution against a naive reference."""

import math

import pytest
import torch
import torch.nn.functional as F

from fitme.models.stylegan2.filters import binomial, upfirdn
from fitme.models.stylegan2.layers import EqualConv, EqualLinear, modulated_conv


def naive(x, weight, style, bias, up, demodulate, gain):
    """Sample by sample, straight from the paper's equations 1 to 3."""
    out = []
    for image, s in zip(x, style, strict=True):
        w = weight * s[None, :, None, None]
        if demodulate:
            w = w / (w.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        w = w * gain
        if up:
            y = F.conv_transpose2d(image[None], w.transpose(0, 1), stride=2)
            y = upfirdn(y, binomial(4.0), pad=1)
        else:
            y = F.conv2d(image[None], w, padding=w.shape[-1] // 2)
        out.append(y + bias[:, None, None])
    return torch.cat(out)


def inputs(batch=3, channels=5, outputs=4, kernel=3, size=6, dtype=torch.float64):
    g = torch.Generator().manual_seed(1)
    x = torch.randn(batch, channels, size, size, generator=g, dtype=dtype)
    weight = torch.randn(outputs, channels, kernel, kernel, generator=g, dtype=dtype)
    style = torch.randn(batch, channels, generator=g, dtype=dtype)
    bias = torch.randn(outputs, generator=g, dtype=dtype)
    return x, weight, style, bias


class TestModulatedConv:
    @pytest.mark.parametrize("path", ["weights", "features", "auto"])
    @pytest.mark.parametrize("up", [False, True])
    @pytest.mark.parametrize("demodulate", [False, True])
    @pytest.mark.parametrize("batch", [1, 3])
    def test_paths_agree_with_the_naive_reference(self, path, up, demodulate, batch):
        x, weight, style, bias = inputs(batch)
        out = modulated_conv(
            x, weight, style, bias, up=up, demodulate=demodulate, gain=1.7, path=path
        )
        wanted = naive(x, weight, style, bias, up, demodulate, 1.7)
        torch.testing.assert_close(out, wanted, rtol=1e-6, atol=1e-6)

    def test_pointwise_kernel(self):
        x, weight, style, bias = inputs(kernel=1)
        out = modulated_conv(x, weight, style, bias, demodulate=False)
        torch.testing.assert_close(out, naive(x, weight, style, bias, False, False, 1.0))

    @pytest.mark.parametrize("path", ["weights", "features"])
    @pytest.mark.parametrize("up", [False, True])
    def test_gradcheck(self, path, up):
        x, weight, style, bias = inputs(2, 3, 2, size=3)
        leaves = [t.requires_grad_() for t in (x, weight, style, bias)]
        assert torch.autograd.gradcheck(
            lambda *t: modulated_conv(*t, up=up, path=path), leaves, atol=1e-4
        )

    def test_second_derivatives(self):
        # Path-length regularisation differentiates twice.
        x, weight, style, bias = inputs(1, 2, 1, size=2)
        leaves = [t.requires_grad_() for t in (x, weight, style, bias)]
        assert torch.autograd.gradgradcheck(
            lambda *t: modulated_conv(*t), leaves, atol=1e-3
        )  # fmt: skip

    def test_demodulation_gives_unit_variance(self):
        g = torch.Generator().manual_seed(0)
        x = torch.randn(2, 64, 32, 32, generator=g)
        weight = torch.randn(48, 64, 3, 3, generator=g)
        style = torch.randn(2, 64, generator=g).exp() * 100  # whatever the styles
        out = modulated_conv(x, weight, style)[..., 1:-1, 1:-1]
        assert out.std((2, 3)).mean() == pytest.approx(1, abs=0.03)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    @pytest.mark.parametrize("path", ["weights", "features"])
    def test_half_precision_with_large_styles(self, dtype, path):
        g = torch.Generator().manual_seed(0)
        x = torch.randn(1, 64, 8, 8, generator=g)
        weight = torch.randn(48, 64, 3, 3, generator=g) * 50
        style = torch.randn(1, 64, generator=g) * 1e4  # the plain product overflows float16
        exact = modulated_conv(x, weight, style, path=path)
        half = modulated_conv(x.to(dtype), weight, style, path=path)
        assert half.dtype == dtype
        tolerance = 0.05 if dtype == torch.bfloat16 else 0.01
        assert (half.float() - exact).abs().max() < tolerance * 4

    def test_channels_last_is_kept(self):
        x, weight, style, bias = inputs(1, 8, 8, size=8, dtype=torch.float32)
        x = x.to(memory_format=torch.channels_last)
        for path in ("weights", "features"):
            out = modulated_conv(x, weight, style, bias, path=path)
            assert out.is_contiguous(memory_format=torch.channels_last)


class TestEqualised:
    @pytest.fixture(autouse=True)
    def seeded(self):
        torch.manual_seed(0)
        with torch.no_grad():
            yield

    def test_variance_does_not_depend_on_width(self):
        g = torch.Generator().manual_seed(1)
        for inputs_, rate in ((16, 1.0), (512, 1.0), (512, 0.01)):
            layer = EqualLinear(inputs_, 400, rate=rate)
            out = layer(torch.randn(400, inputs_, generator=g))
            assert out.std() == pytest.approx(1, abs=0.05)
            assert layer.weight.std() == pytest.approx(1 / rate, rel=0.05)

    def test_activation_restores_the_second_moment(self):
        x = torch.randn(500, 256)
        out = EqualLinear(256, 256, activate=True)(x)
        # E[lrelu(x)^2] 2 = 1 + 0.2^2 for a unit normal x.
        assert out.square().mean() == pytest.approx(1.04, abs=0.05)

    def test_bias_has_the_rate_too(self):
        layer = EqualLinear(4, 2, bias=1.0, rate=0.01)
        torch.testing.assert_close(layer(torch.zeros(1, 4)), torch.ones(1, 2))

    def test_convolution_halves_without_shift(self):
        layer = EqualConv(3, 5, down=True)
        assert layer(torch.randn(2, 3, 16, 16)).shape == (2, 5, 8, 8)
        assert EqualConv(3, 5, 1, down=True, bias=False, activate=False)(
            torch.randn(2, 3, 16, 16)
        ).shape == (2, 5, 8, 8)
        plain = EqualConv(64, 64, activate=False)
        out = plain(torch.randn(2, 64, 16, 16))[..., 1:-1, 1:-1]
        assert out.std() == pytest.approx(1, abs=0.05)
        assert math.isclose(plain.scale, 1 / math.sqrt(64 * 9))
