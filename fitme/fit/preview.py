"""Small pictures of a running fit: the head as it is, over the first photo."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.avatar.relight import haired
from fitme.fit.observation import Crops, cut, face_crop
from fitme.fit.session import EYE_TEXELS, Session
from fitme.fit.state import FitState
from fitme.head.mesh import head_mesh
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.reflectance.generated import generated_materials
from fitme.render import render
from fitme.render.picture import over, to_bytes

SIDE = 384  # pixels: as wide as a phone shows it
TEXELS = 256  # of the skin's maps: about a texel a pixel


def photo_preview(photo: Photo, face: FaceLandmarks) -> NDArray[Any]:
    """uint8 [SIDE,SIDE,3]: the photo's crop, before there is a head."""
    return to_bytes(face_crop(photo, face, SIDE).pixels.clamp(0, 1))


@torch.no_grad()
def state_preview(session: Session, state: FitState) -> NDArray[Any]:
    """uint8 [SIDE,SIDE,3]: the first photo's crop with the head of now, without hair and without
    the shadows of lamps. Changes neither."""
    crops, frames, person = _crops(session, session.head.device), state.frames[0], state.person
    vertices = state.geometry(session.head).vertices(frames.expression.clamp(0, 1), frames.gaze)
    maps = session.maps(session.w(state), TEXELS)
    materials = generated_materials(
        session.head, session.regions, maps, person.iris, EYE_TEXELS, person.eyes
    )
    camera = crops.camera(frames.rotation, frames.translation)
    out = render(head_mesh(session.head, vertices), materials, camera, frames.light())
    return to_bytes(over(out, _pixels(crops)))


@torch.no_grad()
def avatar_preview(avatar: Avatar, session: Session) -> NDArray[Any]:
    """The same of the finished avatar, with its hair."""
    crops, seen = _crops(session, "cpu"), avatar.photos[0]
    camera = crops.camera(seen.view.rotation, seen.view.translation)
    posed = avatar.posed(0)
    out = avatar.render(camera, seen.light, posed, hair=False)
    return to_bytes(over(haired(avatar, out, camera, seen.light, posed), _pixels(crops)))


def _crops(session: Session, device: torch.device | str) -> Crops:
    return cut(session.observations[:1], SIDE, device)


def _pixels(crops: Crops) -> Tensor:
    return crops.pixels[0].clamp(0, 1)
