"""What fits need loaded, once for many people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from fitme.detail.fields import DeformationFields
from fitme.detail.prior import UsualFolds, load_usual_folds
from fitme.head.model import HeadModel, load_head
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.landmarks.provider import LandmarkProvider
from fitme.learned import FaceFeatures, LearnedLosses, load_identity
from fitme.learned.loading import available
from fitme.learned.registry import find_model
from fitme.models.stylegan2 import ReflectanceGenerator, load_generator
from fitme.reflectance.generated import WCode
from fitme.reflectance.regions import AtlasRegions
from fitme.segment.encoder import FaceEncoder

REGION_TEXELS = 256


@dataclass(frozen=True)
class Models:
    """Head, generator, landmarks and learned losses on one device. A fit changes none of them: it
    tunes a copy of the generator."""

    head: HeadModel
    generator: ReflectanceGenerator
    landmarks: LandmarkProvider = field(default_factory=MediaPipeLandmarks)
    learned: LearnedLosses = field(default_factory=LearnedLosses)

    @staticmethod
    def load(
        device: torch.device | str = "cpu", weights: Path | None = None,
        landmarks: LandmarkProvider | None = None,
        note: Callable[[str], None] | None = None,
    ) -> Models:  # fmt: skip
        """From the files that come with the package, `weights` instead of its generator, and the
        learned losses that were downloaded; `note` gets a line that names those that are off,
        and one if dlib's face network is. Raises ModelError for a damaged file."""
        available(find_model("dlib"), note)
        return Models(
            load_head(device=device),
            load_generator(weights, device),
            landmarks or MediaPipeLandmarks(note),
            LearnedLosses.load(device, note),
        )

    @property
    def device(self) -> torch.device:
        return self.head.device

    @cached_property
    def encoder(self) -> FaceEncoder:
        """Labels and dense landmarks; read when first asked for, as most fits do without. Raises
        ModelError for a missing or damaged file."""
        return FaceEncoder.load(device=self.device)

    @cached_property
    def face_network(self) -> FaceFeatures | None:
        """dlib's network, None where it is not installed; read when first asked for. Raises
        ModelError for a damaged file."""
        return load_identity(self.device, name="dlib")

    @cached_property
    def regions(self) -> AtlasRegions:
        """Masks of the head's atlas, REGION_TEXELS a side."""
        return AtlasRegions(self.head, REGION_TEXELS)

    @cached_property
    def usual_folds(self) -> UsualFolds:
        """Folds for where no photo shows any. Raises ModelError for a missing or damaged file."""
        return load_usual_folds(device=self.device)

    @cached_property
    def deformations(self) -> DeformationFields | None:
        """Likely deformations of the head; None for another head than the one that comes with
        fitme. Raises ModelError for a missing or damaged file."""
        return DeformationFields.load(self.head)

    @cached_property
    def codes(self) -> WCode:
        """Whitened coordinates of the generator's W."""
        return WCode(self.generator)
