"""Light and the generator's tone at low resolution; geometry stays as aligned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from fitme.fit.descent import History, Losses, descend
from fitme.fit.evidence.eyes import balance
from fitme.fit.observation import Crops, masks_of
from fitme.fit.session import Session
from fitme.fit.settings import LightSettings
from fitme.fit.state import FitState
from fitme.fit.terms.base import Step, priors, weighted
from fitme.fit.terms.photometric import appearance
from fitme.fit.terms.tone import SkinTone
from fitme.image.color import luminance
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.render import RenderOutput
from fitme.render.light import Y0

DARK = 0.005  # linear value below which brightness is not compared
SKIN = 0.5  # weight of pixels that are
FAR = 1.5  # log, at most, that a first guess of light is off


@dataclass(frozen=True)
class LightStage:
    """See the module."""

    settings: LightSettings
    name: str = "light"

    def run(self, session: Session, state: FitState) -> History:
        """Change light, tone and iris; a share of the light becomes a lamp."""
        settings = self.settings
        crops, draw = still(session, state)
        trusted = masks_of(state.frames.trusted, crops.size)
        expose(session, state, crops, draw()[0], trusted)
        terms = appearance(session.settings.terms)
        tone = SkinTone.of(session, session.settings.terms.tone, settings.texels)
        if tone is not None:
            terms.append(tone)
        # Harmonics that stand for a lamp, too, are less than nothing behind the head.
        weights = replace(session.settings.priors, faint=0.0)

        def evaluate(step: int) -> Losses:
            if settings.whites and step == int(settings.whites_at * settings.steps):
                balance(session, state)
            out, maps = draw()
            shown = Step(session, state, crops, out, session.skin(out) * trusted, maps)
            return weighted(terms, shown) | priors(weights, state)

        history = descend(
            self.name, state.tensors(), asdict(settings.rates), settings.steps, evaluate,
            session.progress, session.settings.descent,
            besides={int(settings.whites_at * settings.steps)} if settings.whites else (),
        )  # fmt: skip
        place_lamp(state, settings.lamp_share)
        return history


@torch.no_grad()
def expose(
    session: Session, state: FitState, crops: Crops, out: RenderOutput, trusted: Tensor
) -> None:
    """Scale each light so that the skin is as bright as in the photo: the first guess of it belongs
    to the encoder's guess of the skin, and a start with another skin needs other light. `out` is
    the picture beside the crops, trusted [P,n,n]."""
    weight = session.skin(out) * trusted
    shown, drawn = (luminance(x).clamp_min(DARK).log() for x in (crops.pixels, out.color))
    far = (torch.where(weight > SKIN, shown - drawn, torch.nan)).flatten(1).nanmedian(1).values
    gain = far.nan_to_num(0.0).clamp(-FAR, FAR).exp()[:, None]
    state.frames.gray.mul_(gain)
    state.frames.lamp.mul_(gain)
    state.frames.color.mul_(gain[..., None])


def still(
    session: Session, state: FitState
) -> tuple[Crops, Callable[[], tuple[RenderOutput, ReflectanceMaps]]]:
    """Crops for the light, and what renders the state beside them with the geometry it has now."""
    settings = session.settings.light
    crops = session.crops(settings.pixels, exact=True)
    camera = session.camera(state, crops)
    vertices = state.posed(session.head)

    def draw() -> tuple[RenderOutput, ReflectanceMaps]:
        maps = session.maps(session.pivot(state), settings.texels)
        return session.picture(state, vertices, camera, maps), maps

    return crops, draw


def place_lamp(state: FitState, share: float) -> None:
    """Turn a share of the first harmonics into a directional light, which has a highlight."""
    frames = state.frames
    first = frames.gray[:, [3, 1, 2]]  # along x, y, z
    frames.lamp += share * first * (Y0 / 0.5)
    frames.gray[:, 1:4] *= 1 - share
