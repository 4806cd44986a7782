"""What a training run does: stages, rates and weights, and the presets tiny, cpu and gpu."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fitme.models.stylegan2 import GENERATORS, GeneratorConfig


@dataclass(frozen=True)
class Stage:
    """A stretch of training at one resolution."""

    kind: Literal["regress", "detail", "adversarial"]
    resolution: int
    images: int  # drawn in this stage
    batch: int
    rate: float = 2e-3  # Adam
    crop: int | None = None  # side of the windows that are trained on; None: whole maps
    windows: int = 1  # per draw: drawing 1024x1024 maps costs more than one window of them

    @property
    def steps(self) -> int:
        return math.ceil(self.images / self.batch)

    @property
    def size(self) -> int:
        """Side of what losses and discriminator see."""
        return self.crop or self.resolution

    @property
    def name(self) -> str:
        crops = f" crops {self.crop}" if self.crop else ""
        return f"{self.kind} {self.resolution}{crops}"


@dataclass(frozen=True)
class Weights:
    """Of the losses in `losses_gan`."""

    l1: float = 1.0
    laplacian: float = 4.0
    energy: float = 4.0  # detail phase, instead of `laplacian`
    exits: float = 0.5
    anchor: float = 2.0  # adversarial phase: low frequencies of paired images stay put
    r1: float = 1.0  # gamma / 2
    path: float = 2.0


@dataclass(frozen=True)
class TrainConfig:
    """One run. Channels, schedule and seed decide the result; the rest is bookkeeping."""

    network: str  # sizes of the discriminator that goes with the generator
    generator: GeneratorConfig
    stages: tuple[Stage, ...]
    weights: Weights = Weights()
    seed: int = 0
    free_dimensions: int = 64  # of z, beyond the parameters
    mapping_boost: float = 100.0  # on the mapping network's rate in regression: 0.01 -> 1.
    # The low rate keeps adversarial training stable; regression has to shape W in few images.
    # With a linear base W is shaped before, from large batches: small ones would only blur it.
    keep_w: bool = False  # the mapping network is not trained: what was fitted in its W stays valid
    warm_up: int = 100  # steps in which the rate of a stage rises
    r1_every: int = 16
    path_every: int = 8
    path_resolution: int = 64  # path lengths are measured at this exit: 1/16 of the cost
    augmentation: float = 0.1
    ema_half_life: float = 10_000  # images
    prior_samples: int = 50_000
    #: (resolution, draws) that are made once, kept in the run's folder and drawn again, ascending;
    #: stages above the largest take fresh draws, and so do all without.
    cache: tuple[tuple[int, int], ...] = ()
    base_draws: int = 0  # draws that the linear base is measured on; 0: four per component
    log_every: int = 20  # steps
    sheet_every: int = 1000
    sheet_faces: int = 6

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


PRESETS: dict[str, TrainConfig] = {
    "tiny": TrainConfig(
        "tiny",
        GENERATORS["tiny"],
        (
            Stage("regress", 16, 16, 4),
            Stage("detail", 32, 16, 4, crop=16, windows=2),
            Stage("adversarial", 16, 16, 4),
            Stage("adversarial", 32, 16, 4, crop=16),
        ),
        free_dimensions=4,
        warm_up=2,
        r1_every=2,
        path_every=2,
        path_resolution=8,
        augmentation=0.5,
        prior_samples=2000,
        log_every=1,
        sheet_every=8,
        sheet_faces=2,
        cache=((16, 12),),
    ),
    # Two cores: see the card for the hours it took.
    "cpu": TrainConfig(
        "cpu",
        GENERATORS["cpu"],
        (
            Stage("regress", 128, 6_000, 8),
            Stage("regress", 256, 8_000, 8),
            Stage("detail", 256, 2_400, 4, 1.5e-3),
            Stage("detail", 1024, 3_000, 4, 1.5e-3, crop=256),
            Stage("adversarial", 256, 4_000, 8, 1e-3, crop=128),
            Stage("adversarial", 1024, 4_000, 4, 1e-3, crop=256),
        ),
        cache=((256, 4096), (1024, 256)),
        mapping_boost=4.0,
        base_draws=4096,
    ),
    # One data-centre GPU, three slices of under ten minutes; longer runs scale `--images`.
    "gpu": TrainConfig(
        "gpu",
        GENERATORS["gpu"],
        (
            Stage("regress", 64, 100_000, 64, 3e-3),
            Stage("regress", 128, 60_000, 32),
            Stage("regress", 256, 40_000, 32),
            Stage("detail", 256, 20_000, 16, 1.5e-3),
            Stage("detail", 1024, 8_000, 8, 1.5e-3, crop=512, windows=2),
            Stage("adversarial", 256, 120_000, 32, 2e-3),
            Stage("adversarial", 1024, 40_000, 16, 1.5e-3, crop=256),
        ),
        mapping_boost=4.0,
        base_draws=16_384,
    ),
}
