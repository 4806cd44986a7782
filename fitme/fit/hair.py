"""Where hair or the rims of glasses cover the face.

Hair: colours of this photo's skin and hair, and a graph cut.

GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) with the samples that an aligned head gives:
cheeks and nose are skin; what lies on the scalp and around the head above the chin is hair or wall,
as far as it does not look like skin. Its answer counts on forehead, temples and flanks of the face;
brows, eyes and lips do not look like skin either. With a beard on chin and lip, it does not count
on the flanks.

Rims: what is thin, long and far darker than its surroundings (a closing less the picture, Serra
1982) between brows and cheekbones, where such lines run below both eyes or across the nose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import torch
from torch import Tensor

SAMPLES = 4000  # pixels per colour model
LIKE_SKIN = 3.0  # standard deviations within which a colour on the scalp says nothing
FEW = 40  # unlike pixels: below, the head is bald and the wall is skin-coloured
BEARD = 0.2  # share of chin and upper lip that looks like hair
AROUND = 0.06  # of the crop: how far around the head hair is looked for
NEARBY = 0.1  # of the crop
BURIED = (0.4, 0.7)  # share of hair around a brow at which it begins to be, and is, covered
THICKEST, SHORTEST = 0.04, 0.06  # of the crop: rims' width and length
STRETCH = 0.04  # of the crop: what of a rim's length lies below an eye
ACROSS = 0.8  # share of the columns between the eyes that the bridge of glasses darkens
DARK_RIM = 0.25  # how much darker than its surroundings a rim is
RIM_SHADE = 0.01  # of the crop: blur and shadow beside a rim
SEED = 0
UNUSED = (0, 0, 0, 0)  # rectangle, which masks replace


@dataclass(frozen=True)
class FacePixels:
    """One photo's crop [n,n] as the aligned head sees it; masks in 0..1."""

    AREAS: ClassVar = (  # of `AtlasRegions`
        "bare", "beard", "brows", "overhung", "flanks", "scalp",
        "spectacles", "cheekbones", "bridge",
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
    head: Tensor  # the silhouette with the neck
    chin: float  # row, below which the surroundings may be the neck


def uncovered(display: Tensor, face: FacePixels) -> Tensor:
    """[n,n] in 0..1: 0 where hair hangs over the face; display [n,n,3] display-encoded."""
    pixels = (display.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    pixels = cv2.bilateralFilter(pixels, 5, 25, 3)
    inside, scalp, bare, beard = (_true(x) for x in (face.head, face.scalp, face.bare, face.beard))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(AROUND * len(pixels)) + 1,) * 2)
    near = (cv2.dilate(inside.astype(np.uint8), disc) > 0) & ~inside
    near &= np.arange(len(pixels))[:, None] < face.chin
    hair = _hair(pixels, inside, bare, (scalp, near))
    area = face.overhung
    if hair[beard].sum() <= BEARD * beard.sum():
        area = torch.maximum(area, face.flanks)
    soft = torch.from_numpy(cv2.blur(hair.astype(np.float32), (3, 3)))
    soft = soft.to(area)
    around = _nearby(soft * face.overhung) / _nearby(face.overhung).clamp_min(1e-3)
    buried = ((around - BURIED[0]) / (BURIED[1] - BURIED[0])).clamp(0, 1)
    areas = (_true(area) for area in (face.spectacles, face.cheekbones, face.bridge))
    glasses = rims(pixels, *areas)
    rim = torch.from_numpy(glasses).to(area)
    return (1 - soft * torch.maximum(area, face.brows * buried)) * (1 - rim)


