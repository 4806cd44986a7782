"""The project's own triangulation of the head, drawn in the atlas of `atlas.py`.

Feature curves (rims of lids, lips and nostrils, midline, seam, neck) are sampled first; blue
noise whose spacing follows a sizing field fills the rest; Delaunay in UV connects it, edges are
flipped towards Delaunay in 3D, and the left half is mirrored, so that vertex, triangle and UV
symmetry are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from matplotlib.tri import Triangulation
from scipy.spatial import Delaunay, cKDTree

from fitme.head.curves import smoothstep
from fitme.models.train.atlas import MIDLINE, HalfHead
from fitme.models.train.rims import Curves, find_curves, vertex_normals
from fitme.render.backends.cpu.compile import compiled


def sizing(points: np.ndarray, half: HalfHead, curves: Curves) -> np.ndarray:
    """Wanted edge length in metres at points [N, 3] of the neutral half head, [N]."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    front = smoothstep(0.025, 0.06, z) * smoothstep(-0.10, -0.075, y)
    ear = smoothstep(0.062, 0.070, x) * smoothstep(-0.050, -0.038, y) * smoothstep(0.062, 0.048, y)
    ear = ear * smoothstep(-0.045, -0.030, z) * smoothstep(0.03, 0.018, z)
    nose = smoothstep(0.026, 0.018, x) * smoothstep(0.09, 0.1, z)
    nose = nose * smoothstep(-0.02, -0.012, y) * smoothstep(0.045, 0.025, y)
    size = 0.0062 - 0.0036 * front
    size = size * (1 - ear) + 0.0019 * ear
    size = size * (1 - nose) + np.minimum(size, 0.0016) * nose
    for curve, fine in ((curves.eye, 0.0009), (curves.lips, 0.0010), (curves.nostril, 0.0009)):
        distance, _ = cKDTree(half.vertices[curve]).query(points)
        size = np.minimum(size, fine + 0.16 * np.maximum(distance - 0.003, 0))
    return size


def resample(points: np.ndarray, size: np.ndarray) -> list[tuple[int, float]]:
    """Positions (segment, fraction) along a polyline [N, 3] spaced by `size` [N], ends too."""
    step = np.linalg.norm(np.diff(points, axis=0), axis=1) * 2 / (size[1:] + size[:-1])
    total = np.concatenate([[0], np.cumsum(step)])
    where = np.linspace(0, total[-1], max(2, round(total[-1]) + 1))
    segment = np.clip(np.searchsorted(total, where, side="right") - 1, 0, len(step) - 1)
    fraction = (where - total[segment]) / step[segment]
    return [(int(s), float(np.clip(f, 0, 1))) for s, f in zip(segment, fraction, strict=True)]


@compiled
def _throw_darts(
    points: np.ndarray, normals: np.ndarray, size: np.ndarray, taken: int
) -> np.ndarray:
    """Accept points in order unless an accepted one of like normal is nearer than `size`."""
    count = points.shape[0]
    accepted = np.zeros(count, dtype=np.bool_)
    chosen = np.empty(count, dtype=np.int64)
    used = 0
    for i in range(count):
        free = True
        if i >= taken:
            for j in range(used):
                k = chosen[j]
                dx = points[i, 0] - points[k, 0]
                limit = 0.5 * (size[i] + size[k])
                if dx > limit or -dx > limit:
                    continue
                dy, dz = points[i, 1] - points[k, 1], points[i, 2] - points[k, 2]
                if dx * dx + dy * dy + dz * dz < limit * limit:
                    like = 0.0
                    for c in range(3):
                        like += normals[i, c] * normals[k, c]
                    if like > 0.1:
                        free = False
                        break
        if free:
            accepted[i] = True
            chosen[used] = i
            used += 1
    return accepted


@dataclass(frozen=True)
class HalfTemplate:
    """Own vertices on the half head: barycentric rows `weights` [N, V], uv [N, 2], triangles."""

    weights: sp.csr_matrix
    uv: np.ndarray
    triangles: np.ndarray
    rims: dict[str, np.ndarray]  # ordered vertex runs of "eye", "lips", "nostril"


class _Surface:
    """Maps UV points of the half atlas to barycentric rows over the half head's vertices."""

    def __init__(self, half: HalfHead, uv: np.ndarray) -> None:
        self.half, self.uv = half, uv
        self.finder = Triangulation(uv[:, 0], uv[:, 1], half.triangles).get_trifinder()

    def inside(self, uv: np.ndarray) -> np.ndarray:
        return self._triangle(uv) >= 0

    def _triangle(self, uv: np.ndarray) -> np.ndarray:
        return np.asarray(self.finder(uv[:, 0], uv[:, 1]))

    def rows(self, uv: np.ndarray) -> sp.csr_matrix:
        found = self._triangle(uv)
        if (found < 0).any():
            raise ValueError(f"{(found < 0).sum()} points lie outside the atlas")
        corners = self.half.triangles[found]
        a, b, c = (self.uv[corners[:, k]] for k in range(3))
        area = np.cross(b - a, c - a)
        w1 = np.cross(uv - a, c - a) / area
        w2 = np.cross(b - a, uv - a) / area
        bary = np.clip(np.stack([1 - w1 - w2, w1, w2], 1), 0, 1)
        bary /= bary.sum(1, keepdims=True)
        rows = np.repeat(np.arange(len(uv)), 3)
        return sp.csr_matrix((bary.ravel(), (rows, corners.ravel())), (len(uv), len(self.uv)))


