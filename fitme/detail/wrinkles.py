"""Folds that come and go with the expression, on top of the maps of the neutral face.

HiFace (arXiv 2303.11225, section 3.2) blends a compressed and a stretched displacement map by each
vertex's tension. Here the tension has a direction: of the strain of the skin (`fitme.head.tension`)
only what is across a fold makes it. Where the fold's direction has the angle a and the fold is
complete at the compression f, its amount is

    -(tt cos^2 a + bb sin^2 a + 2 tb sin a cos a) / f,

linear in the strain and with it in the expression. Compressed skin is displaced, and darker where
it sees less of its surround; stretched skin loses folds that it has at rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from fitme.detail.displacement import bounded, slopes, texel_metres, tilted
from fitme.head.model import HeadModel
from fitme.head.tension import skin_strain
from fitme.reflectance.atlas import bake_vertex_field, resized
from fitme.render import Material

STRAIN_TEXELS = 128  # of maps of strain, which is smooth
DEEPEST = 1.25  # amount of compression beyond which a fold grows no more


@dataclass(frozen=True)
class Wrinkles:
    """One person's moving folds. R texels a side; maps of amounts have r."""

    compressed: Tensor  # [1,R,R] metres that compressed skin is displaced
    stretched: Tensor  # [1,R,R] metres that stretched skin is
    shade: Tensor  # [1,R,R,3] log of the diffuse light of compressed skin over that of skin at rest
    fold: Tensor  # [1,r,r,3] amount of compression per strain (tt, bb, tb)

    def amount(self, head: HeadModel, neutral: Tensor, posed: Tensor) -> Tensor:
        """How compressed the skin is across its folds, [P,r,r]: 1 in full, below 0 stretched.
        neutral [1,V,3], posed [P,V,3] metres in the head's frame."""
        found = strain_maps(head, neutral, posed, self.fold.shape[1])
        return (found * self.fold).sum(-1).clamp(-1, DEEPEST)

    def height(self, amount: Tensor) -> Tensor:
        """Displacement in metres, [P,R,R], at amounts [P,r,r]."""
        wide = resized(amount[..., None], self.compressed.shape[1])[..., 0]
        return self.compressed * wide.clamp_min(0) + self.stretched * (-wide).clamp_min(0)

    def on(self, skin: Material, head: HeadModel, neutral: Tensor, posed: Tensor) -> Material:
        """The skin's material with the folds of P poses, from that of the neutral face."""
        amount = self.amount(head, neutral, posed)
        pressed = resized(amount[..., None], self.compressed.shape[1]).clamp_min(0)
        normal = displaced(skin, head, neutral, self.height(amount))
        shade = (self.shade * pressed).exp()
        albedo = skin.diffuse_albedo * resized(shade, skin.diffuse_albedo.shape[1])
        return replace(skin, diffuse_albedo=albedo, normal=normal)

    def to(self, device: torch.device | str) -> Wrinkles:
        """The same folds on another device."""
        return Wrinkles(**{item.name: getattr(self, item.name).to(device) for item in fields(self)})

    def resized(self, texels: int) -> Wrinkles:
        """The same folds with maps of another side."""
        if texels == self.compressed.shape[1]:
            return self
        compressed, stretched = (
            resized(height[..., None], texels)[..., 0]
            for height in (self.compressed, self.stretched)
        )
        return Wrinkles(compressed, stretched, resized(self.shade, texels), self.fold)


def displaced(skin: Material, head: HeadModel, neutral: Tensor, height: Tensor) -> Tensor:
    """The skin's normals [P,R,R,3] with heights [P,r,r] in metres on it; neutral [1,V,3]."""
    normal = skin.normals()
    tilt = bounded(slopes(height, texel_metres(head, neutral, height.shape[1])))
    return tilted(normal, resized(tilt, normal.shape[1]))


def strain_maps(head: HeadModel, neutral: Tensor, posed: Tensor, texels: int) -> Tensor:
    """Strain over the atlas, [P,r,r,3]; see `skin_strain`."""
    return baked_strain(head, skin_strain(head, neutral, posed), texels)


def baked_strain(head: HeadModel, strain: Tensor, texels: int) -> Tensor:
    """Strain at vertices [P,V,3] over the atlas, [P,r,r,3]; all poses at once."""
    baked = bake_vertex_field(head, strain.movedim(0, 1).flatten(1), texels)
    return baked.unflatten(-1, (len(strain), 3)).movedim(2, 0).contiguous()


def fold_weights(angle: Tensor, complete: Tensor | float) -> Tensor:
    """`Wrinkles.fold` [...,3] of folds across the angle [...] that are complete at a compression
    of `complete`."""
    c, s = angle.cos(), angle.sin()
    return -torch.stack([c * c, s * s, 2 * s * c], -1) / complete


def dressed(
    wrinkles: Wrinkles | None, materials: Sequence[Material], head: HeadModel, neutral: Tensor,
    posed: Tensor,
) -> list[Material]:  # fmt: skip
    """The materials of all parts as a pose shows them."""
    shown = list(materials)
    if wrinkles is not None:
        skin = head.skin.index
        shown[skin] = wrinkles.on(shown[skin], head, neutral, posed)
    return shown