def rims(
    pixels: np.ndarray, where: np.ndarray, below: np.ndarray, bridge: np.ndarray
) -> np.ndarray:
    """[n,n] in 0..1: thin dark lines of pixels [n,n,3] bytes within `where` [n,n], if there are
    some on both sides in its part `below` [n,n], or one all across its part `bridge` [n,n]."""
    side = len(pixels)
    light = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(THICKEST * side / 2) + 1,) * 2)
    around = cv2.morphologyEx(light, cv2.MORPH_CLOSE, disc)
    dark = around - light > DARK_RIM * around
    across = (dark & bridge).any(0).sum() >= ACROSS * max(1, bridge.any(0).sum())
    if not (across or _on_both_sides(_long(dark & below, STRETCH * side), below)):
        return np.zeros(light.shape, np.float32)
    near = np.ones((2 * round(RIM_SHADE * side) + 1,) * 2, np.uint8)
    wide = cv2.dilate(_long(dark & where, SHORTEST * side).astype(np.uint8), near)
    return cv2.blur(wide.astype(np.float32), (3, 3))


def _on_both_sides(mask: np.ndarray, area: np.ndarray) -> bool:
    """Whether a mask [n,n] within an area [n,n] has columns left and right of the area's middle."""
    left = np.flatnonzero(mask.any(0)) < np.flatnonzero(area.any(0)).mean()
    return bool(left.any() and not left.all())


def _long(mask: np.ndarray, least: float) -> np.ndarray:
    """The connected pieces of a mask [n,n] that reach over `least` pixels."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    extent = boxes[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(1)
    extent[0] = 0  # the rest
    return (extent >= least)[labels]


def _nearby(values: Tensor) -> Tensor:
    """Mean of [n,n] over squares of about a brow's length."""
    side = (round(NEARBY * len(values)),) * 2
    return torch.from_numpy(cv2.blur(values.cpu().numpy(), side)).to(values)


def _hair(
    pixels: np.ndarray, inside: np.ndarray, skin: np.ndarray, others: tuple[np.ndarray, ...]
) -> np.ndarray:
    """[n,n] bool: what is more like `others` than like `skin`, along the picture's edges.

    pixels [n,n,3] bytes; inside is the head; skin and each of others are sure samples, of which
    others may contain skin too. All False where they contain nothing else.
    """
    others = tuple(_unlike(pixels, skin, where) for where in others)
    if skin.sum() < FEW or not any(where.sum() >= FEW for where in others):
        return np.zeros(pixels.shape[:2], bool)
    other, own = _models(pixels, skin, [where for where in others if where.sum() >= FEW])
    mask = np.full(pixels.shape[:2], cv2.GC_PR_FGD, np.uint8)
    mask[~inside] = cv2.GC_PR_BGD
    for where in others:
        mask[where & ~inside] = cv2.GC_BGD
    mask[skin] = cv2.GC_FGD
    cv2.grabCut(pixels, mask, UNUSED, other, own, 1, cv2.GC_EVAL_FREEZE_MODEL)
    return (mask == cv2.GC_BGD) | (mask == cv2.GC_PR_BGD)


def _unlike(pixels: np.ndarray, skin: np.ndarray, where: np.ndarray) -> np.ndarray:
    """`where` without what looks like skin: bald heads and walls of its colour say nothing."""
    values = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.float64)
    known = values[skin]
    if len(known) < FEW:
        return where & False
    spread = np.cov(known.T) + 9 * np.eye(3)
    miss = values - np.median(known, 0)
    distance = np.einsum("yxi,ij,yxj->yx", miss, np.linalg.inv(spread), miss)
    return where & (distance > LIKE_SKIN**2)


def _models(
    pixels: np.ndarray, skin: np.ndarray, others: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Mixtures of five Gaussians of what is not skin and of skin, as cv2.grabCut keeps them.

    Each of others counts the same, however large the wall is.
    """
    draws = np.random.default_rng(SEED)
    kinds = [pixels[mask] for mask in (*others, skin)]
    chosen = [kind[draws.integers(len(kind), size=SAMPLES)] for kind in kinds]
    strip = np.concatenate(chosen)[None]
    mask = np.full(strip.shape[:2], cv2.GC_BGD, np.uint8)
    mask[:, -SAMPLES:] = cv2.GC_FGD
    other, own = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(SEED)
    strip = np.ascontiguousarray(strip)
    cv2.grabCut(strip, mask, UNUSED, other, own, 0, cv2.GC_INIT_WITH_MASK)
    return other, own


def _true(mask: Tensor) -> np.ndarray:
    return (mask > 0.5).cpu().numpy()