def _fixed_points(half: HalfHead, curves: Curves) -> tuple[sp.csr_matrix, np.ndarray, dict]:
    """Curve samples as rows over the half head's vertices, constraint edges, rim runs."""
    rows: list[dict[int, float]] = []
    edges: list[tuple[int, int]] = []
    known: dict[int, int] = {}
    rims: dict[str, np.ndarray] = {}

    def vertex(v: int) -> int:
        if v not in known:
            known[v] = len(rows)
            rows.append({v: 1.0})
        return known[v]

    lids = [(f"lid_{k}", run, True) for k, run in enumerate(curves.lid_rings)]
    mouth = [(f"lip_{k}", run, False) for k, run in enumerate(curves.lip_rings)]
    for name, run, closed in (
        ("eye", curves.eye, True),
        ("nostril", curves.nostril, True),
        ("lips", curves.lips, False),
        *lids,
        *mouth,
    ):
        ids = np.array([vertex(int(v)) for v in run])
        rims[name] = ids
        edges += list(pairwise(ids))
        if closed:
            edges.append((ids[-1], ids[0]))
    size = sizing(half.vertices[curves.outer], half, curves)
    outer = curves.outer
    on_mid = np.abs(half.vertices[outer, 0]) < MIDLINE
    turns = np.flatnonzero(np.diff(on_mid.astype(int)))
    corners = {int(c) + int(not on_mid[c]) for c in turns}
    met = {int(np.flatnonzero(outer == run[k])[0]) for run in curves.lip_rings for k in (0, -1)}
    stops = sorted({0, len(outer) - 1} | corners | met)
    for first, last in pairwise(stops):
        run = outer[first : last + 1]
        placed: list[int] = []
        for s, f in resample(half.vertices[run], size[first : last + 1]):
            if f < 1e-6 or f > 1 - 1e-6:
                placed.append(vertex(int(run[s + round(f)])))
            else:
                placed.append(len(rows))
                rows.append({int(run[s]): 1 - f, int(run[s + 1]): f})
        edges += list(pairwise(placed))
    matrix = sp.lil_matrix((len(rows), len(half.vertices)))
    for i, row in enumerate(rows):
        for v, w in row.items():
            matrix[i, v] = w
    return matrix.tocsr(), np.array(edges), rims


