"""The stage that finds strands of hair for the finished avatar, where the settings ask for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from fitme.avatar.model import Avatar
from fitme.fit.hair.evidence import HairPhoto
from fitme.fit.hair.find import find_hair
from fitme.fit.session import Session
from fitme.hair import Hair
from fitme.runtime.notes import WARNING, Note

PAINTED = ("cropped", "bald")  # what needs no strands
GROWS_BY = ("ears", "face", "lips", "brows")  # regions of a head that `fitme.hair` needs
NO_SCALP = "hair: none, as the head model does not say where its face and ears are"
UNSEEN = "hair: the photos' hair was not looked at, as the encoder did not see the faces"


@torch.no_grad()
def grown_hair(session: Session, avatar: Avatar) -> Hair | None:
    """The hair of an avatar on the CPU, whose photos are those of the session; a note says what
    was decided."""
    wish = session.settings.hair
    if wish in PAINTED:
        return None
    if not set(GROWS_BY) <= session.head.regions.keys():
        session.notes.append(Note(NO_SCALP, WARNING, "hair"))
        return None
    photos = _photos(session, avatar)
    if not photos:
        session.notes.append(Note(UNSEEN, WARNING, "hair"))
        return None
    with session.progress.stage("hair", 1) as stage:
        hair, notes = find_hair(
            avatar.head, photos, session.models.encoder, wish, session.settings.hair_trials
        )
        stage.step()
    session.notes += notes
    return hair


def _photos(session: Session, avatar: Avatar) -> Sequence[HairPhoto]:
    """Those that the encoder saw."""
    found = []
    for index, (seen, shown) in enumerate(zip(session.observations, avatar.photos, strict=True)):
        if seen.face.encoded is None:
            continue
        vertices = avatar.posed(index)[0].numpy().astype(np.float32)
        camera = shown.view.camera()
        found.append(HairPhoto(seen.photo, seen.face.encoded, camera, vertices, shown.light))
    return found
