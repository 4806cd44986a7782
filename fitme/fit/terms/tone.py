"""The term that ties the skin's albedo to what the whole photo says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.session import Session
from fitme.fit.terms.base import Step
from fitme.runtime.constants import constant
from fitme.segment.encoder import EncodedFace
from fitme.segment.labels import Label
from fitme.segment.tone import Tone

# Upper lip and chin less the cheeks, as `Tone` counts: mean of 150 draws of the generator, beards
# among them, and 1.5 to 2.6 times the spread of their middle half, as stubble darkens.
CHIN, CHIN_SPREAD = (0.04, -0.055, -0.005), (0.25, 0.06, 0.05)
# Share of the face's skin that is labelled a beard from which a person has one: 14 shaven and
# stubbled faces read 0.001 to 0.015, two with beards 0.05 and 0.08.
BEARDED = 0.03


@dataclass(frozen=True)
class SkinTone:
    """Mean square of how far the mean albedo of the cheeks lies from that of the photos, in
    standard deviations, see `Tone`; of people without a beard also of how far the chin lies from
    the cheeks, or else light cheeks are had by way of a beard's shadow around the mouth."""

    weight: float
    tone: Tone
    cheeks: Tensor  # [R,R]
    chin: Tensor | None = None  # [R,R], where it is skin
    name: str = "tone"

    @staticmethod
    def of(session: Session, weight: float, texels: int) -> SkinTone | None:
        """The term for a session's photos and maps of `texels`; None where the encoder saw none of
        them in colour, and for a head without regions."""
        faces = [seen.face.encoded for seen in session.observations if not seen.photo.was_gray]
        tones = [face.tone for face in faces if face is not None and face.tone is not None]
        cheeks = F.adaptive_avg_pool2d(session.regions.bare[None], texels)[0]
        if not tones or not bool(cheeks.any()):
            return None
        tone, device = Tone.joined(tones), session.head.device
        tone = Tone(tone.mean.to(device), tone.spread.to(device))
        chin = F.adaptive_avg_pool2d(session.regions.beard[None], texels)[0]
        shaven = bool(chin.any()) and not _bearded([face for face in faces if face is not None])
        return SkinTone(weight, tone, cheeks, chin if shaven else None)

    def miss(self, albedo: Tensor) -> Tensor:
        """How far an albedo [1,R,R,3] is off, in deviations, [3] or [6]."""
        cheeks = _mean(albedo, self.cheeks)
        miss = (cheeks - self.tone.mean) / self.tone.spread
        if self.chin is None:
            return miss
        apart = _mean(albedo, self.chin) - cheeks - constant(CHIN, albedo)
        return torch.cat([miss, apart / constant(CHIN_SPREAD, albedo)])

    def __call__(self, step: Step) -> Tensor:
        return self.miss(step.maps.diffuse_albedo).square().sum() / 3


def _mean(albedo: Tensor, weight: Tensor) -> Tensor:
    """[3], as `Tone` counts: the mean of an albedo [1,R,R,3] with a weight [R,R]."""
    return Tone.of((albedo[0] * weight[..., None]).sum((0, 1)) / weight.sum())


def _bearded(faces: Sequence[EncodedFace]) -> bool:
    """Whether one of the photos shows a beard."""
    for face in faces:
        beard = float(face.labels[Label.BEARD].sum())
        if beard > BEARDED * (beard + float(face.labels[Label.SKIN].sum())):
            return True
    return False
