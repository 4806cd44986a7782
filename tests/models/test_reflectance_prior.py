"""Parameters to z: normal, independent, invertible."""

import pytest
import torch

from fitme.models.train.reflectance_prior import ParameterPrior, sliced_distance


def draws(count, seed=0):
    """Uniform, cut normal (an atom at each end), a coin, exponential."""
    g = torch.Generator().manual_seed(seed)
    uniform = torch.rand(count, generator=g)
    cut = torch.randn(count, generator=g).clamp(-1, 1)
    coin = (torch.rand(count, generator=g) < 0.3).float()
    waiting = -torch.rand(count, generator=g).clamp_min(1e-6).log()
    return torch.stack([uniform, cut, coin, waiting], 1)


@pytest.fixture(scope="module")
def prior() -> ParameterPrior:
    return ParameterPrior.fit(draws(50_000))


def test_scores_are_standard_normal(prior):
    z = prior.z(draws(40_000, 1), 6, torch.Generator().manual_seed(2))
    assert z.shape == (40_000, 6)
    torch.testing.assert_close(z.mean(0), torch.zeros(6), rtol=0, atol=0.02)
    torch.testing.assert_close(torch.cov(z.T), torch.eye(6), rtol=0, atol=0.03)
    levels = torch.tensor([0.01, 0.1, 0.5, 0.9, 0.99])
    wanted = torch.special.ndtri(levels)
    for column in z.T:
        torch.testing.assert_close(torch.quantile(column, levels), wanted, rtol=0, atol=0.08)


def test_scores_keep_the_order_and_invert(prior):
    parameters = draws(500, 3)
    jitter = torch.rand(500, 4, generator=torch.Generator().manual_seed(4))
    scores = prior.scores(parameters, jitter)
    for column in (0, 3):  # without atoms
        order = parameters[:, column].argsort()
        assert (scores[order, column].diff() >= 0).all()
    back = prior.parameters(scores)
    # At the edge of an atom a score may fall between its last knot and the next value.
    assert ((back[:, :3] - parameters[:, :3]).abs() > 2e-3).float().mean() < 0.005
    common = parameters[:, 3] < 5  # the tail ends at the last knot
    torch.testing.assert_close(back[common, 3], parameters[common, 3], rtol=0.02, atol=2e-3)


def test_dependent_parameters_are_refused():
    parameters = draws(5000)
    parameters[:, 1] = parameters[:, 0]
    with pytest.raises(ValueError, match="independent"):
        ParameterPrior.fit(parameters)


def test_a_constant_parameter_becomes_noise():
    parameters = draws(5000)
    parameters[:, 2] = 0.5
    z = ParameterPrior.fit(parameters).z(parameters, 4, torch.Generator().manual_seed(0))
    assert z[:, 2].std() == pytest.approx(1, abs=0.05)


def test_too_small_a_z(prior):
    with pytest.raises(ValueError, match="cannot hold"):
        prior.z(draws(3), 3, torch.Generator())


def test_sliced_distance():
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(2000, 8, generator=g), torch.randn(2000, 8, generator=g)
    assert sliced_distance(a, b, g) < 0.05
    assert sliced_distance(a, b + 1, g) > 0.5
