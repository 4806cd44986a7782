"""Makes what should touch touch: lips of the neutral head, lids of the blink shapes.

The open loops of the mesh lie inside the mouth and behind the lids, so the place where lips or
lids meet is found from the front: in every column of an orthographic picture, the last pixel
of the upper side and the first of the lower one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from fitme.head.curves import smoothstep
from fitme.head.model import ARKIT_NAMES
from fitme.models.train.occlusion import depth_and_triangle
from fitme.models.train.template import Template

PIXEL = 0.0001  # metres
LIP_REACH = 0.009  # metres over which a correction of the lips fades
LID_REACH = 0.010
LID_OVERLAP = 0.0010  # metres the upper lid's edge goes below the lower one's when shut


@dataclass(frozen=True)
class Slit:
    """A slit between two sides: which head vertices belong to which, and its corners in x."""

    upper: np.ndarray  # [V] bool
    lower: np.ndarray  # [V] bool
    left: float
    right: float


@dataclass(frozen=True)
class Seam:
    """Pairs of facing points, one per column: vertex rows and barycentric weights [C, 3]."""

    x: np.ndarray  # [C]
    upper: np.ndarray  # [C, 3] vertex indices
    upper_weight: np.ndarray
    lower: np.ndarray
    lower_weight: np.ndarray

    def gap(self, values: np.ndarray) -> np.ndarray:
        """Upper minus lower of a vertex field [V, 3], smoothed along the seam, [C, 3]."""
        top = np.einsum("ckd,ck->cd", values[self.upper], self.upper_weight)
        bottom = np.einsum("ckd,ck->cd", values[self.lower], self.lower_weight)
        return gaussian_filter1d(top - bottom, 6, axis=0, mode="nearest")

    def points(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Upper and lower points [C, 3]."""
        top = np.einsum("ckd,ck->cd", vertices[self.upper], self.upper_weight)
        bottom = np.einsum("ckd,ck->cd", vertices[self.lower], self.lower_weight)
        return top, bottom


def slit_of(template: Template, rim_name: str, reach: float = 0.02) -> Slit:
    """Divide the head around a rim into upper and lower side by the atlas.

    In the atlas the two sides lie above and below the line through the rim's corners.
    """
    head = template.triangles[template.part == 0]
    uv_of = np.zeros((template.basis.shape[1], 2))
    uv_of[template.triangles] = template.uv[template.uv_triangles]
    neutral, rim = template.basis[0], template.rims[rim_name]
    low, high = rim[np.argmin(neutral[rim, 0])], rim[np.argmax(neutral[rim, 0])]
    a, b = uv_of[low], uv_of[high]
    line = a[1] + (uv_of[:, 0] - a[0]) / (b[0] - a[0]) * (b[1] - a[1])
    near = np.zeros(len(neutral), dtype=bool)
    used = np.unique(head)
    near[used] = cKDTree(neutral[rim]).query(neutral[used])[0] < reach
    above = uv_of[:, 1] < line
    return Slit(near & above, near & ~above, neutral[low, 0], neutral[high, 0])


