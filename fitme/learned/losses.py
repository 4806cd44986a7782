"""The learned losses of a fit in one place: load what is there, compare render with photo."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.learned.identity import FaceFeatures, load_identity
from fitme.learned.loading import Note
from fitme.learned.perceptual import Features, Perceptual, load_perceptual, masked


@dataclass(frozen=True)
class LearnedTarget:
    """What a photo looks like to the networks; it does not change through a fit."""

    image: Tensor  # [B, H, W, 3] display-encoded
    landmarks: Tensor  # [B, 478, 2] or [B, 5, 2] pixels of `image`
    features: Features | None
    identity: Tensor | None  # [B, 512]


@dataclass(frozen=True)
class LearnedLosses:
    """The losses that are on. Empty where nothing was downloaded: then it is false and adds no
    terms, and a fit need not ask."""

    perceptual: Perceptual | None = None
    identity: FaceFeatures | None = None

    @staticmethod
    def load(
        device: torch.device | str = "cpu",
        note: Note | None = None,
        *,
        lpips: str | None = "lpips",
        identity: bool = True,
    ) -> LearnedLosses:
        """Load what is in the cache; `note` gets one line that names all that is off and the cure.

        `lpips` is the backbone (lpips, lpips-vgg, lpips-squeeze), None for no perceptual loss.
        Raises ModelError for a damaged file.
        """
        said: list[str] = []
        losses = LearnedLosses(
            load_perceptual(device, said.append, lpips) if lpips else None,
            load_identity(device, said.append) if identity else None,
        )
        if said and note is not None:
            note("; ".join(said))
        return losses

    def __bool__(self) -> bool:
        return self.perceptual is not None or self.identity is not None

    def target(self, image: Tensor, landmarks: Tensor) -> LearnedTarget:
        """What a photo's pixels should look like: computed once per photo and size.

        Args:
            image: [B, H, W, 3] display-encoded RGB in 0..1, H and W at least 64.
            landmarks: [B, 478, 2] in pixels of `image`, centres at +0.5.
        """
        with torch.no_grad():
            return LearnedTarget(
                image,
                landmarks,
                self.perceptual.features(image) if self.perceptual else None,
                self.identity.embed(image, landmarks) if self.identity else None,
            )

    def terms(
        self, rendered: Tensor, target: LearnedTarget, weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Scalars by name, those that are on: "lpips" and "identity" (1 - cosine).

        Args:
            rendered: [B, H, W, 3] display-encoded RGB in 0..1, over the photo or anything.
            target: of the same photos and size.
            weight: [B, H, W] in 0..1, which pixels are skin in both; the photo's own pixels
                stand in where it is 0.
        """
        mixed = masked(rendered, target.image, weight)
        terms = {}
        if self.perceptual is not None and target.features is not None:
            features = self.perceptual.features(mixed)
            terms["lpips"] = self.perceptual.distance(features, target.features, weight).mean()
        if self.identity is not None and target.identity is not None:
            face = self.identity.embed(mixed, target.landmarks)
            terms["identity"] = self.identity.distance(face, target.identity).mean()
        return terms
