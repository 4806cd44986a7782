"""The single-tile UV atlas of the head: left half parametrised on half a tile, then mirrored.

The seam runs from the crown down the back of the head. The crown and the back fill the upper
rim and the sides of the tile, the neck the lower rim, so that no texel is wasted; the frontal
face is given more texels per area than the rest by scaling its rest metric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from fitme.head.curves import smoothstep
from fitme.models.train import ict as ict_data
from fitme.models.train.slim import _rest_gradients, jacobians, slim, tutte

MIDLINE = 1e-6  # metres: |x| below this lies on the plane of symmetry
NECK_PLANE = (-0.127, 0.45)  # keep y > NECK_PLANE[0] - NECK_PLANE[1] * z
CROWN_Z = -0.015  # metres: where the midline turns into the seam


@dataclass(frozen=True)
class HalfHead:
    """The left half (x >= 0) of a smooth, clipped neutral head and the whole linear basis.

    `basis_left` and `basis_right` hold the same vertices on the person's left and their
    mirror images on the right, [158, V, 3].
    """

    vertices: np.ndarray  # [V, 3] symmetric neutral
    triangles: np.ndarray  # [T, 3]
    basis_left: np.ndarray
    basis_right: np.ndarray
    source: np.ndarray  # [11248, 3] the symmetric ICT neutral head it was built from


def build_half_head(model: ict_data.IctModel) -> HalfHead:
    """Symmetric triangulation, smooth subdivision, neck clip and halving of the ICT head."""
    head = slice(0, ict_data.HEAD_VERTICES)
    partner = ict_data.mirror_map(model.neutral[head])
    neutral = 0.5 * (model.neutral[head] + model.neutral[head][partner] * [-1, 1, 1])
    neutral[partner == np.arange(len(partner)), 0] = 0.0
    quads = model.faces[: ict_data.HEAD_FACES]
    left = ict_data.triangulate(quads[neutral[quads].mean(1)[:, 0] > 0])
    triangles = np.concatenate([left, partner[left][:, ::-1]])
    basis = np.concatenate([neutral[None], model.basis()[:, head]])
    fine = ict_data.interpolating_subdivision(triangles, basis)
    _, triangles = ict_data.loop_subdivision(triangles, basis.shape[1])
    fine[0, np.abs(fine[0, :, 0]) < 1e-5, 0] = 0.0

    height = fine[0, :, 1] - NECK_PLANE[0] + NECK_PLANE[1] * fine[0, :, 2]
    matrix, triangles = clip(triangles, height)
    fine = np.stack([matrix @ values for values in fine])
    partner = ict_data.mirror_map(fine[0])
    half = triangles[fine[0][triangles].mean(1)[:, 0] > 0]
    keep, half = np.unique(half, return_inverse=True)
    vertices = fine[0][keep]
    vertices[np.abs(vertices[:, 0]) < MIDLINE, 0] = 0.0
    return HalfHead(vertices, half.reshape(-1, 3), fine[1:, keep], fine[1:, partner[keep]], neutral)


def clip(triangles: np.ndarray, height: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """Cut away what lies where height [V] < 0; new vertices as a matrix [V', V]."""
    count = len(height)
    height = np.where(np.abs(height) < 1e-7, 1e-7, height)
    weights: dict[tuple[int, int], int] = {}
    out = []

    def cut(a: int, b: int) -> int:
        return weights.setdefault((min(a, b), max(a, b)), count + len(weights))

    for tri in triangles:
        up = height[tri] > 0
        if up.all():
            out.append(tri)
        elif up.sum() == 1:
            a, b, c = np.roll(tri, -int(np.flatnonzero(up)[0]))
            out.append((a, cut(a, b), cut(a, c)))
        elif up.sum() == 2:
            c, a, b = np.roll(tri, -int(np.flatnonzero(~up)[0]))
            out.append((a, b, cut(b, c)))
            out.append((a, cut(b, c), cut(a, c)))
    rows, cols, data = list(range(count)), list(range(count)), [1.0] * count
    for (a, b), row in weights.items():
        t = height[a] / (height[a] - height[b])
        rows += [row, row]
        cols += [a, b]
        data += [1 - t, t]
    return sp.csr_matrix((data, (rows, cols)), (count + len(weights), count)), np.array(out)


def frontal_weight(points: np.ndarray) -> np.ndarray:
    """1 on the frontal face of the neutral head (brow to chin, up to the ears), else 0, [N].

    Points [N, 3] are metres on the ICT neutral head.
    """
    azimuth = np.degrees(np.arctan2(np.abs(points[:, 0]), points[:, 2] - 0.01))
    under_chin = -0.078 + 0.25 * np.clip(0.105 - points[:, 2], 0, 0.06)
    return (
        smoothstep(78, 66, azimuth)
        * smoothstep(under_chin - 0.006, under_chin + 0.004, points[:, 1])
        * smoothstep(0.102, 0.088, points[:, 1])
    )


def metric_scale(points: np.ndarray) -> np.ndarray:
    """Wanted texels per metre on the neutral head relative to the frontal face, [N].

    Falls off more gently than `frontal_weight`: a jump of the metric shears the triangles there.
    """
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    azimuth = np.degrees(np.arctan2(x, z - 0.01))
    face = smoothstep(100, 62, azimuth) * smoothstep(-0.11, -0.075, y) * smoothstep(0.125, 0.085, y)
    ear = smoothstep(0.070, 0.080, x) * smoothstep(-0.06, -0.02, y)
    rest = 0.215 + 0.24 * ear
    return rest + (1.0 - rest) * face


@dataclass(frozen=True)
class AtlasReport:
    """Quality of the atlas: share of frontal texels and stretch, as printed in the card."""

    frontal_share: float
    face_anisotropy_mean: float
    face_anisotropy_95: float
    head_anisotropy_mean: float
    face_scale_spread: float


def parametrise(half: HalfHead, iterations: int = 80) -> np.ndarray:
    """UV [V, 2] of the half head on [0.5, 1] x [0, 1], v downwards (image rows)."""
    xyz, triangles = half.vertices, half.triangles
    loops = ict_data.boundary_loops(triangles)
    outer, eye = loops[-1], loops[0]
    # The outer loop runs along the face midline, around the half mouth, the neck, the seam.
    emphasis = 1.0 + 2.0 * frontal_weight(xyz[triangles].mean(1))
    filled, weight, count = [triangles], [emphasis], len(xyz)

    def fan(loop: np.ndarray, centre: np.ndarray) -> None:
        nonlocal count, xyz
        xyz = np.concatenate([xyz, centre[None]])
        tris = np.stack([loop, np.roll(loop, -1), np.full(len(loop), count)], 1)[:, [1, 0, 2]]
        filled.append(tris)
        weight.append(np.full(len(tris), 0.02))
        count += 1

    fan(eye, xyz[eye].mean(0))
    lips = mouth_half_loop(xyz, outer)
    middle = 0.5 * (xyz[lips[0]] + xyz[lips[-1]])
    xyz = np.concatenate([xyz, (middle * [0, 1, 1])[None]])
    tris = np.stack([lips[:-1], lips[1:], np.full(len(lips) - 1, count)], 1)[:, [1, 0, 2]]
    filled.append(tris)
    weight.append(np.full(len(tris), 0.02))
    middle_index = count
    count += 1

    start = int(np.flatnonzero(outer == lips[0])[0])
    ring = np.roll(outer, -start)
    ring = np.concatenate([[lips[0], middle_index], ring[len(lips) - 1 :]])
    all_triangles = np.concatenate(filled)
    where = place_boundary(xyz, ring)
    uv = tutte(all_triangles, count, ring, where)
    fixed = np.zeros((count, 2), dtype=bool)
    corner_u, corner_v = np.isin(where[:, 0], (0.5, 1.0)), np.isin(where[:, 1], (0.0, 1.0))
    fixed[ring, 0], fixed[ring, 1] = corner_u, corner_v
    scale = metric_scale(xyz[all_triangles].mean(1))
    _, area = _rest_gradients(xyz, all_triangles)
    scale = scale * np.sqrt(0.5 / (area * scale**2).sum())
    # Clockwise in image coordinates: flip v so that areas are positive for the optimiser.
    flipped = uv * [1, -1]
    uv = slim(
        xyz,
        all_triangles,
        flipped,
        fixed,
        scale=scale,
        weight=np.concatenate(weight),
        iterations=iterations,
    )
    uv = uv * [1, -1]
    return np.clip(uv[: len(half.vertices)], [0.5, 0.0], [1.0, 1.0])


def mouth_half_loop(xyz: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """The run of the outer loop around the left half of the mouth; its ends lie on the midline."""
    on_mid = np.abs(xyz[outer, 0]) < MIDLINE
    runs, ring = [], np.concatenate([outer, outer])
    mid2 = np.concatenate([on_mid, on_mid])
    i = int(np.flatnonzero(on_mid)[0])
    stop = i + len(outer)
    while i < stop:
        if mid2[i] and not mid2[i + 1]:
            j = i + 1
            while not mid2[j]:
                j += 1
            runs.append(ring[i : j + 1])
            i = j
        else:
            i += 1
    # One run goes around the neck, the other around the mouth.
    return min(runs, key=lambda run: abs(xyz[run][:, 1].mean() + 0.034))


def place_boundary(xyz: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Where the outer ring starts on the border of the half tile, [B, 2].

    Front midline on u = 0.5, seam along the top edge and down the side, neck at the bottom.
    """
    points = xyz[ring]
    mid = np.abs(points[:, 0]) < MIDLINE
    front = mid & (points[:, 2] > CROWN_Z)
    seam = mid & ~front
    neck = ~mid
    crown = np.flatnonzero(seam)[np.argmax(points[seam][:, 2])]
    ring_roll = np.roll(np.arange(len(ring)), -crown)
    if not seam[ring_roll[1]]:
        ring_roll = np.roll(ring_roll[::-1], 1)
    where = np.zeros((len(ring), 2))

    def arc(index: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(np.diff(points[index], axis=0), axis=1)
        return np.concatenate([[0], np.cumsum(length)]) / length.sum()

    seam_run = ring_roll[seam[ring_roll]]
    neck_run = np.concatenate([seam_run[-1:], ring_roll[neck[ring_roll]]])
    front_run = ring_roll[front[ring_roll]]
    t = arc(seam_run)
    corner = int(np.argmin(np.abs(t - 0.3)))
    top, side = t[: corner + 1] / t[corner], (t[corner:] - t[corner]) / (1 - t[corner])
    where[seam_run[: corner + 1]] = np.stack([0.5 + 0.5 * top, np.zeros_like(top)], 1)
    where[seam_run[corner:]] = np.stack([np.ones_like(side), side], 1)
    where[seam_run[corner]] = (1.0, 0.0)
    # Neck: from the back (right corner) to the front; its end meets the front midline.
    neck_run = np.concatenate([neck_run, front_run[:1]])
    t = arc(neck_run)
    where[neck_run] = np.stack([1.0 - 0.5 * t, np.ones_like(t)], 1)
    t = arc(np.concatenate([front_run, seam_run[:1]]))
    where[front_run] = np.stack([np.full(len(front_run), 0.5), 1.0 - t[:-1]], 1)
    where[seam_run[0]] = (0.5, 0.0)
    return where


def report(half: HalfHead, uv: np.ndarray) -> AtlasReport:
    """Measure the share of frontal texels, anisotropy and scale spread of the atlas."""
    gradients, area = _rest_gradients(half.vertices, half.triangles)
    sigma = np.linalg.svd(jacobians(uv * [1, -1], half.triangles, gradients), compute_uv=False)
    texels = area * sigma.prod(1)
    face = frontal_weight(half.vertices[half.triangles].mean(1)) > 0.5
    anisotropy = sigma[:, 0] / sigma[:, 1]
    size = np.sqrt(sigma.prod(1))

    def percentile(values: np.ndarray, weights: np.ndarray, q: float) -> float:
        order = np.argsort(values)
        cumulated = np.cumsum(weights[order]) / weights.sum()
        return float(values[order][np.searchsorted(cumulated, q)])

    mean = float(np.average(anisotropy[face], weights=area[face]))
    spread = percentile(size[face], area[face], 0.95) / percentile(size[face], area[face], 0.05)
    return AtlasReport(
        frontal_share=float(texels[face].sum() / 0.5),
        face_anisotropy_mean=mean,
        face_anisotropy_95=percentile(anisotropy[face], area[face], 0.95),
        head_anisotropy_mean=float(np.average(anisotropy, weights=area)),
        face_scale_spread=spread,
    )
