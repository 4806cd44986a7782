"""What the generator's benchmarks compare: samples and synthetic draws, measured alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.features import SIZES, RandomFeatures
from fitme.head.model import HeadModel, load_head
from fitme.image.color import individual_typology_angle
from fitme.models.stylegan2 import (
    GeneratorConfig,
    ReflectanceGenerator,
    ReflectanceMaps,
    load_generator,
)
from fitme.models.stylegan2.filters import shrink
from fitme.models.stylegan2.synthesis import Noise
from fitme.models.train.checkpoint import load_checkpoint
from fitme.models.train.reflectance_data import SynthesizerSource
from fitme.reflectance.regions import AtlasRegions

HELD_OUT, OTHERS, SAMPLES = 880_001_000, 880_002_000, 880_003_000  # seeds far from training's
SAMPLE_SIZE = 256  # texels at which samples are made before they are shrunk to SIZES


@dataclass(frozen=True)
class Population:
    """What is kept of many maps."""

    features: dict[int, Tensor]  # by size [N,D]
    tones: Tensor  # [N] individual typology angle of the face, degrees


@dataclass
class Bench:
    """What the sections share; costly things are made when first asked for."""

    weights: Path
    out: Path
    quick: bool
    noise: Noise
    checkpoints: Path | None

    def __post_init__(self) -> None:
        self.source = SynthesizerSource()

    def count(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @cached_property
    def generator(self) -> ReflectanceGenerator:
        generator = load_generator(self.weights)
        generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return generator

    @cached_property
    def head(self) -> HeadModel:
        return load_head()

    @cached_property
    def regions(self) -> AtlasRegions:
        return AtlasRegions(self.head, 64)

    def population(self, signals: Iterator[Tensor]) -> Population:
        """Features and tones of signals [B,6,R,R] in chunks."""
        mask, tones = self.regions.skin > 0.5, []

        def passing() -> Iterator[Tensor]:
            for chunk in signals:
                maps = ReflectanceMaps.from_signal(shrink(chunk, len(mask)))
                tones.append(face_tone(maps.diffuse_albedo, mask))
                yield chunk

        features = RandomFeatures().of_all(passing())
        return Population(features, torch.cat(tones))

    def draws(self, seed: int) -> Population:
        """Of the synthesizer, at the largest of SIZES."""
        draw, size = torch.Generator().manual_seed(seed), max(SIZES)
        chunks = chunk_sizes(self.count(1000, 64), 16)
        return self.population(self.source.draw(n, size, draw)[1].to_signal() for n in chunks)

    @torch.no_grad()
    def samples(self, generator: ReflectanceGenerator) -> Population:
        """Of the generator, made at SAMPLE_SIZE."""
        draw = torch.Generator().manual_seed(SAMPLES)
        size = min(SAMPLE_SIZE, generator.config.resolution)

        def signals(count: int) -> Tensor:
            z = torch.randn(count, generator.config.z_dim, generator=draw)
            made = generator.signals(generator.map(z), size, noise=self.noise, generator=draw)
            return made[size]

        return self.population(signals(n) for n in chunk_sizes(self.count(1000, 64), 8))

    @cached_property
    def drawn(self) -> Population:
        return self.draws(HELD_OUT)

    @cached_property
    def drawn_again(self) -> Population:
        return self.draws(OTHERS)

    @cached_property
    def sampled(self) -> Population:
        return self.samples(self.generator)


def chunk_sizes(count: int, size: int) -> list[int]:
    return [min(size, count - start) for start in range(0, count, size)]


def face_tone(diffuse: Tensor, mask: Tensor) -> Tensor:
    """Median individual typology angle [B] over the texels [R,R] of diffuse albedo [B,R,R,3]."""
    return individual_typology_angle(diffuse[:, mask]).median(1).values


def checkpoint_generator(path: Path) -> tuple[ReflectanceGenerator, dict[str, Any]]:
    """The moving average of a training run at a step-N folder, and its numbers."""
    tensors, numbers = load_checkpoint(path)
    generator = ReflectanceGenerator(GeneratorConfig.from_json(numbers["generator"]))
    prefix = "average."
    own = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
    generator.load_state_dict(own)
    return generator.requires_grad_(False), numbers
