"""Where something covers the face of an aligned photo: hair, glasses, or a mask.

The encoder's labels say it, where it was asked; without it, the photo's own colours do.
Hair counts on forehead, temples and flanks of the face, as brows, eyes and lips do not look like
skin either; with a beard on chin and lip, it does not count on the flanks.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from fitme.fit.evidence.cloth import mouth_cloth
from fitme.fit.evidence.face_pixels import MASK, SUNGLASSES, Covered, FacePixels
from fitme.fit.evidence.glasses import rims
from fitme.fit.evidence.hair import CROP_PIXELS, hair_pixels
from fitme.fit.evidence.labels import labelled_covers
from fitme.fit.evidence.lenses import dark_lenses
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.fit.visibility import pixels_of
from fitme.image.color import luminance, srgb_to_linear
from fitme.runtime.notes import Note

CHIN = 152  # landmark
BEARD = 0.2  # share of chin and upper lip that looks like hair
AROUND = 0.06  # of the crop: how far around the head hair is looked for
NEARBY = 0.1  # of the crop
BURIED = (0.4, 0.7)  # share of hair around a brow at which it begins to be, and is, covered


def covers(display: Tensor, face: FacePixels) -> Covered:
    """Hair, glasses and masks over the face by the colours of a crop [n,n,3], display-encoded."""
    pixels = (display.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    pixels = cv2.bilateralFilter(pixels, 5, 25, 3)
    inside, scalp, bare, beard = (_true(x) for x in (face.head, face.scalp, face.bare, face.beard))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(AROUND * len(pixels)) + 1,) * 2)
    near = (cv2.dilate(inside.astype(np.uint8), disc) > 0) & ~inside
    near &= np.arange(len(pixels))[:, None] < face.chin
    lenses = _lenses(pixels, face)
    cloth = _cloth(pixels, face, ~lenses)
    over = lenses | cloth
    rim = torch.from_numpy(rims(pixels, *(_true(x) for x in (
        face.spectacles, face.cheekbones, face.bridge
    )))).to(face.bare)  # fmt: skip
    hair = hair_pixels(pixels, inside, bare & ~over, (scalp, near & ~over))
    free = (1 - _over_the_face(hair, beard, face)) * (1 - rim)
    notes = []
    if lenses.any():
        notes.append(SUNGLASSES)
    if cloth.any():
        notes.append(MASK)
    if over.any():
        free = free * (1 - torch.from_numpy(cv2.blur(over.astype(np.float32), (3, 3))).to(free))
    return Covered(free, tuple(notes))


def _over_the_face(hair: np.ndarray, beard: np.ndarray, face: FacePixels) -> Tensor:
    """[n,n] in 0..1: the part of hair [n,n] that hangs over the face; beard [n,n] is where one
    grows."""
    area = face.overhung
    if hair[beard].sum() <= BEARD * beard.sum():
        area = torch.maximum(area, face.flanks)
    soft = torch.from_numpy(cv2.blur(hair.astype(np.float32), (3, 3))).to(area)
    around = _nearby(soft * face.overhung) / _nearby(face.overhung).clamp_min(1e-3)
    buried = ((around - BURIED[0]) / (BURIED[1] - BURIED[0])).clamp(0, 1)
    return soft * torch.maximum(area, face.brows * buried)


def _lenses(pixels: np.ndarray, face: FacePixels) -> np.ndarray:
    """[n,n] bool: the lenses of sunglasses."""
    light = luminance(srgb_to_linear(torch.from_numpy(pixels).float() / 255)).numpy()
    around = _true(face.spectacles) | _true(face.brows)
    return dark_lenses(
        light, (_true(face.right_lids), _true(face.left_lids)), _true(face.bare), around
    )


def _cloth(pixels: np.ndarray, face: FacePixels, unworn: np.ndarray) -> np.ndarray:
    """[n,n] bool: the cloth of a mask over the mouth; unworn [n,n] bool has no lenses before it."""
    upper = (_true(face.cheekbones) | _true(face.bridge)) & unworn
    return mouth_cloth(pixels, _true(face.head), _true(face.lips), _true(face.beard), upper)


@torch.no_grad()
def uncovered_pixels(session: Session, state: FitState) -> Tensor:
    """[P,n,n] in 0..1: 0 where something covers the face, as the aligned head sees it."""
    crops = session.crops(CROP_PIXELS, exact=True)
    out = session.view(state, crops)
    names = FacePixels.AREAS
    masks = torch.stack([pixels_of(out, getattr(session.regions, name)) for name in names], 1)
    skin = session.head.skin.index
    inside = out.image((out.part_points == skin)[:, None].to(masks))[..., 0]
    chins = crops.from_photo(session.landmarks(crops))[:, CHIN, 1].tolist()
    found = []
    for seen, own, whole, chin, matrix, look in zip(
        session.observations, masks, inside, chins, crops.to_photo, crops.display, strict=True
    ):
        face = FacePixels(**dict(zip(names, own, strict=True)), head=whole, chin=chin)
        encoded = seen.face.encoded
        found.append(
            covers(look, face) if encoded is None else labelled_covers(encoded, matrix, face)
        )
    for index, (seen, one) in enumerate(zip(session.observations, found, strict=True)):
        for text in one.notes:
            session.notes.append(Note(text, kind="covered", photo=index))
            session.progress.note(f"{seen.photo.path}: {text}")
    return torch.stack([one.free for one in found])


def _nearby(values: Tensor) -> Tensor:
    """Mean of [n,n] over squares of about a brow's length."""
    side = (round(NEARBY * len(values)),) * 2
    return torch.from_numpy(cv2.blur(values.cpu().numpy(), side)).to(values)


def _true(mask: Tensor) -> np.ndarray:
    return (mask > 0.5).cpu().numpy()