def remesh(
    half: HalfHead, uv: np.ndarray, *, seed: int = 0, candidates: int = 300_000
) -> HalfTemplate:
    """Triangulate the half head anew; see the module's text."""
    curves = find_curves(half)
    fixed, edges, rims = _fixed_points(half, curves)
    surface = _Surface(half, uv)
    rng = np.random.default_rng(seed)
    a, b, c = (half.vertices[half.triangles[:, k]] for k in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    density = area / sizing((a + b + c) / 3, half, curves) ** 2
    pick = rng.choice(len(area), candidates, p=density / density.sum())
    bary = rng.dirichlet((1.0, 1.0, 1.0), candidates)
    corners = half.triangles[pick]
    loose = sp.csr_matrix(
        (bary.ravel(), (np.repeat(np.arange(candidates), 3), corners.ravel())),
        (candidates, len(uv)),
    )
    matrix = sp.vstack([fixed, loose]).tocsr()
    points = matrix @ half.vertices
    normals = matrix @ vertex_normals(half.vertices, half.triangles)
    size = sizing(points, half, curves)
    keep = _throw_darts(points, normals, size * 0.86, fixed.shape[0])
    flat = (matrix @ uv)[keep]
    pinned = fixed.shape[0]
    triangles = _delaunay(flat, surface, edges)
    for _ in range(12):
        flat = _relax(flat, triangles, surface, pinned, half, curves)
        triangles = _delaunay(flat, surface, edges)
    rows = sp.vstack([fixed, surface.rows(flat[pinned:])]).tocsr()
    triangles = flip_to_delaunay(rows @ half.vertices, flat, triangles, edges)
    return HalfTemplate(rows, flat, triangles, rims)


def _delaunay(flat: np.ndarray, surface: _Surface, edges: np.ndarray) -> np.ndarray:
    """Delaunay triangles of UV points inside the atlas; the constraint edges must be there."""
    triangles = Delaunay(flat).simplices
    p = flat[triangles]
    area = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    triangles = np.where((area < 0)[:, None], triangles, triangles[:, ::-1])
    triangles = triangles[np.abs(area) > 1e-12]
    triangles = _force_edges(flat, triangles, edges)
    keep = np.ones(len(triangles), dtype=bool)
    for k in ((1, 1, 1), (4, 1, 1), (1, 4, 1), (1, 1, 4)):
        w = np.array(k) / sum(k)
        keep &= surface.inside(np.einsum("tkc,k->tc", flat[triangles], w))
    return triangles[keep]


def _force_edges(flat: np.ndarray, triangles: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Flip crossing edges until every constraint edge exists (Sloan 1993)."""
    triangles = triangles.copy()
    for _ in range(100):
        table = {}
        for t, (a, b, c) in enumerate(triangles):
            table[a, b], table[b, c], table[c, a] = (t, c), (t, a), (t, b)
        missing = [(a, b) for a, b in edges if (a, b) not in table and (b, a) not in table]
        if not missing:
            return triangles
        touched: set[int] = set()
        for a, b in missing:
            near = [e for e in table if e[0] < e[1] and (e[1], e[0]) in table]
            candidate = np.array(near)
            hit = _crosses(flat, a, b, candidate)
            for i, j in candidate[hit]:
                t, k = table[i, j]
                u, l = table[j, i]
                if t in touched or u in touched or not _convex(flat, i, l, j, k):
                    continue
                triangles[t], triangles[u] = (i, l, k), (l, j, k)
                touched |= {t, u}
    raise ValueError(f"{len(missing)} feature edges could not be forced into the triangulation")


def _cross2(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _crosses(flat: np.ndarray, a: int, b: int, others: np.ndarray) -> np.ndarray:
    p, q, r, s = flat[a], flat[b], flat[others[:, 0]], flat[others[:, 1]]
    free = (others != a).all(1) & (others != b).all(1)
    first = _cross2(q - p, r - p) * _cross2(q - p, s - p) < 0
    second = _cross2(s - r, p - r) * _cross2(s - r, q - r) < 0
    return free & first & second


def _convex(flat: np.ndarray, i: int, l: int, j: int, k: int) -> bool:
    ring = flat[[i, l, j, k]]
    turn = _cross2(np.roll(ring, -1, 0) - ring, np.roll(ring, -2, 0) - np.roll(ring, -1, 0))
    return bool((turn > 1e-14).all() or (turn < -1e-14).all())


def _relax(
    flat: np.ndarray,
    triangles: np.ndarray,
    surface: _Surface,
    pinned: int,
    half: HalfHead,
    curves: Curves,
) -> np.ndarray:
    """Move free points towards the centroid of their cell, weighted by the sizing field."""
    rows = surface.rows(flat[pinned:])
    points = np.concatenate([np.zeros((pinned, 3)), rows @ half.vertices])
    known = surface.half.vertices
    points[:pinned] = known[cKDTree(surface.uv).query(flat[:pinned])[1]]
    p = points[triangles]
    area = np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1)
    weight = area / sizing(p.mean(1), half, curves) ** 2
    centre = flat[triangles].mean(1)
    total = np.zeros(len(flat))
    moved = np.zeros_like(flat)
    for k in range(3):
        np.add.at(total, triangles[:, k], weight)
        np.add.at(moved, triangles[:, k], weight[:, None] * centre)
    target = moved / np.maximum(total, 1e-30)[:, None]
    new = flat + 0.7 * (target - flat)
    stay = ~surface.inside(new)
    stay[:pinned] = True
    return np.where(stay[:, None], flat, new)


def flip_to_delaunay(
    xyz: np.ndarray, flat: np.ndarray, triangles: np.ndarray, edges: np.ndarray
) -> np.ndarray:
    """Flip inner edges whose opposite angles in 3D sum to more than pi, if UV stays valid."""
    constraint = {(int(min(e)), int(max(e))) for e in edges}
    triangles = triangles.copy()

    def cotangent(apex: int, a: int, b: int) -> float:
        u, v = xyz[a] - xyz[apex], xyz[b] - xyz[apex]
        return float(u @ v) / max(float(np.linalg.norm(np.cross(u, v))), 1e-20)

    for _ in range(60):
        table = {}
        for t, (a, b, c) in enumerate(triangles.tolist()):
            table[a, b], table[b, c], table[c, a] = (t, c), (t, a), (t, b)
        touched: set[int] = set()
        for (i, j), (t, k) in table.items():
            if i > j or (i, j) in constraint or (j, i) not in table:
                continue
            u, l = table[j, i]
            if t in touched or u in touched:
                continue
            if cotangent(k, i, j) + cotangent(l, i, j) < -1e-6 and _convex(flat, i, l, j, k):
                triangles[t], triangles[u] = (i, l, k), (l, j, k)
                touched |= {t, u}
        if not touched:
            break
    return triangles
