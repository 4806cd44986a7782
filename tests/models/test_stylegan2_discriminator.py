"""The branched discriminator: shapes, gradients, what joins where."""

import pytest
import torch

from fitme.models.stylegan2 import Discriminator, discriminator_config
from fitme.models.stylegan2.discriminator import _append_stddev, place

WHOLE = torch.tensor([[0.0, 0.0, 1.0]])


@pytest.fixture(scope="module")
def discriminator() -> Discriminator:
    return Discriminator(discriminator_config("tiny", 32))


def test_logits_and_gradients(discriminator):
    x = torch.randn(4, 6, 32, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    logits = discriminator(x, WHOLE.expand(4, 3))
    assert logits.shape == (4,)
    logits.sum().backward()
    assert (x.grad.abs().sum((2, 3)) > 0).all()  # every modality is judged
    assert all(p.grad is not None and p.grad.isfinite().all() for p in discriminator.parameters())


def test_input_gradient_is_right():
    # A two-sample minibatch deviation near zero has no derivative, hence the single sample.
    network = Discriminator(discriminator_config("tiny", 16)).double().requires_grad_(False)
    g = torch.Generator().manual_seed(1)
    x, direction = (torch.randn(1, 6, 16, 16, generator=g).double() for _ in range(2))
    x.requires_grad_()

    def logit(signal: torch.Tensor) -> torch.Tensor:
        return network(signal, WHOLE.double(), torch.float64).sum()

    (gradient,) = torch.autograd.grad(logit(x), [x])
    step = 1e-6
    with torch.no_grad():
        change = logit(x + step * direction) - logit(x - step * direction)
    slope = float((gradient * direction).sum())
    assert float(change) / (2 * step) == pytest.approx(slope, rel=1e-4)


def test_branches_do_not_see_each_other(discriminator):
    x = torch.randn(1, 6, 32, 32, requires_grad=True)
    where = place(1, 32, WHOLE)
    branch = discriminator.branches["specular_albedo"](torch.cat([x[:, 3:4], where], 1))
    branch.sum().backward()
    assert x.grad[:, 3].abs().sum() > 0
    assert x.grad[:, [0, 1, 2, 4, 5]].abs().sum() == 0


def test_place_of_a_crop_is_part_of_the_whole():
    whole = place(1, 32, WHOLE)
    crop = place(2, 8, torch.tensor([[0.5, 0.25, 0.25]]).expand(2, 3))
    torch.testing.assert_close(crop[1], whole[0, :, 8:16, 16:24])


def test_minibatch_deviation():
    x = torch.randn(4, 3, 4, 4)
    same = _append_stddev(x[:1].repeat(4, 1, 1, 1), 4)[:, 3]
    assert same.abs().max() < 1e-3
    wanted = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
    torch.testing.assert_close(_append_stddev(x, 4)[:, 3], wanted.expand(4, 4, 4))
    assert _append_stddev(torch.randn(3, 3, 4, 4), 4).shape == (3, 4, 4, 4)  # an odd batch


def test_a_larger_one_adopts_what_fits():
    small = Discriminator(discriminator_config("cpu", 64), seed=1)
    large = Discriminator(discriminator_config("cpu", 128), seed=2)
    large.adopt(small.state_dict())
    mine, theirs = large.state_dict(), small.state_dict()
    shared = [name for name in theirs if name in mine]
    assert len(shared) == len(theirs) - 6  # all but three layers "from64", weight and bias
    assert all(torch.equal(mine[name], theirs[name]) for name in shared)


def test_wrong_sizes(discriminator):
    with pytest.raises(ValueError, match=r"\(B, 6, 32, 32\)"):
        discriminator(torch.zeros(1, 6, 16, 16), WHOLE)
    with pytest.raises(ValueError, match="resolution must be"):
        discriminator_config("cpu", 1024)
