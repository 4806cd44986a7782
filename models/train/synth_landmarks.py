"""Points and curves of the mean face: corners of eyes and mouth, nose, chin, brows, lid margins.

They come from the head model's region masks and from how it looks from the front, in millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.models.train.synth_atlas import rasterize
from fitme.render import get_backend

LID_STEP = 0.1  # mm, pixel of the view in which the visible lid margin is found
LID_POINTS = 64


@dataclass(frozen=True)
class Landmarks:
    """Points in mm (x >= 0), and curves as polynomials of |x|."""

    eye_inner: Tensor  # [3] visible corner of the eye
    eye_outer: Tensor
    mouth_corner: Tensor
    mouth: Tensor  # middle of the lip line
    nose_tip: Tensor
    nose_wing: Tensor  # the ala's outermost point
    nose_base: Tensor  # where the nose meets the upper lip
    chin: Tensor
    ear: Tensor
    brow: Tensor  # [4] polynomial of the brow's middle line y(|x|), constant first
    brow_span: Tensor  # [3] |x| at its inner and outer end, half thickness
    hairline: Tensor  # [] y in the middle of the forehead

    def to(self, device: torch.device | str) -> Landmarks:
        return Landmarks(**{k: v.to(device) for k, v in vars(self).items()})


def lid_margins(head: HeadModel) -> Tensor:
    """The lid margins as a camera in front sees them, [2, 2, LID_POINTS, 5].

    The open border of the mesh lies some millimetres behind the visible edge of the lids, so the
    edge is found as the outline of the eyeball in a front view.
    """
    head_part = head.part_names.index("head")
    wanted = head.part == head_part
    eye = head.part == head.part_names.index("eye_L")
    points = head.mean * 1000
    centre = points[head.part_vertices("eye_L")].mean(0)
    chosen = wanted | eye
    triangles, uv_triangles = head.triangles[chosen].int(), head.uv_triangles[chosen].int()
    half = points.new_tensor([24.0, 16.0])
    clip = torch.cat([
        (points[:, :2] - centre[:2]) / half * points.new_tensor([1.0, -1.0]),
        -points[:, 2:] / 300, torch.ones_like(points[:, :1]),
    ], 1)  # fmt: skip
    size = (int(2 * 16 / LID_STEP), int(2 * 24 / LID_STEP))
    uv, _ = rasterize(clip, triangles, head.uv, uv_triangles, size)
    xyz, _ = rasterize(clip, triangles, points, triangles, size)
    left = _outline(_part_image(clip, triangles, eye[chosen], size), torch.cat([xyz, uv], -1))
    # The atlas and the mean head are symmetric.
    flip = left.new_tensor([-1.0, 1.0, 1.0, -1.0, 1.0])
    return torch.stack([left, left * flip + left.new_tensor([0.0, 0.0, 0.0, 1.0, 0.0])])


def _part_image(clip: Tensor, triangles: Tensor, is_eye: Tensor, size: tuple[int, int]) -> Tensor:
    """[H,W] bool: pixels in which an eye triangle is in front."""
    rast, _ = get_backend("cpu").rasterize(clip[None], triangles, size)
    index = rast[0, ..., 3].long()
    return torch.cat([torch.zeros(1, dtype=torch.bool), is_eye])[index]


def _outline(eye: Tensor, values: Tensor) -> Tensor:
    """Upper and lower edge of the visible eyeball, [2, LID_POINTS, 5] with the inner corner
    (nearer to the nose) first."""
    columns = eye.any(0).nonzero()[:, 0]
    first, last = int(columns[0]), int(columns[-1])
    at = torch.linspace(first + 2, last - 2, LID_POINTS).round().long()
    height = eye.shape[0]
    rows = torch.arange(height)[:, None]
    top = torch.where(eye, rows, height).amin(0)
    bottom = torch.where(eye, rows, -1).amax(0)
    # Two pixels outside, so that the values belong to the lid and not to the gap beside it.
    edges = []
    for row, step in ((top, -2), (bottom, 2)):
        row = F.avg_pool1d(
            F.pad(row[first : last + 1].float()[None], (4, 4), mode="replicate"), 9, stride=1
        )[0]
        picked = (row.round().long()[at - first] + step).clamp(0, height - 1)
        edges.append(values[picked, at])
    return torch.stack(edges)


def find_landmarks(head: HeadModel, margins: Tensor) -> Landmarks:
    points = head.mean * 1000
    head_only = torch.zeros(len(points), dtype=torch.bool)
    head_only[head.part_vertices("head")] = True

    def region(name: str) -> Tensor:
        return points[(head.regions[name] > 0.5) & head_only]

    nose, lips, face = region("nose"), region("lips"), region("face")
    wing = nose[nose[:, 0].argmax()]
    middle = face[face[:, 0].abs() < 2.0]
    tip = nose[nose[:, 2].argmax()]
    lip_top, lip_bottom = lips[:, 1].max(), lips[:, 1].min()
    below = middle[(middle[:, 1] < lip_bottom - 8) & (middle[:, 1] > lip_bottom - 30)]
    column = middle[(middle[:, 1] > lip_top) & (middle[:, 1] < tip[1] - 4)]
    base = column[column[:, 2].argmin()]  # deepest point between nose tip and upper lip
    corner = lips[lips[:, 0].argmax()]
    edges = margins[0].mean(0)
    inner, outer = edges[0, :3], edges[-1, :3]
    brows = region("brows")
    ax = brows[:, 0].abs()
    low, high = ax.quantile(0.03), ax.quantile(0.97)
    basis = torch.stack([ax**k for k in range(4)], 1).double()
    curve = torch.linalg.lstsq(basis, brows[:, 1:2].double()).solution[:, 0].float()
    off = brows[:, 1] - (basis.float() @ curve)
    half = off.abs().quantile(0.9)
    zero = points.new_zeros(1)
    mouth = torch.cat([zero, ((lip_top + lip_bottom) / 2 + 1.0)[None], lips[:, 2].max()[None]])
    return Landmarks(
        inner, outer, corner, mouth, torch.cat([zero, tip[1:]]), wing,
        torch.cat([zero, base[1:]]), torch.cat([zero, below[below[:, 2].argmax()][1:]]),
        region("ears")[region("ears")[:, 0] > 0].mean(0), curve, torch.stack([low, high, half]),
        face[face[:, 0].abs() < 10][:, 1].max(),
    )  # fmt: skip
