"""Who says which pixel is what, to be measured by `benchmarks.segmentation`.

A segmenter gets a photo and a face and returns labels [H,W] of the face's square (`Frame.around`
its box), of any size; UNTOLD where it says nothing.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.evidence.covered import CHIN, covers
from fitme.fit.evidence.face_pixels import FacePixels
from fitme.fit.evidence.hair import CROP_PIXELS
from fitme.fit.faces import align_photos, observed
from fitme.fit.models import Models
from fitme.fit.session import Session
from fitme.fit.settings import PRESETS
from fitme.fit.stages.start import start
from fitme.fit.state import FitState
from fitme.fit.visibility import pixels_of
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.landmarks.person_mask import SIDE, PersonMask
from fitme.runtime.errors import InputError
from fitme.segment.encoder import FaceEncoder
from fitme.segment.frame import Frame
from fitme.segment.labels import Label

Segmenter = Callable[[Photo, FaceLandmarks], np.ndarray]

UNTOLD = 254  # not background, or no opinion


def mediapipe_person(photo: Photo, face: FaceLandmarks) -> np.ndarray:
    """MediaPipe's selfie segmentation, which only parts persons from the background."""
    person = person_mask(photo, Frame.around(face.box), 2 * SIDE)
    return np.where(person, UNTOLD, Label.BACKGROUND).astype(np.uint8)


def person_mask(photo: Photo, frame: Frame, size: int) -> np.ndarray:
    """[size,size] bool: where MediaPipe sees a person in a square of the photo."""
    pixels = frame.cut(photo, size).permute(1, 2, 0)
    found: np.ndarray = _selfie()(pixels).numpy() > 0.5
    return found


def fit_evidence(photo: Photo, face: FaceLandmarks) -> np.ndarray:
    """What a fit believes before it descends: of the aligned head, the frontal face where nothing
    covers it is skin, hair is what covers forehead, temples and flanks, and the scalp where it
    does not look like skin. It has no opinion about neck, ears, and what lies beside the head.

    What covers the middle of the face counts as glasses.
    """
    models = _models()
    seen = [(photo, face)]
    observations, identity = observed(seen, align_photos(seen, models.head))
    session = Session(models, observations, PRESETS["fast"])
    state = start(session, identity)
    crops = session.crops(CROP_PIXELS, exact=True)
    out = session.view(state, crops)
    regions = session.regions

    def on_photo(area: Tensor) -> Tensor:
        return pixels_of(out, area)[0]

    areas = {name: on_photo(getattr(regions, name)) for name in FacePixels.AREAS}
    head = out.image((out.part_points == session.head.skin.index)[:, None].float())[0, ..., 0]
    chin = float(crops.from_photo(session.landmarks(crops))[0, CHIN, 1])
    parts = FacePixels(**areas, head=head, chin=chin)
    # The fit itself does not ask for hair on the scalp, but finds it by the same cut.
    wide = replace(parts, overhung=torch.maximum(parts.overhung, parts.scalp))
    free = torch.where(parts.scalp > 0.5, covers(crops.display[0], wide).free, _trusted(state))
    found = torch.full(free.shape, UNTOLD, dtype=torch.uint8)
    here = (on_photo(regions["face"]) > 0.5) | (parts.scalp > 0.5)
    found[here] = int(Label.SKIN)
    found[parts.lips > 0.5] = int(Label.LIPS)
    found[parts.brows > 0.5] = int(Label.BROWS)
    found[session.eyes(out)[0] > 0.5] = int(Label.EYES)
    aside = torch.stack([parts.overhung, parts.flanks, parts.scalp, parts.brows]).amax(0) > 0.5
    found[here & (free < 0.5)] = int(Label.GLASSES)
    found[here & (free < 0.5) & aside] = int(Label.HAIR)
    return _in_square(found.numpy(), crops.to_photo[0].numpy(), face)


def _trusted(state: FitState) -> Tensor:
    trusted = state.frames.trusted
    assert trusted is not None
    return trusted[0]


def _in_square(labels: np.ndarray, to_photo: np.ndarray, face: FaceLandmarks) -> np.ndarray:
    """Labels of another crop, [n,n] with its affine [3,3] to the photo, in the face's square."""
    frame = Frame.around(face.box)
    x, y, side = frame.left, frame.top, frame.side
    step = to_photo[0, 0]  # photo pixels
    size = round(side / step)
    at = (np.arange(size) + 0.5) * side / size
    columns = np.floor((at + x - to_photo[0, 2]) / step).astype(int)
    rows = np.floor((at + y - to_photo[1, 2]) / step).astype(int)
    inside = [(values >= 0) & (values < len(labels)) for values in (rows, columns)]
    found = labels[np.ix_(rows.clip(0, len(labels) - 1), columns.clip(0, len(labels) - 1))]
    return np.where(inside[0][:, None] & inside[1], found, UNTOLD).astype(np.uint8)


def network(photo: Photo, face: FaceLandmarks) -> np.ndarray:
    """The encoder's labels."""
    encoded = _encoder().encode(photo, Frame.around(face.box))
    return _enlarged(encoded.labels).argmax(0).to(torch.uint8).numpy()


def _enlarged(labels: Tensor) -> Tensor:
    """Probabilities [C,h,w] at twice the size."""
    return F.interpolate(labels[None], scale_factor=2.0, mode="bilinear", align_corners=False)[0]


METHODS: dict[str, tuple[Segmenter, tuple[Label, ...]]] = {
    "trust": (
        fit_evidence,
        (Label.SKIN, Label.HAIR, Label.LIPS, Label.BROWS, Label.EYES, Label.GLASSES),
    ),
    "mediapipe": (mediapipe_person, (Label.BACKGROUND,)),
    "network": (network, tuple(Label)),
}
"""Segmenters by name, with the labels that each tells."""


def method(name: str) -> tuple[Segmenter, tuple[Label, ...]]:
    """One of METHODS, or any function as MODULE:FUNCTION, which is held to tell all labels. Raises
    InputError."""
    if name in METHODS:
        return METHODS[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise InputError(f"--method {name} is none of {', '.join(METHODS)} and not MODULE:FUNCTION")
    try:
        return cast(Segmenter, getattr(importlib.import_module(module), function)), tuple(Label)
    except (ImportError, AttributeError) as problem:
        raise InputError(f"--method {name} cannot be had: {problem}") from None


@cache
def _models() -> Models:
    return Models.load()


@cache
def _encoder() -> FaceEncoder:
    path = os.environ.get("FITME_ENCODER")  # weights of a training run
    return FaceEncoder.load(None if path is None else Path(path))


@cache
def _selfie() -> PersonMask:
    return PersonMask()
