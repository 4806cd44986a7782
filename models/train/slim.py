"""Bijective low-distortion parametrisation by scalable locally injective mappings (SLIM).

Source: Rabinovich, Poranne, Panozzo, Sorkine-Hornung, Scalable Locally Injective Mappings,
ACM TOG 36(2), 2017: the symmetric Dirichlet energy E = |J|^2 + |J^-1|^2 is minimised by
re-weighted local/global steps and a line search that never flips a triangle.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg


def tutte(triangles: np.ndarray, count: int, fixed: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Tutte's embedding with boundary vertices `fixed` [B] at `where` [B, 2]; returns [V, 2]."""
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    adjacency = sp.coo_matrix((np.ones(len(sides)), sides.T), (count, count))
    adjacency = ((adjacency + adjacency.T) > 0).astype(float).tocsr()
    laplacian = (sp.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency).tocsr()
    free = np.setdiff1d(np.arange(count), fixed)
    uv = np.zeros((count, 2))
    uv[fixed] = where
    right = -laplacian[free][:, fixed] @ where
    uv[free] = scipy.sparse.linalg.splu(laplacian[free][:, free].tocsc()).solve(right)
    return uv


def _rest_gradients(rest: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hat-function gradients [T, 3, 2] in a frame of each triangle, and areas [T]."""
    a, b, c = (rest[triangles[:, k]] for k in range(3))
    x = np.linalg.norm(b - a, axis=1)
    axis = (b - a) / x[:, None]
    cx = ((c - a) * axis).sum(1)
    cy = np.linalg.norm((c - a) - cx[:, None] * axis, axis=1)
    area = 0.5 * x * cy
    px = np.stack([np.zeros_like(x), x, cx], 1)
    py = np.stack([np.zeros_like(x), np.zeros_like(x), cy], 1)
    gx = (np.roll(py, -1, 1) - np.roll(py, -2, 1)) / (2 * area)[:, None]
    gy = (np.roll(px, -2, 1) - np.roll(px, -1, 1)) / (2 * area)[:, None]
    return np.stack([gx, gy], -1), area


def jacobians(uv: np.ndarray, triangles: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """J[t] = d(u, v) / d(rest frame), [T, 2, 2]."""
    return np.einsum("tkc,tkd->tcd", uv[triangles], gradients)


def symmetric_dirichlet(jacobian: np.ndarray) -> np.ndarray:
    """|J|_F^2 (1 + 1 / det^2) per triangle, [T]; infinite where flipped."""
    det = np.linalg.det(jacobian)
    energy = (jacobian**2).sum((1, 2)) * (1 + 1 / np.maximum(det, 1e-30) ** 2)
    return np.where(det > 1e-12, energy, np.inf)


def _first_flip(uv: np.ndarray, step: np.ndarray, triangles: np.ndarray) -> float:
    """Largest t for which no triangle of uv + t * step has flipped."""
    p, d = uv[triangles], step[triangles]
    p1, p2, d1, d2 = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0], d[:, 1] - d[:, 0], d[:, 2] - d[:, 0]

    def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]

    a, b, c = cross(d1, d2), cross(p1, d2) + cross(d1, p2), cross(p1, p2)
    disc = b * b - 4 * a * c
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.maximum(disc, 0))
        q = -0.5 * (b + np.where(b >= 0, root, -root))
        roots = np.stack([q / a, c / q])
    roots[:, disc < 0] = np.inf
    roots[~np.isfinite(roots) | (roots <= 0)] = np.inf
    return float(roots.min())


def slim(
    rest: np.ndarray,
    triangles: np.ndarray,
    uv: np.ndarray,
    fixed: np.ndarray,
    *,
    scale: np.ndarray,
    weight: np.ndarray,
    iterations: int = 60,
) -> np.ndarray:
    """Minimise the weighted symmetric Dirichlet energy of rest [V, 3] -> uv [V, 2].

    `fixed` [V, 2] marks coordinates that keep their value (a vertex may slide along an edge
    of the tile), `scale` [T] is the wanted length ratio uv / rest of each triangle, `weight`
    [T] its importance per area. Raises ValueError when `uv` starts with a flipped triangle.
    """
    gradients, area = _rest_gradients(rest, triangles)
    gradients = gradients / scale[:, None, None]
    area = area * scale**2 * weight
    count, free = len(rest), np.flatnonzero(~fixed.T.ravel())
    energy = (area * symmetric_dirichlet(jacobians(uv, triangles, gradients))).sum()
    if not np.isfinite(energy):
        raise ValueError("the initial parametrisation has flipped triangles")
    rows = np.repeat(np.arange(len(triangles)), 3)
    derivative = [
        sp.csr_matrix(
            (gradients[:, :, k].ravel(), (rows, triangles.ravel())), shape=(len(triangles), count)
        )
        for k in range(2)
    ]
    for _ in range(iterations):
        jac = jacobians(uv, triangles, gradients)
        left, sigma, right = np.linalg.svd(jac)
        ratio = np.where(np.abs(sigma - 1) < 1e-8, 4.0, (sigma - sigma**-3) / (sigma - 1 + 1e-30))
        root = np.sqrt(np.maximum(ratio, 1e-12))
        w = np.einsum("tik,tk,tjk->tij", left, root, left) * np.sqrt(area)[:, None, None]
        target = np.einsum("tij,tjk->tik", w, left @ right)
        blocks, values = [], []
        for i in range(2):
            for k in range(2):
                blocks.append(
                    [sp.diags(w[:, i, 0]) @ derivative[k], sp.diags(w[:, i, 1]) @ derivative[k]]
                )
                values.append(target[:, i, k])
        system = sp.bmat(blocks).tocsr()
        flat = uv.T.ravel()
        residual = np.concatenate(values) - system @ flat
        reduced = system[:, free]
        normal = (reduced.T @ reduced + 1e-12 * sp.identity(len(free))).tocsc()
        step = np.zeros_like(flat)
        step[free] = scipy.sparse.linalg.splu(normal).solve(reduced.T @ residual)
        direction = step.reshape(2, count).T
        length = min(1.0, 0.8 * _first_flip(uv, direction, triangles))
        for _ in range(30):
            trial = uv + length * direction
            new = (area * symmetric_dirichlet(jacobians(trial, triangles, gradients))).sum()
            if new < energy:
                break
            length *= 0.6
        else:
            break
        gain, uv, energy = energy - new, trial, new
        if gain < 1e-6 * energy:
            break
    return uv
