"""Where a fit starts: the aligned views, what covers the face, and what the encoder guesses of skin
and light."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fitme.fit.evidence.covered import uncovered_pixels
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.fit.terms.tone import SkinTone
from fitme.models.encoder.starts import FACE_MIDDLE
from fitme.render.camera import axis_angle_to_matrix, rotation_towards
from fitme.render.light import sh_basis, sh_rotation
from fitme.segment.encoder import EncodedFace

TEXELS = 32  # of the maps on which the skin's tone is set
TONE_STEPS = 3  # Gauss-Newton; the tone is nearly linear in W
FAINT = 0.05  # mean radiance of the faintest light a fit starts with


def start(session: Session, identity: Tensor) -> FitState:
    """The state from the session's aligned photos and a first identity [1,K]."""
    state = FitState.start(session.observations, identity, session.codes)
    if session.settings.guess:
        guess(session, state)
    if session.settings.mask:
        session.uncovered = uncovered_pixels(session, state)
        state.frames.trusted = session.uncovered.clone()
    return state


@torch.no_grad()
def guess(session: Session, state: FitState) -> None:
    """Put the encoder's guesses of W and of the lights into the state; nothing without them."""
    faces = [seen.face.encoded for seen in session.observations]
    known = [face for face in faces if face is not None]
    if not known:
        return
    codes = [face.start("code") for face in known]
    weights = torch.stack([spread.square().reciprocal() for _, spread in codes])
    mean = (torch.stack([code for code, _ in codes]) * weights).sum(0) / weights.sum(0)
    used = min(len(mean), state.person.code.shape[1])
    state.person.code[0, :used] = mean[:used].to(state.person.code)
    set_tone(session, state)
    for index, face in enumerate(faces):
        if face is not None:
            _light(state, index, face)


def set_tone(session: Session, state: FitState) -> None:
    """Change the code by as little as gives the skin the tone that the photos tell: the likeliest
    code, a standard normal one about where it is, by Gauss-Newton."""
    term = SkinTone.of(session, 1.0, TEXELS)
    if term is None:
        return
    start = state.person.code.clone()
    code = start.clone()

    def miss(value: Tensor) -> Tensor:
        maps = session.maps(session.codes.w(value), TEXELS)
        return term.miss(maps.diffuse_albedo)

    for _ in range(TONE_STEPS):
        with torch.enable_grad():
            slope = torch.autograd.functional.jacobian(miss, code)[:, 0]
            far = miss(code)
        wanted = far + slope @ (start - code)[0]
        step = torch.linalg.solve(slope @ slope.T + torch.eye(len(slope)).to(slope), wanted)
        code = start - step @ slope
    state.person.code.copy_(code)


def _light(state: FitState, index: int, face: EncodedFace) -> None:
    """The guessed surround and lamp of one photo, all as harmonics, in the head's frame."""
    frames = state.frames
    rotation = axis_angle_to_matrix(frames.rotation[index : index + 1])[0]
    middle = rotation @ rotation.new_tensor(FACE_MIDDLE) + frames.translation[index]
    turned = rotation_towards(middle).T @ rotation  # head to the camera turned to the face
    sh = face.start("sh")[0].reshape(9, 3).to(rotation)
    lamp = face.start("lamp")[0].to(rotation)
    strength = lamp.norm().clamp_min(1e-6)
    # A lamp that gives a facing card the radiance c has the irradiance pi c.
    sh = sh + math.pi * strength * sh_basis(lamp / strength)[:, None]
    sh = (sh_rotation(turned.T[None]) @ sh)[0]
    sh[0] = sh[0].clamp_min(FAINT)
    gray = sh.mean(-1)
    frames.gray[index] = gray
    frames.tint[index] = (sh[0] / gray[0]).log()