def find_seam(template: Template, vertices: np.ndarray, slit: Slit) -> Seam:
    """The seam of a slit on posed vertices [V, 3], seen from +Z."""
    tris = template.triangles[template.part == 0]
    tris = tris[(slit.upper | slit.lower)[tris].all(1)]
    used = vertices[np.unique(tris)]
    origin = used[:, :2].min(0) - 2 * PIXEL
    grid = vertices.copy()
    grid[:, :2] = (vertices[:, :2] - origin) / PIXEL
    size = int(np.ceil(((used[:, :2].max(0) - origin) / PIXEL).max())) + 3
    outside = np.ones(len(vertices), dtype=bool)
    outside[np.unique(tris)] = False
    grid[outside] = 0
    _, index = depth_and_triangle(grid, tris, size)
    side = np.zeros(len(tris) + 1, dtype=int)  # 1 upper, 2 lower, 0 none
    side[1:] = np.where(slit.upper[tris].sum(1) >= 2, 1, 2)
    picture = side[index + 1]
    margin = 0.04 * (slit.right - slit.left)
    found: list[tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    for x in np.arange(slit.left + margin, slit.right - margin, 0.00025):
        column = int((x - origin[0]) / PIXEL)
        rows = np.arange(size)
        upper = rows[picture[:, column] == 1]
        lower = rows[picture[:, column] == 2]
        if not len(upper) or not len(lower):
            continue
        top, bottom = int(upper.min()), int(lower.max())  # rows count upwards
        pair = []
        for row in (top, bottom):
            corners = tris[index[row, column]]
            weight = _barycentric(grid[corners, :2], np.array([column + 0.5, row + 0.5]))
            pair += [corners, weight]
        found.append((x, *pair))
    x, up, up_w, low, low_w = (np.array(v) for v in zip(*found, strict=True))
    return Seam(x, up, up_w, low, low_w)


def _barycentric(corners: np.ndarray, point: np.ndarray) -> np.ndarray:
    matrix = np.concatenate([corners.T, np.ones((1, 3))])
    weight = np.clip(np.linalg.solve(matrix, np.append(point, 1.0)), 0, 1)
    return weight / weight.sum()


def _field(
    points: np.ndarray, amount: np.ndarray, vertices: np.ndarray, member: np.ndarray, reach: float
) -> np.ndarray:
    """Spread amounts [C] along seam points [C, 3] over member vertices, fading out, [V]."""
    index = np.flatnonzero(member)
    distance, near = cKDTree(points).query(vertices[index], k=8)
    weight = 1 / (distance + 5e-4) ** 2
    value = (amount[near] * weight).sum(1) / weight.sum(1)
    out = np.zeros(len(vertices))
    out[index] = value * smoothstep(reach, 0.15 * reach, distance[:, 0])
    return out


def close_lips(template: Template) -> tuple[np.ndarray, dict[str, float]]:
    """Basis [158, V, 3] whose neutral head has shut lips that no identity mode parts.

    The mean gap and the vertical difference of every identity mode across the seam are halved
    between the lips. Parting lips is left to the expressions.
    """
    basis = template.basis.copy()
    slit = slit_of(template, "lips")
    seam = find_seam(template, basis[0], slit)
    before = float(np.maximum(seam.gap(basis[0])[:, 1], 0).max())
    taper = np.clip(np.minimum(seam.x - slit.left, slit.right - seam.x) / 0.006, 0, 1)
    top, bottom = seam.points(basis[0])
    for k in range(101):
        gap = seam.gap(basis[k])[:, 1] * taper
        up = _field(top, gap, basis[0], slit.upper, LIP_REACH)
        down = _field(bottom, gap, basis[0], slit.lower, LIP_REACH)
        basis[k, :, 1] += 0.5 * (down - up)
    after = find_seam(template, basis[0], slit)
    return basis, {
        "lip_gap_before_mm": before * 1000,
        "lip_gap_mm": float(np.maximum(after.gap(basis[0])[:, 1], 0).max()) * 1000,
    }


def close_lids(
    mean: np.ndarray, expression: np.ndarray, template: Template
) -> tuple[np.ndarray, dict[str, float]]:
    """Correct eyeBlink so that the upper lid comes down to the lower one everywhere."""
    expression = expression.copy()
    numbers: dict[str, float] = {}
    for side, name in (("L", "eyeBlinkLeft"), ("R", "eyeBlinkRight")):
        k = ARKIT_NAMES.index(name)
        slit = slit_of(template, f"eye_{side}")
        for step in range(4):
            closed = mean + expression[k]
            seam = find_seam(template, closed, slit)
            gap = seam.gap(closed)[:, 1]
            if step == 0:
                numbers[f"{name}_gap_before_mm"] = float(gap.max()) * 1000
            room = np.minimum(seam.x - slit.left, slit.right - seam.x)
            amount = np.maximum(gap + LID_OVERLAP, 0) * smoothstep(0.0, 0.007, room)
            amount = gaussian_filter1d(amount, 8, mode="nearest")
            if gap.max() < 0.00005:
                break
            top, _ = seam.points(closed)
            expression[k, :, 1] -= _field(top, amount, closed, slit.upper, LID_REACH)
        closed = mean + expression[k]
        gap = find_seam(template, closed, slit).gap(closed)[:, 1]
        numbers[f"{name}_gap_mm"] = float(np.maximum(gap, 0).max()) * 1000
    return expression, numbers
