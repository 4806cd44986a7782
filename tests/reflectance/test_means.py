from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.reflectance.means import box_mean, window_mean


def pooled(images: Tensor, height: int, width: int) -> Tensor:
    """Torch's own."""
    reach = (height // 2, width // 2)
    return F.avg_pool2d(images, (height, width), 1, reach, count_include_pad=False)


@pytest.mark.parametrize("last", [False, True], ids=["planes", "channels_last"])
@pytest.mark.parametrize("window", [(1, 1), (3, 3), (11, 1), (1, 11), (5, 21)])
def test_as_torchs_average_pooling(window: tuple[int, int], last: bool) -> None:
    images = torch.randn(2, 3, 40, 31, generator=torch.Generator().manual_seed(0))
    if last:
        images = images.movedim(1, -1).contiguous().movedim(-1, 1)
    wanted, got = pooled(images, *window), window_mean(images, *window)
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-6)
    assert got.stride() == wanted.stride()


def test_a_window_larger_than_the_image_is_its_mean() -> None:
    images = torch.randn(1, 2, 5, 4, generator=torch.Generator().manual_seed(1))
    mean = images.mean((2, 3), keepdim=True).expand_as(images)
    torch.testing.assert_close(window_mean(images, 11, 9), mean, rtol=1e-5, atol=1e-6)


def test_gradients_flow() -> None:
    images = torch.randn(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: window_mean(x, 3, 1), (images,))
    single = images.detach().float().requires_grad_()
    window_mean(single, 3, 3).sum().backward()
    plain = single.detach().requires_grad_()
    pooled(plain, 3, 3).sum().backward()
    assert torch.equal(single.grad, plain.grad)


def test_a_box_is_columns_then_rows() -> None:
    images = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(box_mean(images, 3), pooled(images, 7, 7), rtol=1e-5, atol=1e-6)
