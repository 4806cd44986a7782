"""Where on the face folds are, and which ARKit shape makes them: wrinkles as engines take them.

An engine blends wrinkle maps by a few masks and a weight for each, not by the strain of its mesh.
The masks are soft regions of the mean head's face, cut to where a person has folds. The table says
how compressed (above 0) or stretched (below 0) each shape in full makes the skin across its folds,
on the mean over a region weighted by how strong the folds are there; above 1 where a fold is
complete before the shape is. The amount at a texel is then

    clamp(sum over regions of mask * sum over shapes of weight * table, -1, DEEPEST),

which is nearly that of `Wrinkles.amount`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from fitme.detail.wrinkles import DEEPEST, Wrinkles
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel
from fitme.landmarks.face import LANDMARK_MIRROR
from fitme.reflectance.atlas import bake_vertex_field, covered_texels, resized

MASK_TEXELS = 256  # of masks, which are soft
COARSE_TEXELS = 128  # at which they are found
#: Landmarks (MediaPipe's, of the middle or the person's right) along the middle of each region;
#: those that end in L take the mirror images.
_LINES: dict[str, tuple[int, ...]] = {
    "forehead": (103, 67, 10, 297, 332),
    "glabella": (9, 8),
    "crows_feet_R": (226, 143, 34),
    "crows_feet_L": (226, 143, 34),
    "under_eye_R": (31, 229, 230, 231, 232),
    "under_eye_L": (31, 229, 230, 231, 232),
    "nose": (6, 197, 195, 5),
    "nasolabial_R": (129, 203, 206, 216),
    "nasolabial_L": (129, 203, 206, 216),
    "mouth_corner_R": (61, 57, 43, 202),
    "mouth_corner_L": (61, 57, 43, 202),
    "chin": (17, 199, 175),
}
REGIONS = tuple(_LINES)
SOFT_M = 0.005  # over which one region gives way to the next
# Of amounts in the table: a fold of a slight smile is complete long before the shape is, and a few
# are so early that they would be all of a mean. On four fits the amount of the photo's expression
# is off by 0.41 of its RMS with DEEPEST here, by 0.35 with this; those of full shapes by the same.
MOST = 2.5
REACH_M, FADE_M = 0.025, 0.020  # from a line: as far as a region goes in full; over which it ends


def region_masks(head: HeadModel, texels: int = MASK_TEXELS) -> Tensor:
    """Masks of REGIONS in the atlas, [12,R,R] in 0..1, whose sum is at most 1; 0 on a head whose
    landmarks are not those of `fitme.landmarks.face`."""
    if len(head.landmark_triangles) < len(LANDMARK_MIRROR):
        return head.mean.new_zeros(len(REGIONS), texels, texels)
    place = bake_vertex_field(head, head.mean, COARSE_TEXELS)
    points = head.landmarks(head.mean[None])[0]
    distance = torch.stack([_to_line(place, points[_line(name)]) for name in REGIONS])
    near = ((REACH_M + FADE_M - distance.amin(0)) / FADE_M).clamp(0, 1)
    masks = (-distance / SOFT_M).softmax(0) * near * near * (3 - 2 * near)
    return resized(masks[..., None], texels)[..., 0]


def fold_masks(wrinkles: Wrinkles, head: HeadModel, texels: int = MASK_TEXELS) -> Tensor:
    """Masks [12,R,R] in 0..1: `region_masks` where there are folds."""
    folding = (wrinkles.fold.abs().sum(-1, keepdim=True) > 0).float()
    return region_masks(head, texels) * resized(folding, texels)[..., 0]


def region_table(wrinkles: Wrinkles, geometry: Geometry, masks: Tensor | None = None) -> Tensor:
    """How compressed each shape in full makes each region, [12,E]; `masks` are those of
    `fold_masks`, if they are known. 0 where a person has no folds."""
    head, texels = geometry.head, wrinkles.fold.shape[1]
    masks = fold_masks(wrinkles, head) if masks is None else masks
    index, corners, weights = covered_texels(head, texels)
    fold = wrinkles.fold[0].reshape(-1, 3)[index]
    amount = torch.stack(  # one shape after the other: there are 52 of them
        [
            ((one[corners] * weights[..., None]).sum(1) * fold).sum(-1)
            for one in geometry.expression_strain
        ]
    ).clamp(-MOST, MOST)
    counts = resized(masks[..., None], texels).reshape(len(masks), -1)[:, index]
    counts = counts * fold_strength(wrinkles).reshape(-1)[index]
    return counts @ amount.T / counts.sum(1, keepdim=True).clamp_min(1e-9)


def fold_strength(wrinkles: Wrinkles) -> Tensor:
    """How much there is to see of the folds, [r,r]: heights in millimetres and the shade's log."""
    height = torch.maximum(wrinkles.compressed.abs(), wrinkles.stretched.abs())
    seen = 1000 * height[..., None] + wrinkles.shade.abs().mean(-1, keepdim=True)
    return resized(seen, wrinkles.fold.shape[1])[0, ..., 0]


def blended_amount(table: Tensor, masks: Tensor, expression: Tensor) -> Tensor:
    """What an engine makes of table [12,E] and masks [12,R,R]: the amount [P,R,R] of expressions
    [P,E]."""
    return torch.einsum("pk,kij->pij", expression @ table.T, masks).clamp(-1, DEEPEST)


def _line(name: str) -> list[int]:
    """Landmarks of a region's middle."""
    points: Sequence[int] = _LINES[name]
    return [LANDMARK_MIRROR[k] for k in points] if name.endswith("_L") else list(points)


def _to_line(place: Tensor, line: Tensor) -> Tensor:
    """Metres of points [...,3] to a line through points [N,3]."""
    parts = []
    for first, second in itertools.pairwise(line):
        along = second - first
        share = ((place - first) @ along / along.square().sum().clamp_min(1e-12)).clamp(0, 1)
        parts.append((place - first - share[..., None] * along).norm(dim=-1))
    return torch.stack(parts).amin(0)
