"""Sound values for what a model file does not say: UV, mirror partners, eye centres."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

EYE_PAIRS = 16  # pairs of opposite vertices whose mean is an eye's centre
BACK = 0.65  # of an eyeball's depth, from behind, is taken for a sphere


def cylinder_uv(
    mean: np.ndarray, triangles: np.ndarray, part: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A cylinder around each part as UV [U, 2] (v downwards) and its triangles [T, 3].

    Each part fills its own tile; the face (+Z) is in the middle, the seam at the back, where
    vertices are doubled. Folds such as ears overlap: the map is continuous, not one to one.
    """
    uv: list[np.ndarray] = []
    uv_triangles = np.zeros_like(triangles)
    offset = 0
    for index in np.unique(part):
        of_part = part == index
        used, local = np.unique(triangles[of_part], return_inverse=True)
        local = local.reshape(-1, 3)
        low, high = mean[used].min(0), mean[used].max(0)
        points = mean[used] - (low + high) / 2
        u = 0.5 + np.arctan2(points[:, 0], points[:, 2]) / (2 * np.pi)
        v = (high[1] - mean[used, 1]) / max(high[1] - low[1], 1e-9)
        across = np.ptp(u[local], axis=1) > 0.5  # over the seam: move its left end to the right
        moves = across[:, None] & (u[local] < 0.5)
        doubled, twin = np.unique(local[moves], return_inverse=True)
        local[moves] = len(used) + twin
        u, v = np.append(u, u[doubled] + 1), np.append(v, v[doubled])
        uv.append(np.stack([(u - u.min()) / max(np.ptp(u), 1e-9), v], 1))
        uv_triangles[of_part] = local + offset
        offset += len(u)
    return np.concatenate(uv), uv_triangles


def mirror_map(mean: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Index of each vertex's mirror image across x = 0, [V]; itself where there is none.

    Partners are mutual nearest neighbours within one median edge length, so that the map is an
    involution even on a mesh that is only roughly symmetric.
    """
    edge = np.median(np.linalg.norm(mean[triangles[:, 0]] - mean[triangles[:, 1]], axis=1))
    distance, partner = cKDTree(mean).query(mean * [-1.0, 1.0, 1.0])
    itself = np.arange(len(mean))
    mutual = (partner[partner] == itself) & (distance <= edge)
    return np.where(mutual & mutual[partner], partner, itself)


def eye_ring(mean: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Vertices [R] of an eyeball whose mean is its centre: the best pairs of opposite ones.

    The mean of all vertices would lie too far in front, where the iris is finer, and vertices
    must be named (not a fixed point), so that the centre follows identity. `triangles` [N, 3].
    """
    vertices = np.unique(triangles)
    points = mean[vertices]
    centre = _sphere_centre(mean, triangles)
    gaps = np.linalg.norm((2 * centre - points)[:, None] - points[None], axis=2)
    opposite = gaps.argmin(1)
    order = np.argsort(gaps.min(1), kind="stable")
    pairs = list(dict.fromkeys(tuple(sorted((int(i), int(opposite[i])))) for i in order))
    return vertices[np.array(pairs[:EYE_PAIRS]).ravel()]


def _sphere_centre(mean: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Centre [3] of the sphere through the back of an eyeball, by area: in front are a cornea
    that bulges out of the sphere and often an iris inside of it."""
    a, b, c = (mean[triangles[:, k]] for k in range(3))
    middle = (a + b + c) / 3
    low, high = middle[:, 2].min(), middle[:, 2].max()
    back = middle[:, 2] <= low + BACK * (high - low)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    root = np.sqrt(np.where(back, area, 0.0))[:, None]
    origin = middle.mean(0)
    local = middle - origin
    size = np.sqrt((local**2).sum(1).mean())
    system = np.concatenate([2 * local, np.full((len(local), 1), size)], 1)
    target = (local**2).sum(1)[:, None]  # |p|^2 = 2 c.p + (r^2 - |c|^2)
    solution = np.linalg.lstsq(system * root, target * root, rcond=None)[0]
    return solution[:3, 0] + origin
