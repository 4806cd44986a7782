"""What the encoder's heads are scored by."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.models.encoder.network import Encoded
from fitme.models.train.encoder.data import Examples
from fitme.segment.labels import Label

WEIGHTS = {
    "labels": 1.0, "coarse": 10.0, "points": 0.25,
    "real labels": 0.5, "real points": 8.0, "real person": 0.3, "real landmarks": 8.0,
}  # fmt: skip
RARE = {
    Label.GLASSES: 3.0, Label.BROWS: 2.5, Label.EYES: 2.5, Label.LIPS: 2.0, Label.MOUTH: 2.5,
    Label.BEARD: 2.0, Label.OTHER: 1.5, Label.EARS: 1.5, Label.HAIR: 1.2,
}  # fmt: skip
"""Weights of classes that cover few pixels."""


def losses(encoded: Encoded, truth: Examples) -> dict[str, Tensor]:
    """By name, before their weights."""
    classes = [RARE.get(label, 1.0) for label in Label]
    weights = torch.tensor(classes).to(encoded.labels.device, non_blocking=True)
    labels = F.cross_entropy(encoded.labels, truth.labels, weights)
    coarse = sum((one - truth.points).abs().mean() for one in encoded.rounds)
    miss = (encoded.points - truth.points).square().sum(-1).add(1e-8).sqrt()
    # A Laplacian in two dimensions: outliers count with their distance, not its square.
    points = (miss * (-encoded.spread).exp() + 2 * encoded.spread).mean()
    return {"labels": labels, "coarse": torch.as_tensor(coarse), "points": points}


def total(parts: dict[str, Tensor]) -> Tensor:
    """The weighted sum."""
    return torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()


class Confusion:
    """Counts of found against true labels."""

    def __init__(self, classes: int) -> None:
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)

    def add(self, logits: Tensor, labels: Tensor) -> None:
        classes = len(self.counts)
        pairs = labels.flatten() * classes + logits.argmax(1).flatten()
        self.counts += torch.bincount(pairs, minlength=classes**2).view(classes, classes).cpu()

    def iou(self) -> dict[str, float]:
        """Intersection over union by label; not a number where a label is nowhere."""
        both = self.counts.diagonal().double()
        union = self.counts.sum(0) + self.counts.sum(1) - both
        return {label.name.lower(): float(both[label] / union[label]) for label in Label}
