"""The term that ties the skin's albedo to what the whole photo says of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from fitme.fit.session import Session
from fitme.fit.terms.base import Step
from fitme.segment.tone import Tone


@dataclass(frozen=True)
class SkinTone:
    """Mean square of how far the mean albedo of the cheeks lies from that of the photos, in
    standard deviations, see `Tone`."""

    weight: float
    tone: Tone
    cheeks: Tensor  # [R,R]
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
        return SkinTone(weight, Tone(tone.mean.to(device), tone.spread.to(device)), cheeks)

    def miss(self, albedo: Tensor) -> Tensor:
        """How far an albedo [1,R,R,3] is off, in deviations, [3]."""
        mean = (albedo[0] * self.cheeks[..., None]).sum((0, 1)) / self.cheeks.sum()
        return (Tone.of(mean) - self.tone.mean) / self.tone.spread

    def __call__(self, step: Step) -> Tensor:
        return self.miss(step.maps.diffuse_albedo).square().mean()
