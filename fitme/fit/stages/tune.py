"""Pivotal tuning (Roich et al., arXiv 2106.05744) with W held: the generator's middle layers, where
texels were seen; or W+ instead."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.descent import History, Losses, descend
from fitme.fit.observation import Crops, masks_of
from fitme.fit.session import Session
from fitme.fit.settings import TuneSettings
from fitme.fit.state import FitState
from fitme.fit.terms.base import COARSE, Step, Term, weighted
from fitme.fit.terms.learned import learned
from fitme.fit.terms.photometric import Chromaticity, appearance
from fitme.fit.terms.pivot import Hue, Mirror, Pivot
from fitme.fit.visibility import texel_weights
from fitme.models.stylegan2 import ReflectanceMaps


@dataclass(frozen=True)
class TuneStage:
    """See the module."""

    settings: TuneSettings
    name: str = "tune"

    def run(self, session: Session, state: FitState) -> History:
        """Change the session's own generator, or the state's W+ layers, and the light a little."""
        settings = self.settings
        generator = session.own_generator()
        crops = session.crops(settings.pixels)
        trusted = masks_of(state.frames.trusted, crops.size)
        vertices, camera = state.posed(session.head), session.camera(state, crops)
        session.cast(state, vertices)
        if settings.wplus:
            layers = state.person.layers.expand(-1, generator.config.w_count, -1)
            state.person.layers = layers.clone()
        terms = self._terms(session, state, crops, trusted, vertices)

        def evaluate(_: int) -> Losses:
            signal = session.signal(session.w(state), settings.texels)
            maps = session.used(ReflectanceMaps.from_signal(signal))
            out = session.picture(state, vertices, camera, maps)
            weight = session.skin(out) * trusted
            return weighted(terms, Step(session, state, crops, out, weight, maps, signal))

        middle = [
            parameter
            for layer in generator.layers()
            if settings.coarsest <= layer.resolution <= settings.texels
            for parameter in [layer.weight, layer.position]
            if parameter is not None
        ]
        rates = asdict(settings.rates)
        del rates["generator" if settings.wplus else "layers"]
        return descend(
            self.name, {"generator": middle, **state.tensors()}, rates, settings.steps, evaluate,
            session.progress, session.settings.descent,
        )  # fmt: skip

    @torch.no_grad()
    def _terms(
        self, session: Session, state: FitState, crops: Crops, trusted: Tensor, vertices: Tensor
    ) -> list[Term]:
        settings, texels = self.settings, self.settings.texels
        pivot = session.signal(session.w(state), texels)
        camera = session.camera(state, crops)
        seen = texel_weights(session.head, vertices, camera, trusted, texels).amax(0)
        skin = session.regions.skin[None, None]
        seen = seen * F.interpolate(skin, (texels, texels))[0, 0]
        unseen = (1 - seen) * seen.flip(-1)
        coarse = F.avg_pool2d(pivot, COARSE)
        marks = session.regions.marked[None]  # make-up has any hue
        bare = 1 - F.adaptive_avg_pool2d(marks, coarse.shape[-1])[0]
        away = F.avg_pool2d((1 - seen)[None, None], COARSE)[0, 0]
        # No likeness here: it brought 0.002 to 0.006 of the distances and cost 0.4 dB on a photo.
        return [
            *appearance(session.settings.terms, settings.scale),
            *learned(session, crops),
            Chromaticity(settings.chromaticity),
            Mirror(settings.mirror, unseen),
            Pivot(settings.pivot, coarse, away),
            Hue(settings.hue, coarse, bare),
        ]
