"""One optimisation step of each kind. They compute gradients and step; no bookkeeping."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.models.stylegan2 import Discriminator, ReflectanceGenerator, Window
from fitme.models.stylegan2.filters import shrink
from fitme.models.train import losses_gan as losses
from fitme.models.train.reflectance_config import TrainConfig
from fitme.models.train.reflectance_data import Augmentation, crop, extent_of

Losses = dict[str, Tensor]


@dataclass
class Batch:
    """What a step is fed, all on the training device."""

    z: Tensor  # [B,z_dim]; the first `paired` rows are the scores of the targets' parameters
    target: Tensor  # [B,6,R,R] whole signals
    paired: int
    windows: list[Window | None]
    generator: torch.Generator  # for noise and augmentation, on the device


def regression_step(
    model: ReflectanceGenerator,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: TrainConfig,
    dtype: torch.dtype,
    detail: bool = False,
) -> Losses:
    """z(parameters) -> w -> maps against the maps drawn: L1, structure, exits.

    Without noise the structure is a Laplacian pyramid's L1; `detail` compares two noisy outputs
    to the target by their energy score and puts the L1 on their low frequencies only.
    """
    weights = config.weights
    optimizer.zero_grad(set_to_none=True)
    w = model.map(batch.z)
    leaf = w.detach().requires_grad_()  # several windows share one pass of the mapping network
    sums: Losses = {}
    resolution = batch.target.shape[-1]
    for window in batch.windows:
        target = crop(batch.target, window)
        if detail:
            twice = leaf.repeat(2, 1)
            signals = model.signals(twice, resolution, noise="random", window=window, dtype=dtype,
                                    generator=batch.generator)  # fmt: skip
            output = signals[resolution]
            coarse = output.shape[-1] // 8
            seen, whole = target.repeat(2, 1, 1, 1), batch.target.repeat(2, 1, 1, 1)
            structure = losses.energy_score(*output.chunk(2), target)
            terms = {
                "l1": weights.l1 * losses.l1(shrink(output, coarse), shrink(seen, coarse)),
                "energy": weights.energy * structure,
                "exits": weights.exits * losses.exits_l1(signals, whole),
            }
        else:
            signals = model.signals(leaf, resolution, noise="none", window=window, dtype=dtype)
            output = signals[resolution]
            terms = {
                "l1": weights.l1 * losses.l1(output, target),
                "laplacian": weights.laplacian * losses.laplacian_l1(output, target),
                "exits": weights.exits * losses.exits_l1(signals, batch.target),
            }
        (torch.stack(list(terms.values())).sum() / len(batch.windows)).backward()
        for name, value in terms.items():
            sums[name] = sums.get(name, 0) + value.detach() / len(batch.windows)
    assert leaf.grad is not None
    w.backward(leaf.grad)
    optimizer.step()
    return sums


def adversarial_step(
    model: ReflectanceGenerator,
    discriminator: Discriminator,
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
    batch: Batch,
    config: TrainConfig,
    step: int,
    path_mean: Tensor,
    dtype: torch.dtype,
) -> tuple[Losses, Tensor]:
    """Generator, then discriminator, on the same fakes; returns losses and new path mean.

    The paired half of the fakes has a target: its coarse structure is anchored to it, so that
    W keeps its meaning while the discriminator teaches what regression blurs.
    """
    weights, (window, *_) = config.weights, batch.windows
    resolution = batch.target.shape[-1]
    extent = extent_of(window, resolution, len(batch.z), batch.z.device)
    augment = Augmentation(config.augmentation)
    generator_optimizer, discriminator_optimizer = optimizers
    out: Losses = {}

    discriminator.requires_grad_(False)
    generator_optimizer.zero_grad(set_to_none=True)
    w = model.map(batch.z)
    signals = model.signals(
        w, resolution, noise="random", window=window, dtype=dtype, generator=batch.generator
    )
    fake, real = signals[resolution], crop(batch.target, window)
    logits = discriminator(*augment(fake, extent, batch.generator), dtype)
    out["generator"] = losses.generator_logistic(logits)
    out["anchor"] = _anchor(signals, batch, window)
    total = out["generator"] + weights.anchor * out["anchor"]
    if step % config.path_every == 0:
        penalty, path_mean = _path_penalty(model, batch, config, path_mean)
        out["path"] = penalty
        total = total + weights.path * config.path_every * penalty
    total.backward()
    generator_optimizer.step()

    discriminator.requires_grad_(True)
    discriminator_optimizer.zero_grad(set_to_none=True)
    penalised = step % config.r1_every == 0
    shown, place = augment(real, extent, batch.generator)
    shown = shown.detach().requires_grad_(penalised)
    # R1 is a second derivative of small numbers: float32 throughout.
    real_logits = discriminator(shown, place, torch.float32 if penalised else dtype)
    fake_logits = discriminator(*augment(fake.detach(), extent, batch.generator), dtype)
    out["discriminator"] = losses.discriminator_logistic(real_logits, fake_logits)
    total = out["discriminator"]
    if penalised:
        out["r1"] = losses.r1_penalty(shown, real_logits)
        total = total + weights.r1 * config.r1_every * out["r1"]
    total.backward()
    discriminator_optimizer.step()
    out["real_sign"] = real_logits.sign().mean()
    return {name: value.detach() for name, value in out.items()}, path_mean


def _anchor(signals: dict[int, Tensor], batch: Batch, window: Window | None) -> Tensor:
    """L1 of the paired fakes to their targets at an eighth of the resolution, and of exits."""
    count, resolution = batch.paired, batch.target.shape[-1]
    if count == 0:
        return batch.target.new_zeros(())
    target = batch.target[:count]
    output, seen = signals[resolution][:count], crop(target, window)
    coarse = max(output.shape[-1] // 8, 4)
    paired = {level: value[:count] for level, value in signals.items() if level != resolution}
    return losses.l1(shrink(output, coarse), shrink(seen, coarse)) + losses.exits_l1(paired, target)


def _path_penalty(
    model: ReflectanceGenerator, batch: Batch, config: TrainConfig, mean: Tensor
) -> tuple[Tensor, Tensor]:
    """Path-length regularisation on half a batch of fresh z, at a low-resolution exit."""
    count = max(len(batch.z) // 2, 1)
    size = min(config.path_resolution, batch.target.shape[-1])
    z = torch.randn(
        count, batch.z.shape[1], generator=batch.generator, device=batch.z.device
    )  # fmt: skip
    w = model.broadcast(model.map(z))
    signal = model.signals(w, size, noise="random", generator=batch.generator)[size]
    direction = torch.randn(signal.shape, generator=batch.generator, device=signal.device)
    return losses.path_penalty(losses.path_lengths(signal, w, direction), mean)
