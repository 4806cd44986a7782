"""Losses of generator training, against values known by hand."""

import math

import pytest
import torch
from torch import nn

from fitme.models.train import losses_gan as losses


def test_logistic_losses():
    zero = torch.zeros(3)
    assert losses.generator_logistic(zero) == pytest.approx(math.log(2))
    assert losses.discriminator_logistic(zero, zero) == pytest.approx(2 * math.log(2))
    assert losses.discriminator_logistic(zero + 20, zero - 20) == pytest.approx(0, abs=1e-6)
    logits = torch.zeros(2, requires_grad=True)
    losses.generator_logistic(logits).backward()
    assert (logits.grad < 0).all()  # the generator wants larger logits


def test_r1_of_a_linear_critic_is_its_squared_weight():
    weight = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    real = torch.randn(5, 3, 4, 4, requires_grad=True)
    penalty = losses.r1_penalty(real, (real * weight).sum((1, 2, 3)))
    torch.testing.assert_close(penalty, weight.square().sum())


def test_r1_of_a_quadratic_critic_and_its_gradient():
    real = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    scale = torch.tensor(0.7, requires_grad=True)
    penalty = losses.r1_penalty(real, scale * real.square().sum((1, 2, 3)))
    wanted = 4 * 0.7**2 * real.detach().square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(penalty, wanted)
    penalty.backward()
    torch.testing.assert_close(scale.grad, 2 * wanted / 0.7)


def test_path_length_of_a_linear_generator():
    g = torch.Generator().manual_seed(0)
    jacobian = torch.randn(6 * 16, 2 * 5, generator=g)  # W+ of two vectors of five
    w = torch.randn(3, 2, 5, generator=g, requires_grad=True)
    signal = (w.flatten(1) @ jacobian.T).reshape(3, 6, 4, 4)
    direction = torch.randn(signal.shape, generator=g)
    lengths = losses.path_lengths(signal, w, direction)
    rows = (direction.flatten(1) @ jacobian / 4).reshape(3, 2, 5)
    torch.testing.assert_close(lengths, rows.square().sum(2).mean(1).sqrt())


def test_path_penalty_moves_its_mean():
    penalty, mean = losses.path_penalty(torch.tensor([2.0, 4.0]), torch.tensor(0.0), decay=0.5)
    assert mean == 1.5
    assert penalty == pytest.approx((0.5**2 + 2.5**2) / 2)


def test_path_length_where_nothing_is_learned_yet_has_a_gradient():
    w = torch.randn(1, 2, 5, requires_grad=True)
    weight = torch.zeros(5, requires_grad=True)
    signal = (w.sum(1) * weight).reshape(1, 5, 1, 1)
    losses.path_lengths(signal, w, torch.ones_like(signal)).sum().backward()
    assert weight.grad.isfinite().all()


def test_laplacian_sees_structure_and_not_the_mean():
    g = torch.Generator().manual_seed(0)
    target = torch.zeros(1, 1, 64, 64)
    grain = torch.randn(1, 1, 64, 64, generator=g)
    assert losses.laplacian_l1(target, target) == 0
    inner = losses.laplacian_l1(target + 0.5, target)  # a constant shows at the border only
    assert inner < 0.1 * losses.l1(target + 0.5, target)
    assert losses.laplacian_l1(target + grain, target) > 0.4 * losses.l1(target + grain, target)


def test_exits_compare_each_level_with_the_shrunk_target():
    target = torch.rand(1, 6, 32, 32)
    half = torch.nn.functional.avg_pool2d(target, 2)
    assert losses.exits_l1({16: half, 32: target * 0}, target) == pytest.approx(0, abs=1e-6)
    assert losses.exits_l1({16: half + 1, 32: target}, target) == pytest.approx(1)
    assert losses.exits_l1({8: half, 32: target}, target) == 0  # below the lowest that counts


def test_moving_average():
    average, module = nn.Linear(3, 2), nn.Linear(3, 2)
    wanted = 0.9 * average.weight.detach() + 0.1 * module.weight.detach()
    losses.update_ema(average, module, 0.9)
    torch.testing.assert_close(average.weight.detach(), wanted)


def test_moving_average_ramps_up():
    early = losses.ema_decay(8, 100, half_life=10_000)
    late = losses.ema_decay(8, 10_000_000, half_life=10_000)
    assert early == pytest.approx(0.5 ** (8 / 5))
    assert late == pytest.approx(0.5 ** (8 / 10_000))
