"""The generator's linear base: principal components of training draws, and a mapping to them.

Closed form where a closed form exists: the components are measured, then the mapping network is
trained to give their coefficients, which touches no map and takes a minute. What is left for
the convolutions to learn is what is not linear.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fitme.models.stylegan2 import ReflectanceGenerator, mirror_signal
from fitme.models.stylegan2.synthesis import LinearBase
from fitme.models.train.reflectance_data import DataSource
from fitme.models.train.reflectance_prior import ParameterPrior
from fitme.runtime.errors import FitmeError

RAW_LIMIT = 0.9995  # of signals before atanh
HELD_OUT = 16  # one draw of so many tells when to stop
BATCH = 256


@torch.no_grad()
def principal_components(raw: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of raw maps [N,6,R,R] and their mirror images: mean [6,R,R], components [count,6,R,R] times
    their standard deviation, coefficients [2N,count] of unit variance, mirror images last.

    Mirror images make every component symmetric or antisymmetric. Raises ValueError where there
    are fewer than `count` maps.
    """
    if len(raw) < count:
        raise ValueError(f"{count} components need at least as many maps, got {len(raw)}")
    both = torch.cat([raw, mirror_signal(raw)]).float().flatten(1)
    mean = both.mean(0)
    both -= mean
    u, s, v = torch.pca_lowrank(both, q=count, center=False, niter=3)
    spread = s / len(both) ** 0.5
    shape = raw.shape[1:]
    return mean.view(shape), (v * spread).T.reshape(count, *shape), u * len(both) ** 0.5


@torch.no_grad()
def refit_base(
    model: ReflectanceGenerator,
    source: DataSource,
    prior: ParameterPrior,
    draws: tuple[Tensor, Tensor],
    generator: torch.Generator,
) -> float:
    """Measure `model`'s base anew on draws (parameters [N,P], raw maps [N,6,R,R]) without touching
    W: mean and components are the least squares of the maps, and of their mirror images, on the
    coefficients that its mapping network gives. Returns the share of variance left."""
    parameters, raw = draws
    base = base_of(model)
    device = model.device
    both = torch.cat([parameters, source.mirror_parameters(parameters)]).to(device)
    local = torch.Generator(device).manual_seed(_seed(generator))
    x = base.coefficients(model.map(prior.z(both, model.config.z_dim, local))).double()
    x = torch.cat([torch.ones_like(x[:, :1]), x], 1)  # [2N,1+C]
    maps = torch.cat([raw, mirror_signal(raw)]).to(device).flatten(1)
    right = torch.cat([x.T @ part.double() for part in maps.split(16_384, 1)], 1)
    found = torch.linalg.solve(x.T @ x, right).float()
    shape = raw.shape[1:]
    base.mean.copy_(found[0].view(shape))
    base.components.copy_(found[1:].view(-1, *shape))
    left = total = 0.0
    for part, line in zip(maps.split(16_384, 1), found.split(16_384, 1), strict=True):
        part = part.float()
        left += float((part - x.float() @ line).square().sum())
        total += float((part - part.mean(0)).square().sum())
    return left / total


def _seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31, (1,), generator=generator))


def base_of(model: ReflectanceGenerator) -> LinearBase:
    """Raises FitmeError where there is none."""
    if model.synthesis.base is None:
        raise FitmeError("this generator has no linear base")
    return model.synthesis.base


def fit_base(
    model: ReflectanceGenerator,
    source: DataSource,
    prior: ParameterPrior,
    draws: tuple[Tensor, Tensor],
    generator: torch.Generator,
    report: Callable[[str], None],
    steps: int = 4000,
) -> None:
    """Measure `model`'s base on draws (parameters [N,P], raw maps [N,6,R,R]) and train its
    mapping network and coefficients on them; CPU generator."""
    parameters, raw = draws
    base = base_of(model)
    device = model.device
    with torch.random.fork_rng(devices=[]):  # pca_lowrank starts from random directions
        torch.manual_seed(_seed(generator))
        mean, components, targets = principal_components(
            raw.to(device), len(base.components)
        )  # fmt: skip
    base.mean.copy_(mean)
    base.components.copy_(components)
    both = torch.cat([parameters, source.mirror_parameters(parameters)]).to(device)
    # Coefficients count by what they do to the maps: the components' squared size.
    weight = components.flatten(1).square().sum(1)
    weight = weight / weight.sum()
    local = torch.Generator(device).manual_seed(_seed(generator))
    order = torch.randperm(len(parameters), generator=generator).to(device)
    held = torch.zeros(len(both), dtype=torch.bool, device=device)
    chosen = order[: max(1, len(order) // HELD_OUT)]
    held[chosen], held[chosen + len(parameters)] = True, True
    train = (~held).nonzero()[:, 0]

    learned = [*model.mapping.parameters(), *base.coefficients.parameters()]
    rate = model.config.mapping_rate  # parameters of the mapping network are stored larger by it
    optimizer = torch.optim.AdamW(
        [{"params": learned[:-2], "lr": 2e-3 / rate, "weight_decay": 1e-4 * rate},
         {"params": learned[-2:], "lr": 2e-3}], betas=(0.9, 0.99),
    )  # fmt: skip
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [2e-3 / rate, 2e-3], total_steps=steps, pct_start=0.1
    )
    best, kept = float("inf"), [p.detach().clone() for p in learned]

    def miss(rows: Tensor) -> Tensor:
        z = prior.z(both[rows], model.config.z_dim, local)
        error = base.coefficients(model.map(z)) - targets[rows]
        return (error.square() * weight).sum(1).mean()

    for step in range(steps):
        picked = torch.randint(len(train), (BATCH,), generator=local, device=device)
        loss = miss(train[picked])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 199 or step == steps - 1:
            with torch.no_grad():
                value = float(miss(held.nonzero()[:, 0]))
            report(f"base: step {step + 1} of {steps}, unexplained variance "
                   f"{float(loss.detach()):.4f}, held out {value:.4f}")  # fmt: skip
            if value < best:
                best, kept = value, [p.detach().clone() for p in learned]
    with torch.no_grad():
        for parameter, value_ in zip(learned, kept, strict=True):
            parameter.copy_(value_)
