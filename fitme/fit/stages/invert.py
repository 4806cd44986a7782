"""Inversion: W, shape, pose and light together (FitMe, arXiv 2305.09641, section 3.3)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F

from fitme.fit.align import LIP_OPENINGS, OPENINGS
from fitme.fit.descent import History, Losses, descend
from fitme.fit.evidence.highlights import dull_pixels
from fitme.fit.evidence.lamps import aim_lamps
from fitme.fit.evidence.scalp import scalp_contrast
from fitme.fit.evidence.trust import trust
from fitme.fit.observation import Crops, masks_of
from fitme.fit.session import Session
from fitme.fit.settings import InvertSettings
from fitme.fit.stages.gaze import aim_eyes
from fitme.fit.state import FitState
from fitme.fit.terms.base import Step, Term, priors, weighted
from fitme.fit.terms.contour import Contour
from fitme.fit.terms.dense import Dense
from fitme.fit.terms.landmarks import Landmarks, Openings
from fitme.fit.terms.learned import learned
from fitme.fit.terms.lids import LidEdges
from fitme.fit.terms.likeness import likeness
from fitme.fit.terms.photometric import appearance
from fitme.fit.terms.scalp import Scalp
from fitme.fit.terms.tone import SkinTone


@dataclass(frozen=True)
class InvertStage:
    """From `masked_at` on with a mask of what is not skin, which the frames keep."""

    settings: InvertSettings
    name: str = "invert"

    def run(self, session: Session, state: FitState) -> History:
        """Change everything but the generator; in the end turn eyes to where irises are and lamps
        to where highlights are."""
        settings, deform = self.settings, session.settings.deform
        fields = session.models.deformations if deform.on else None
        rates = asdict(settings.rates)
        if fields is not None:
            state.person.deformation = fields.zeros()
            rates["deformation"] = deform.rate
        starts = int(deform.starts * settings.steps)
        crops = session.crops(settings.pixels)
        told = masks_of(state.frames.trusted, crops.size)
        trusted = told.clone()  # written into, as recorded steps know no other tensor
        masked = {int(settings.masked_at * settings.steps), settings.steps - 1}
        paced = likeness(session, crops)
        terms = [*appearance(session.settings.terms), *learned(session, crops), *paced]
        geometric = self._geometric(session, state, crops)
        every = settings.shadow_every
        casts = set(range(0, settings.steps, every)) if every else set()

        def evaluate(step: int) -> Losses:
            state.fields = fields if step >= starts else None
            maps = session.maps(session.pivot(state), settings.texels)
            camera = session.camera(state, crops)
            vertices = state.posed(session.head)
            if step in casts:
                session.cast(state, vertices)
            out = session.picture(state, vertices, camera, maps)
            if session.settings.mask and step in masked:
                told_now = trust(session, out, crops) * told
                trusted.copy_(told_now * dull_pixels(session.regions, out, crops, told_now))
            weight = session.skin(out) * trusted
            shown = Step(session, state, crops, out, weight, maps, vertices=vertices)
            losses = weighted(terms, shown) | priors(session.settings.priors, state)
            return losses | weighted(geometric, shown)

        history = descend(
            self.name, state.tensors(), rates, settings.steps, evaluate,
            session.progress, session.settings.descent,
            None if paced else {starts}, masked | casts,
        )  # fmt: skip
        state.frames.trusted, state.fields = trusted.detach(), fields
        aim_eyes(session, state)
        aim_lamps(session, state)
        return history

    def _geometric(self, session: Session, state: FitState, crops: Crops) -> list[Term]:
        """Landmarks, the scalp's colour where the photos show it, lips and lids."""
        weights = session.settings.terms
        observed = session.landmarks(crops)
        scale = crops.pixels.new_tensor([seen.face.scale for seen in session.observations])
        areas = torch.stack([session.regions.crown, session.regions.bare])
        crown, cheeks = F.adaptive_avg_pool2d(areas, self.settings.texels)
        contrast = scalp_contrast(session, state)
        lids = LidEdges.of(session, weights.lids, weights.opening_sigma, scale)
        pairs = OPENINGS if lids is None else LIP_OPENINGS
        opening = weights.opening * len(pairs) / len(OPENINGS)
        terms: list[Term] = [
            Landmarks(weights.landmark, weights.landmark_sigma, observed, scale),
            Openings(opening, weights.opening_sigma, observed, scale, pairs),
        ]
        if contrast is not None:
            terms.insert(1, Scalp(weights.scalp, crown, cheeks, contrast))
        seen = (
            SkinTone.of(session, weights.tone, self.settings.texels),
            Dense.of(session, weights.dense, weights.dense_widen),
            Contour.of(session, weights.contour, weights.contour_sigma),
            lids,
        )
        return terms + [term for term in seen if term is not None]
