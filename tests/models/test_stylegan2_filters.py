"""Resampling filters against a direct definition in numpy."""

import numpy as np
import pytest
import torch

from fitme.models.stylegan2.filters import binomial, downsample, shrink, upfirdn, upsample


def direct(x: np.ndarray, kernel: np.ndarray, up: int, down: int, before: int, after: int):
    """Zero-stuff, pad, correlate, decimate one image [H,W]."""
    stuffed = np.zeros((x.shape[0] * up, x.shape[1] * up))
    stuffed[::up, ::up] = x
    padded = np.pad(stuffed, (before, after))
    k = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k))
    return (windows * kernel).sum((2, 3))[::down, ::down]


@pytest.mark.parametrize(
    ("up", "down", "pad"), [(1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 2), (3, 1, 1)]
)
def test_upfirdn_is_stuff_pad_correlate_decimate(up, down, pad):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 7, 9, generator=generator, dtype=torch.float64)
    kernel = torch.rand(4, 4, generator=generator, dtype=torch.float64)  # not symmetric
    out = upfirdn(x, kernel, up=up, down=down, pad=pad)
    for image in range(2):
        for channel in range(3):
            wanted = direct(x[image, channel].numpy(), kernel.numpy(), up, down, pad, pad)
            np.testing.assert_allclose(out[image, channel].numpy(), wanted, atol=1e-12)


def test_upfirdn_adds_the_bias_last():
    x, bias = torch.randn(1, 2, 6, 6), torch.tensor([1.0, -2.0])
    with_bias = upfirdn(x, binomial(), bias, pad=1)
    torch.testing.assert_close(with_bias, upfirdn(x, binomial(), pad=1) + bias[:, None, None])


def test_upfirdn_refuses_both_at_once():
    with pytest.raises(ValueError, match="not both"):
        upfirdn(torch.zeros(1, 1, 8, 8), binomial(), up=2, down=2)


def test_upsample_is_the_stylegan2_filter():
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    wanted = direct(x[0, 0].numpy(), binomial(4.0).double().numpy(), 2, 1, 2, 1)
    np.testing.assert_allclose(upsample(x)[0, 0].numpy(), wanted, atol=1e-12)


def test_constants_stay_inside_and_means_stay():
    ones = torch.ones(1, 2, 16, 16)
    torch.testing.assert_close(upsample(ones)[..., 2:-2, 2:-2], torch.ones(1, 2, 28, 28))
    torch.testing.assert_close(downsample(ones)[..., 1:-1, 1:-1], torch.ones(1, 2, 6, 6))
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(shrink(x, 8).mean((2, 3)), x.mean((2, 3)))


def test_shrink_refuses_what_is_no_power_of_two():
    with pytest.raises(ValueError, match="power of two"):
        shrink(torch.zeros(1, 1, 24, 24), 8)
