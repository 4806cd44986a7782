"""The eyes look where the photos show their irises, once head and shape have come to rest."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fitme.fit.evidence.eye_places import IRISES
from fitme.fit.session import Session
from fitme.fit.state import FitState

MIDDLES = tuple(iris[0] for iris in IRISES)  # landmarks
SEEN = 0.008  # interocular distances: the spread of an iris' middle
USUAL, APART = 0.35, 0.06  # radians: of gazes, and between the eyes of one person
STEP = 1e-3  # radians, for differences
ROUNDS = 3


@torch.no_grad()
def aim_eyes(session: Session, state: FitState) -> None:
    """Turn each photo's eyes to where its landmarks have the irises, by Gauss-Newton."""
    crops = session.crops(session.settings.invert.pixels)
    observed = session.landmarks(crops)[:, list(MIDDLES)]
    scale = observed.new_tensor([seen.face.scale for seen in session.observations])
    camera = session.camera(state, crops)

    def residuals(gaze: Tensor) -> Tensor:
        """[P,10] for gazes [P,4]."""
        turned = replace(state, frames=replace(state.frames, gaze=gaze.view(-1, 2, 2)))
        marks = session.head.landmarks(turned.posed(session.head))[:, list(MIDDLES)]
        miss = (crops.in_photo(camera.project(marks)) - observed) / scale[:, None, None]
        apart = gaze[:, :2] - gaze[:, 2:]
        return torch.cat([miss.flatten(1) / SEEN, gaze / USUAL, apart / APART], 1)

    gaze = state.frames.gaze.flatten(1).clone()
    for _ in range(ROUNDS):
        now = residuals(gaze)
        by = torch.stack(
            [(residuals(gaze + STEP * axis) - now) / STEP for axis in torch.eye(4).to(gaze)], -1
        )
        gaze = gaze - torch.linalg.solve(by.mT @ by, (by.mT @ now[..., None]))[..., 0]
    state.frames.gaze.copy_(gaze.view(-1, 2, 2))
