"""The folds of an avatar packed for the viewer, which sums and clamps them for its own weights.

An amount of `Wrinkles.amount` is linear in the expression's weights before it is clamped, and it
matters only where a map of folds has something. So the page has each expression's amount at those
texels: per vertex it would be less exact, as folds begin and turn within a triangle. Slopes are
stored before `bounded`, which is not linear: the shader bounds their sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.detail.displacement import STEEPEST, slopes, texel_metres
from fitme.detail.wrinkles import DEEPEST, baked_strain
from fitme.reflectance.atlas import resized
from fitme.report.embed import jpeg_uri, png_uri
from fitme.report.geometry import Packer

FOLD_SIDE = 512  # pixels; folds are not finer than half a millimetre, see `fitme.fit.stages.folds`
AMOUNT_STEP = 1 / 128  # of stored amounts; a pixel of the screen shows no difference below
SMALLEST_AMOUNT = 0.02  # an expression that folds no texel more is left out
LARGEST_PNG = 300_000  # letters; a map that takes more loses some detail: the page stays small
JPEG_QUALITY = 92  # as that of the skin's normals
MIDDLE, HALF_RANGE = 128, 127  # bytes of signed maps: no fold is exactly zero


def packed_wrinkles(avatar: Avatar, images: dict[str, str]) -> dict[str, Any] | None:
    """What `wrinkles.js` reads, ready for JSON; None for an avatar without wrinkles.

    Signed maps are added to `images` as data: URIs; "maps" has the name and the scale (the
    value of +1) of each, "pressed" and "drawn" tilts along u and up, "shade" the log of the light.
    What is zero all over has no map.
    """
    folds = avatar.wrinkles
    if folds is None:
        return None
    head, neutral = avatar.head, avatar.neutral()
    side = folds.compressed.shape[1]
    metres = texel_metres(head, neutral, side)
    found = {
        "pressed": slopes(folds.compressed, metres),
        "drawn": slopes(folds.stretched, metres),
        "shade": folds.shade,
    }
    maps: dict[str, Any] = {}
    shown = torch.zeros(1, 1, folds.fold.shape[1], folds.fold.shape[1])
    for name, values in found.items():
        small = resized(values, min(side, FOLD_SIDE))[0].cpu()
        scale = float(small.abs().max())
        if scale:
            pixels = _signed(small, scale)
            uri = png_uri(pixels)
            if len(uri) > LARGEST_PNG:
                uri = jpeg_uri(pixels, JPEG_QUALITY, fine=True)
            images[f"fold_{name}"] = uri
            maps[name] = {"image": f"fold_{name}", "scale": scale}
            used = torch.from_numpy((pixels != MIDDLE).any(-1)).float()[None, None]
            shown += F.adaptive_max_pool2d(_grown(used), shown.shape[2:])
    return {
        "part": head.skin.index,
        "side": folds.fold.shape[1],
        "maps": maps,
        "deepest": DEEPEST,
        "steepest": STEEPEST,
        **_pack_amounts(avatar, folds.fold, _grown(shown)[0, 0] > 0),
    }


def _pack_amounts(avatar: Avatar, fold: Tensor, shown: Tensor) -> dict[str, Any]:
    """Names of shapes, the size of a step, and a block of arrays: the texels that fold where it is
    shown [r,r], as differences of their indices, and per shape the amounts of all of them in steps,
    likewise."""
    strain = baked_strain(avatar.head, avatar.geometry.expression_strain, fold.shape[1])
    amount = (strain * fold).sum(-1)
    used = (fold[0].abs().sum(-1).cpu() > 0) & shown
    texel = torch.nonzero(used.reshape(-1))[:, 0].numpy()
    values = amount.reshape(len(amount), -1).cpu().numpy()[:, texel]
    most = np.abs(values).max(axis=1, initial=0.0)
    kept = np.flatnonzero(most > SMALLEST_AMOUNT)
    # Half of the 16 bits, so that differences fit as well.
    step = max(AMOUNT_STEP, float(most.max(initial=0.0)) / 16383)
    steps = np.rint(values[kept] / step).astype(np.int16)
    packer = Packer()
    packer.add("texel", np.diff(texel, prepend=0).astype(np.uint32))
    packer.add("amount", np.diff(steps, axis=1, prepend=np.int16(0)).reshape(-1))
    names = avatar.head.expression_names
    return {"shapes": [names[index] for index in kept], "step": step, **packer.pack()}


def _grown(mask: Tensor) -> Tensor:
    """A mask [1,1,H,W] with what neighbours it, which bilinear lookups reach."""
    return F.max_pool2d(mask, 3, 1, 1)


def _signed(values: Tensor, scale: float) -> NDArray[np.uint8]:
    """Pixels [H,W,3] of values [H,W,2 or 3] in -scale..scale; a missing third channel is 0."""
    steps = (values / scale).clamp(-1, 1) * HALF_RANGE + MIDDLE
    pixels: NDArray[np.uint8] = np.full((*values.shape[:2], 3), MIDDLE, np.uint8)
    pixels[..., : values.shape[2]] = steps.round().to(torch.uint8).numpy()
    return pixels
