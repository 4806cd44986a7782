from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from fitme.image.color import (
    individual_typology_angle,
    linear_to_lab,
    linear_to_srgb,
    luminance,
    srgb_to_linear,
)


def test_transfer_matches_the_standard() -> None:
    # IEC 61966-2-1: the straight part, 18 % grey, the ends.
    srgb = torch.tensor([0.0, 0.02, 0.04045, 0.5, 1.0], dtype=torch.float64)
    expected = [0.0, 0.02 / 12.92, 0.04045 / 12.92, 0.21404114, 1.0]
    assert srgb_to_linear(srgb).tolist() == pytest.approx(expected, abs=1e-8)


def test_transfer_round_trips_every_byte_and_is_monotonic() -> None:
    srgb = torch.arange(256) / 255
    linear = srgb_to_linear(srgb)
    assert (linear.diff() > 0).all()
    torch.testing.assert_close(linear_to_srgb(linear), srgb, atol=1e-6, rtol=0)


@pytest.mark.parametrize("function", [srgb_to_linear, linear_to_srgb])
def test_transfer_gradient_is_finite_at_and_below_zero(function) -> None:
    values = torch.tensor([-0.1, 0.0, 1e-12, 0.001, 0.5, 1.0, 3.0], requires_grad=True)
    function(values).sum().backward()
    assert torch.isfinite(values.grad).all()
    assert (values.grad > 0).all()


@pytest.mark.parametrize("function", [srgb_to_linear, linear_to_srgb])
def test_transfer_gradcheck(function) -> None:
    values = torch.tensor([0.0, 0.001, 0.2, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, (values,))


def test_lab_agrees_with_scikit_image() -> None:
    srgb = torch.rand(50, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    lab = linear_to_lab(srgb_to_linear(srgb)).numpy()
    np.testing.assert_allclose(lab, rgb2lab(srgb.numpy()), atol=0.1)


def test_lab_of_greys_is_neutral_and_black_has_a_gradient() -> None:
    greys = torch.tensor([[0.0] * 3, [0.18] * 3, [1.0] * 3], requires_grad=True)
    lab = linear_to_lab(greys)
    torch.testing.assert_close(lab[:, 1:], torch.zeros(3, 2), atol=1e-4, rtol=0)
    assert lab[2, 0].item() == pytest.approx(100, abs=1e-3)
    lab.sum().backward()
    assert torch.isfinite(greys.grad).all()


def test_luminance_weighs_to_one() -> None:
    assert luminance(torch.ones(2, 2, 3)).flatten().tolist() == pytest.approx([1.0] * 4)


@pytest.mark.parametrize(
    ("srgb", "low", "high"),
    [((241, 212, 193), 55, 90), ((198, 150, 115), 10, 41), ((84, 52, 38), -90, -30)],
    ids=["light", "tan", "dark"],
)
def test_typology_angle_orders_skin_colours(srgb, low, high) -> None:
    angle = individual_typology_angle(srgb_to_linear(torch.tensor(srgb) / 255))
    assert low < angle.item() < high


def test_typology_angle_of_a_lab_value_by_hand() -> None:
    linear = srgb_to_linear(torch.tensor([200, 160, 130]) / 255)
    lightness, _, b = linear_to_lab(linear).tolist()
    expected = np.degrees(np.arctan((lightness - 50) / b))
    assert individual_typology_angle(linear).item() == pytest.approx(expected, abs=1e-3)
