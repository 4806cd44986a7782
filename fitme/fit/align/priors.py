"""What is believed about a head and a camera before a photo is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.segment.encoder import EncodedFace

INTEROCULAR_M = 0.063  # between the middles of the eyes of the mean adult


@dataclass(frozen=True)
class AlignWeights:
    """Standard deviations of residuals and priors."""

    # Interocular distances. Of 0.012 to 0.09 this range separates people best on real photos
    # (distance between fits of one person over that of different people: 0.50 against 0.57).
    landmark: float = 0.025
    start_widen: float = 1.5  # times the spread that the encoder gives its guesses; 0: none
    # Weight of MediaPipe's landmarks beside the encoder's points, and factor of the spread that it
    # gives each. On 22 photos of heads of another make and 8 known ones, shape error over the mean
    # head's: 1.06, 0.88 by landmarks alone; 0.95, 0.80 with 0.1 and 8; 0.96, 0.80 with these; 1.00,
    # 0.81 with 0.3 and 8; 1.11, 0.78 with 0.5 and 1.5.
    tied: float = 0.2
    dense: float = 8.0
    opening: float = 0.012  # interocular distances
    iris: float = 0.03  # interocular distances
    identity: float = 1.0
    expression: float = 0.30  # 0.4: 1.08, 0.89 by landmarks alone
    closing: float = 0.12  # mouthClose without jawOpen makes no sense
    tongue: float = 0.01
    distance_m: float = 1.0  # median camera distance
    distance_spread: float = 0.5  # of its logarithm
    lens: float = 1.2  # median focal length over a whole picture's longer side: 43 mm equivalent
    lens_spread: float = 0.35  # of its logarithm: 24 to 85 mm lie within two of it
    cropped: float = 0.5  # share of pictures that were cut out of larger ones
    crop_spread: float = 0.7  # of the logarithm of how much larger those were, at least 0
    exif_spread: float = 0.08  # of log focal length when EXIF gives one
    gaze: float = 0.25  # radians
    vergence: float = 0.05  # radians between the eyes
    robust: float = 3.0  # landmark errors beyond this many deviations lose weight


@dataclass(frozen=True)
class LensPrior:
    """A normal distribution of the logarithm of the focal length in pixels."""

    median: float
    spread: float

    def times(self, median: float, spread: float) -> LensPrior:
        """The product with another normal distribution: what two witnesses say together."""
        first, second = self.spread**-2, spread**-2
        mean = (first * self.median + second * median) / (first + second)
        return LensPrior(mean, (first + second) ** -0.5)


@dataclass(frozen=True)
class Belief:
    """What is believed of one face before its points are looked at."""

    identity: Tensor  # [K]
    identity_spread: Tensor  # [K]
    lens: LensPrior


def belief(
    encoded: EncodedFace | None, components: int, lens: LensPrior, weights: AlignWeights
) -> Belief:
    """The mean head and the lens as the photo's size has it, and what the encoder guesses."""
    mean = torch.zeros(components, dtype=torch.double)
    precision = torch.full_like(mean, weights.identity**-2)
    if encoded is None or weights.start_widen == 0:
        return Belief(mean, precision.rsqrt(), lens)
    guess, spread = (value.double() for value in encoded.start("identity"))
    own = (weights.start_widen * spread).square().reciprocal()
    precision = precision + own
    focal, doubt = (float(value) for value in encoded.start("focal"))
    lens = lens.times(focal + math.log(encoded.frame.side), weights.start_widen * doubt)
    return Belief(own * guess / precision, precision.rsqrt(), lens)


def lens_prior(
    scale: float, longer: int, focal_px: float | None, weights: AlignWeights
) -> LensPrior:
    """From EXIF's `focal_px`; else from how large the face is and how large the picture.

    `scale` are the pixels between the eyes, `longer` those of the picture's longer side. The face
    alone says how far away the camera was for each focal length, the picture alone what lens it
    had, if it is whole. A picture that was cut out of a larger one (a portrait cropped to the head)
    is smaller than its lens would have it; how many are, and by how much, is part of the belief.
    The product of the two is no normal distribution; mean and deviation are taken from it.
    """
    w = weights
    if focal_px is not None:
        return LensPrior(math.log(focal_px), w.exif_spread)
    near = math.log(scale / INTEROCULAR_M * w.distance_m)
    lens = math.log(w.lens * longer)
    focal = torch.linspace(min(near, lens) - 3, max(near, lens) + 3, 2001, dtype=torch.double)
    crop = torch.linspace(0, 4 * w.crop_spread, 81, dtype=torch.double)
    shares = _bell(crop, w.crop_spread)
    beyond = focal - lens
    whole = _bell(beyond, w.lens_spread)
    cut = (_bell(beyond[:, None] - crop, w.lens_spread) * shares).sum(1) / shares.sum()
    belief = _bell(focal - near, w.distance_spread) * ((1 - w.cropped) * whole + w.cropped * cut)
    belief = belief / belief.sum()
    mean = (belief * focal).sum()
    return LensPrior(float(mean), float((belief * (focal - mean).square()).sum().sqrt()))


def _bell(value: Tensor, spread: float) -> Tensor:
    return torch.exp(-0.5 * (value / spread).square())
