"""Where something covers the face of an aligned photo: hair, glasses, or a mask.

Hair counts on forehead, temples and flanks of the face, as brows, eyes and lips do not look like
skin either; with a beard on chin and lip, it does not count on the flanks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import torch
from torch import Tensor

from fitme.fit.evidence.cloth import mouth_cloth
from fitme.fit.evidence.glasses import rims
from fitme.fit.evidence.hair import CROP_PIXELS, hair_pixels
from fitme.fit.evidence.labels import free_pixels
from fitme.fit.evidence.lenses import dark_lenses
from fitme.fit.observation import Crops
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


@dataclass(frozen=True)
class FacePixels:
    """One photo's crop [n,n] as the aligned head sees it; masks in 0..1."""

    AREAS: ClassVar = (  # of `AtlasRegions`
        "bare", "beard", "brows", "overhung", "flanks", "scalp",
        "spectacles", "cheekbones", "bridge", "right_lids", "left_lids", "lips",
    )  # fmt: skip

    bare: Tensor  # cheeks and nose
    beard: Tensor  # upper lip and chin
    brows: Tensor
    overhung: Tensor  # forehead and temples
    flanks: Tensor  # cheeks and jaw away from the mouth
    scalp: Tensor
    spectacles: Tensor  # skin that rims of glasses run over
    cheekbones: Tensor  # the part of it below the eyes
    bridge: Tensor  # the part of it between them
    right_lids: Tensor  # the person's right
    left_lids: Tensor
    lips: Tensor
    head: Tensor  # the silhouette with the neck
    chin: float  # row, below which the surroundings may be the neck


@dataclass(frozen=True)
class Covered:
    """What covers one face, and a line for the user for each guess that it makes necessary."""

    free: Tensor  # [n,n] in 0..1: 0 where something covers the face
    notes: tuple[str, ...] = ()


def covers(display: Tensor, face: FacePixels, labelled: Tensor | None = None) -> Covered:
    """Hair, glasses and masks over the face in a crop [n,n,3], display-encoded; `labelled` [n,n] in
    0..1 is 0 where the encoder says so; the photo's own colours see thin strands that it misses."""
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
    if labelled is not None:
        free = torch.minimum(free, labelled)
    notes = []
    if lenses.any():
        notes.append("sunglasses: the eyes are guessed")
    if cloth.any():
        notes.append("a mask over the mouth: mouth and chin are guessed")
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
    found = [
        covers(seen, FacePixels(**dict(zip(names, own, strict=True)), head=whole, chin=chin), known)
        for seen, own, whole, chin, known in zip(
            crops.display, masks, inside, chins, _labelled(session, crops), strict=True
        )
    ]
    for index, (seen, one) in enumerate(zip(session.observations, found, strict=True)):
        for text in one.notes:
            session.notes.append(Note(text, kind="covered", photo=index))
            session.progress.note(f"{seen.photo.path}: {text}")
    return torch.stack([one.free for one in found])


def _labelled(session: Session, crops: Crops) -> list[Tensor | None]:
    """Per photo what the encoder's labels say, see `free_pixels`; None where it was not asked."""
    faces = [seen.face.encoded for seen in session.observations]
    return [
        None if one is None else free_pixels(one, matrix, crops.size).to(crops.pixels)
        for one, matrix in zip(faces, crops.to_photo, strict=True)
    ]


def _nearby(values: Tensor) -> Tensor:
    """Mean of [n,n] over squares of about a brow's length."""
    side = (round(NEARBY * len(values)),) * 2
    return torch.from_numpy(cv2.blur(values.cpu().numpy(), side)).to(values)


def _true(mask: Tensor) -> np.ndarray:
    return (mask > 0.5).cpu().numpy()
