"""The trainer: stages, seeds, moving average, checkpoints, log and sheets.

Nothing random has a state that must be carried on: every step seeds its generators from (seed,
step, purpose). A run that is killed and resumed from an exact checkpoint therefore repeats the
uninterrupted one bit for bit where the arithmetic is deterministic (it is on a CPU with the
same number of threads).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fitme.models.stylegan2 import Discriminator, ReflectanceGenerator, discriminator_config
from fitme.models.stylegan2.synthesis import Noise
from fitme.models.train.checkpoint import (
    adam_tensors,
    list_checkpoints,
    load_checkpoint,
    restore_adam,
    save_checkpoint,
)
from fitme.models.train.losses_gan import ema_decay, update_ema
from fitme.models.train.reflectance_adam import make_adam, schedule, set_rate
from fitme.models.train.reflectance_base import RAW_LIMIT, fit_base, refit_base
from fitme.models.train.reflectance_cache import DrawCache
from fitme.models.train.reflectance_config import Stage, TrainConfig
from fitme.models.train.reflectance_data import DataSource, named_seed, random_window
from fitme.models.train.reflectance_log import LossLog
from fitme.models.train.reflectance_prior import ParameterPrior, sliced_distance
from fitme.models.train.reflectance_sheet import sheet
from fitme.models.train.reflectance_steps import Batch, adversarial_step, regression_step
from fitme.runtime.errors import InputError
from fitme.runtime.files import atomic_write_bytes


class Trainer:
    """Trains from whatever state it is in to the end of the schedule, or as long as it may."""

    def __init__(
        self,
        config: TrainConfig,
        source: DataSource,
        folder: Path,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        report: Callable[[str], None] = print,
    ) -> None:
        self.device, self.dtype, self.report = torch.device(device), dtype, report
        self.source, self.folder = source, folder
        z_dim = source.parameter_count + config.free_dimensions
        self.config = config = replace(config, generator=replace(config.generator, z_dim=z_dim))
        samples = source.parameters(config.prior_samples, self.random("prior", 0, cpu=True))
        self.prior = ParameterPrior.fit(samples).to(self.device)
        self.model = ReflectanceGenerator(config.generator, config.seed).to(self.device)
        self.average = ReflectanceGenerator(config.generator, config.seed).to(self.device)
        if self.device.type == "cuda":  # on CPUs training gains nothing by it
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.average.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average.requires_grad_(False)
        self.discriminator: Discriminator | None = None
        self.optimizers: list[torch.optim.Optimizer] = []
        self.path_mean = torch.zeros((), device=self.device)
        self._cache: DrawCache | None = None
        self.log = LossLog(folder / "log.jsonl")
        self.step = self.images = 0  # over all stages
        self.seconds = 0.0  # spent training, all sessions together
        self.stopping = False  # set by a signal handler: stop after the running step
        self._begin_stage()

    # Where the run is

    def random(self, purpose: str, step: int, *, cpu: bool = False) -> torch.Generator:
        """A generator that depends on nothing but the seed, the step and what it is for."""
        seed = named_seed(f"{self.config.seed}/{purpose}/{step}")
        return torch.Generator("cpu" if cpu else self.device).manual_seed(seed)

    def locate(self, step: int) -> tuple[int, int]:
        """(stage index, step within it) of a global step."""
        for index, stage in enumerate(self.config.stages):
            if step < stage.steps:
                return index, step
            step -= stage.steps
        return len(self.config.stages), 0

    @property
    def finished(self) -> bool:
        return self.step >= self.config.steps

    @property
    def stage(self) -> Stage:
        return self.config.stages[min(self.locate(self.step)[0], len(self.config.stages) - 1)]

    def _begin_stage(self) -> None:
        """Optimisers and discriminator of the current stage, fresh."""
        stage, config = self.stage, self.config
        regress = stage.kind != "adversarial"
        betas, every = ((0.9, 0.99), None) if regress else ((0.0, 0.99), config.path_every)
        boost = config.mapping_boost if regress else 1.0
        groups = [
            (list(self.model.synthesis.parameters()), 1.0),
            (list(self.model.mapping.parameters()), 0.0 if config.keep_w else boost),
        ]
        self.optimizers = [make_adam(groups, stage.rate, betas, every)]
        if regress:
            self.discriminator = None
            return
        previous = self.discriminator
        size = discriminator_config(config.network, stage.size)
        self.discriminator = Discriminator(size, config.seed).to(self.device)
        if self.device.type == "cuda":
            self.discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if previous is not None:
            self.discriminator.adopt(previous.state_dict())
        every = config.r1_every
        groups = [(list(self.discriminator.parameters()), 1.0)]
        self.optimizers.append(make_adam(groups, stage.rate, betas, every))

    # Training

    def run(
        self,
        max_steps: int | None = None,
        minutes: float | None = None,
        save_minutes: float = 10.0,
        **saving: Any,
    ) -> None:
        """Train until the schedule, `max_steps` or `minutes` end, or `stopping` is set; save.

        `saving` goes to `save`, which is also called every `save_minutes`.
        """
        began = saved = logged = time.monotonic()
        last = self.config.steps if max_steps is None else self.step + max_steps
        pending: list[dict[str, Tensor]] = []
        if self.images == 0 and not self._base_is_fitted():
            fit_base(self.model, self.source, self.prior, self._base_draws(),
                     self.random("base", 0, cpu=True), self.report)  # fmt: skip
            self.average.load_state_dict(self.model.state_dict())
            self.seconds += time.monotonic() - began
            self.save(**saving)  # minutes of work that no step would repeat
            logged = saved = time.monotonic()
        while self.step < min(last, self.config.steps) and not self.stopping:
            stage_index = self.locate(self.step)[0]
            pending.append(self.train_step())
            now = time.monotonic()
            moved = self.locate(self.step)[0] != stage_index
            if self.step % self.config.log_every == 0 or moved:
                self.seconds += now - logged
                end = sum(entry.steps for entry in self.config.stages[: stage_index + 1])
                stage, seconds = self.config.stages[stage_index], now - logged
                where = {"step": self.step, "images": self.images, "seconds": self.seconds}
                count = len(pending) * stage.batch
                self.report(self.log.add(stage.name, where, pending, seconds, count, end))
                logged, pending = now, []
            if self.step % self.config.sheet_every == 0 or moved:
                self._sheet()
                logged = time.monotonic()
            if moved and not self.finished:
                self._begin_stage()
            if minutes is not None and now - began > minutes * 60:
                break
            if now - saved > save_minutes * 60:
                self.save(**saving)
                logged = saved = time.monotonic()
        self.save(**saving)

    def train_step(self) -> dict[str, Tensor]:
        """One step of the current stage; returns its losses as tensors."""
        config, stage = self.config, self.stage
        _, inside = self.locate(self.step)
        batch = self._draw(stage)
        for optimizer in self.optimizers:
            set_rate(optimizer, schedule(inside, stage.steps, config.warm_up))
        if stage.kind != "adversarial":
            losses = regression_step(self.model, self.optimizers[0], batch, config, self.dtype,
                                     stage.kind == "detail")  # fmt: skip
        else:
            assert self.discriminator is not None
            pair = (self.optimizers[0], self.optimizers[1])
            losses, self.path_mean = adversarial_step(
                self.model, self.discriminator, pair, batch, config, inside, self.path_mean,
                self.dtype,
            )  # fmt: skip
        self.step += 1
        self.images += stage.batch
        decay = ema_decay(stage.batch, self.images, config.ema_half_life)
        update_ema(self.average, self.model, decay)
        return losses

    def _draw(self, stage: Stage) -> Batch:
        draws = self.random("draw", self.step, cpu=True)
        parameters, target = self._targets(stage, draws)
        windows = [
            random_window(stage.resolution, stage.size, draws) for _ in range(stage.windows)
        ]  # fmt: skip
        generator = self.random("step", self.step)
        z = self.prior.z(parameters, self.config.generator.z_dim, generator)
        paired = stage.batch
        if stage.kind == "adversarial":  # the other half follows z ~ N(0, I) whatever the draws
            paired = stage.batch // 2
            free = torch.randn(z[paired:].shape, generator=generator, device=self.device)
            z = torch.cat([z[:paired], free])
        return Batch(z, target, paired, windows, generator)

    def _base_is_fitted(self) -> bool:
        base = self.model.synthesis.base
        return base is None or bool(base.components.any())

    def _base_draws(self) -> tuple[Tensor, Tensor]:
        """(parameters [N,P], raw maps [N,6,R,R], half precision) to measure the base on."""
        resolution, components = self.config.generator.base
        count = self.config.base_draws or 4 * components
        parameters, signals = [], []
        cache = next((c for c in self.config.cache if c[0] >= resolution), None)
        draws = self.random("base draws", 0, cpu=True)
        for start in range(0, count, 16):
            size = min(16, count - start)
            if cache is not None:
                entries = [index % cache[1] for index in range(start, start + size)]
                drawn, signal = self._open_cache(*cache).get(entries, resolution)
            else:
                drawn, maps = self.source.draw(size, resolution, draws)
                signal = maps.to_signal()
            parameters.append(drawn.cpu())
            signals.append(torch.atanh(signal.clamp(-RAW_LIMIT, RAW_LIMIT)).half().cpu())
        return torch.cat(parameters), torch.cat(signals)

    def _open_cache(self, resolution: int, count: int) -> DrawCache:
        if self._cache is None or self._cache.resolution != resolution:
            folder = self.folder / "cache"
            self._cache = DrawCache(self.source, folder, resolution, count, self.config.seed)
        return self._cache

    def _targets(self, stage: Stage, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """(parameters [B,P], signals [B,6,R,R]) from the run's cache or fresh."""
        for resolution, count in self.config.cache:
            if stage.resolution <= resolution:
                cache = self._open_cache(resolution, count)
                parameters, signal = cache.draw(stage.batch, stage.resolution, draws)
                return parameters.to(self.device), signal.to(self.device)
        parameters, maps = self.source.draw(stage.batch, stage.resolution, draws)
        return parameters, maps.to_signal()

    # Records

    def _sheet(self) -> None:
        """Targets, their reproductions, free samples; how far the two kinds of w differ."""
        stage = self.config.stages[self.locate(self.step - 1)[0]]
        draws, device = self.random("sheet", 0, cpu=True), self.random("sheet", 0)
        parameters, maps = self.source.draw(self.config.sheet_faces, stage.resolution, draws)
        z_dim = self.config.generator.z_dim
        z = self.prior.z(parameters, z_dim, device)
        free = torch.randn(z.shape, generator=device, device=self.device)
        noise: Noise = "none" if stage.kind == "regress" else "const"
        name = f"sheets/step-{self.step:08d}.png"
        png, psnr = sheet(self.average, maps.to_signal(), z, free, noise, self.dtype)
        (self.folder / "sheets").mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(self.folder / name, png)
        many = self.source.parameters(1000, draws).to(self.device)
        drawn = self.average.map(self.prior.z(many, z_dim, device))
        sampled = torch.randn(len(many), z_dim, generator=device, device=self.device)
        axes = self.random("gap", 0, cpu=True)
        gap = sliced_distance(drawn.cpu(), self.average.map(sampled).cpu(), axes)
        self.report(f"{name}: diffuse PSNR (sRGB) {psnr:.1f} dB, W gap {gap:.3f}")

    # State

    def save(self, *, precision: str = "exact", shard_mb: float | None = None,
             slim: bool = False, folder: Path | None = None) -> Path:  # fmt: skip
        """Write a checkpoint to folder (default: the run's checkpoints/).

        `slim` keeps only the moving average and the discriminator: enough to go on elsewhere
        (Adam's moments are found again in some hundred steps), not the identical run.
        """
        if not all(bool(p.isfinite().all()) for p in self.model.parameters()):
            raise FloatingPointError(f"weights not finite at step {self.step}: not saved")
        modules: dict[str, torch.nn.Module] = {"average": self.average}
        if self.discriminator is not None:
            modules["discriminator"] = self.discriminator
        if not slim:
            modules["model"] = self.model
        tensors = {
            f"{name}.{key}": value
            for name, module in modules.items()
            for key, value in module.state_dict().items()
        }
        tensors["path_mean"] = self.path_mean
        if not slim:
            for index, optimizer in enumerate(self.optimizers):
                tensors |= adam_tensors(str(index), optimizer)
        numbers = {
            **self._identity(), "step": self.step, "images": self.images, "seconds": self.seconds,
        }  # fmt: skip
        return save_checkpoint(folder or self.folder / "checkpoints", self.step, tensors, numbers,
                               precision=precision, shard_mb=shard_mb)  # fmt: skip

    def resume(self, path: Path | None = None, stage: int | None = None) -> bool:
        """Go on from a checkpoint folder (default: the newest of this run); False without one.

        With `stage` (counted from 0) its networks are taken to the start of that stage of this
        schedule; without, the schedule must be the one that wrote it. Raises InputError.
        """
        if path is None:
            found = list_checkpoints(self.folder / "checkpoints")
            if not found:
                return False
            path = found[-1]
        tensors, numbers = load_checkpoint(path)
        here = self._identity()
        names = ("network", "generator") if stage is not None else tuple(here)
        for name in names:
            if numbers.get(name) != here[name]:
                raise InputError(f"{path} was written with another {name}: {numbers.get(name)}")
        self.images, self.seconds = numbers["images"], numbers["seconds"]
        self.step = numbers["step"]
        if stage is not None:
            self.step = sum(entry.steps for entry in self.config.stages[:stage])
        self._begin_stage()
        self.average.load_state_dict(_part(tensors, "average"))
        self.model.load_state_dict(_part(tensors, "model") or _part(tensors, "average"))
        if self.discriminator is not None:
            self.discriminator.adopt(_part(tensors, "discriminator"))
        if stage is None:
            for index, optimizer in enumerate(self.optimizers):
                restore_adam(str(index), optimizer, tensors)
        self.path_mean = tensors["path_mean"].to(self.device)
        self.log.cut(self.step)
        return True

    def start_from_weights(self, path: Path, stage: int) -> None:
        """Go on from a generator file at a stage (counted from 0), without the modes that photos
        taught it; its W is kept where the configuration says so, and then its base is measured
        anew, as the synthesizer may have changed. Raises InputError."""
        generator = ReflectanceGenerator.load(path).without_photo_modes()
        wanted, found = self.config.generator, generator.config
        if found != wanted:
            raise InputError(f"{path} holds another network; choose its --network")
        if not 0 <= stage < len(self.config.stages):
            raise InputError(f"--stage must be 1 to {len(self.config.stages)}, got {stage + 1}")
        self.step = sum(entry.steps for entry in self.config.stages[:stage])
        self.images = sum(entry.images for entry in self.config.stages[:stage])
        self._begin_stage()
        if self.config.keep_w:
            draws = self.random("base", 0, cpu=True)
            left = refit_base(generator, self.source, self.prior, self._base_draws(), draws)
            self.report(f"base measured anew: {left:.3f} of the variance left")
        for network in (self.average, self.model):
            network.load_state_dict(generator.state_dict())

    def _identity(self) -> dict[str, Any]:
        """What must agree for a checkpoint to be continued as if nothing had happened."""
        return {
            "network": self.config.network,
            "generator": self.config.generator.to_json(),
            "seed": self.config.seed,
            "stages": [asdict(stage) for stage in self.config.stages],
        }


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(name + ".")}
