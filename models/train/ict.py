"""The ICT-FaceKit morphable model as training data: loading, symmetry, smooth subdivision.

Source: USC ICT-FaceKit light model, MIT licence. Nothing of its mesh is shipped: heads are
sampled out of it onto the project's own template (`models/train/template.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

HEAD_VERTICES = 11248  # face 0..9408, head and neck 9409..11247
HEAD_FACES = 11144
MOUTH_SOCKET = (11248, 13294)
GUMS_TONGUE = (14062, 17039)
TEETH = (17039, 21451)
EYEBALL_L = (21451, 23021)
EYEBALL_R = (23021, 24591)
IRIS_L = (22221, 23021)
IRIS_R = (23821, 24591)
CENTIMETRE = 0.01


@dataclass(frozen=True)
class IctModel:
    """ICT arrays in metres: vertices = neutral + identity . a + expression . e."""

    neutral: np.ndarray  # [26719, 3]
    identity: np.ndarray  # [100, 26719, 3], one standard deviation each
    expression: np.ndarray  # [57, 26719, 3]
    expression_names: tuple[str, ...]
    faces: np.ndarray  # [26384, 4], -1 pads triangles

    def basis(self) -> np.ndarray:
        """Everything linear stacked: neutral, identity, expression, [158, 26719, 3]."""
        return np.concatenate([self.neutral[None], self.identity, self.expression])


def load_ict(path: Path) -> IctModel:
    """Read `ict_face.npz` (no pickles) and convert centimetres to metres."""
    with np.load(path, allow_pickle=False) as data:
        return IctModel(
            neutral=data["neutral"].astype(np.float64) * CENTIMETRE,
            identity=data["identity"].astype(np.float64) * CENTIMETRE,
            expression=data["expression"].astype(np.float64) * CENTIMETRE,
            expression_names=tuple(str(name) for name in data["expression_names"]),
            faces=data["faces"].astype(np.int64),
        )


def triangulate(quads: np.ndarray) -> np.ndarray:
    """Quads [F, 4] (-1 pads triangles) to triangles [T, 3]."""
    second = quads[quads[:, 3] >= 0][:, [0, 2, 3]]
    return np.concatenate([quads[:, :3], second])


def mirror_map(vertices: np.ndarray, tolerance: float = 2e-4) -> np.ndarray:
    """Index of every vertex's mirror image across x = 0, [V].

    Raises ValueError when a vertex has no partner within `tolerance` metres.
    """
    distance, partner = cKDTree(vertices).query(vertices * [-1.0, 1.0, 1.0])
    if distance.max() > tolerance:
        raise ValueError(f"mesh is not mirror symmetric: {distance.max():.2e} m off")
    return partner


def edge_table(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unique undirected edges [E, 2], edge ids per triangle side [T, 3], use counts [E].

    Side k of a triangle joins its corners k and k + 1.
    """
    sides = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=-1)
    edges, inverse, count = np.unique(
        np.sort(sides.reshape(-1, 2), axis=1), axis=0, return_inverse=True, return_counts=True
    )
    return edges, inverse.reshape(-1, 3), count


def boundary_loops(triangles: np.ndarray) -> list[np.ndarray]:
    """Closed boundary loops as vertex index arrays, in the direction of the triangles' sides."""
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    key = sides[:, 0].astype(np.int64) << 32 | sides[:, 1]
    reverse = sides[:, 1].astype(np.int64) << 32 | sides[:, 0]
    following = {int(a): int(b) for a, b in sides[~np.isin(key, reverse)]}
    loops = []
    while following:
        start, current = following.popitem()
        loop = [start]
        while current != start:
            loop.append(current)
            current = following.pop(current)
        loops.append(np.array(loop))
    return sorted(loops, key=len)


def loop_subdivision(triangles: np.ndarray, count: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """One step of Loop subdivision as a matrix [count + E, count] and its triangles [4T, 3].

    Source: C. Loop, Smooth Subdivision Surfaces Based on Triangles, 1987, with Warren's
    weights; boundaries follow the cubic B-spline rule.
    """
    edges, side, uses = edge_table(triangles)
    border = uses == 1
    rows, cols, data = [], [], []

    def put(r: np.ndarray, c: np.ndarray, w: np.ndarray | float) -> None:
        rows.append(r)
        cols.append(c)
        data.append(np.broadcast_to(np.asarray(w, dtype=float), r.shape))

    # Odd vertices, one on each edge: 3/8 for the ends, 1/8 for the opposite corners.
    odd = count + np.arange(len(edges))
    end_weight = np.where(border, 0.5, 0.375)
    put(odd, edges[:, 0], end_weight)
    put(odd, edges[:, 1], end_weight)
    opposite = np.roll(triangles, 1, axis=1)
    inner = ~border[side]
    put(odd[side[inner]], opposite[inner], 0.125)
    # Even vertices: n-ring average inside, (1/8, 3/4, 1/8) along a boundary.
    on_border = np.zeros(count, dtype=bool)
    on_border[edges[border].ravel()] = True
    both = np.concatenate([edges, edges[:, ::-1]])
    valence = np.bincount(both[:, 0], minlength=count)
    beta = np.where(valence == 3, 3 / 16, 3 / (8 * np.maximum(valence, 1)))
    inside = ~on_border[both[:, 0]]
    put(both[inside, 0], both[inside, 1], beta[both[inside, 0]])
    rim = np.concatenate([edges[border], edges[border][:, ::-1]])
    put(rim[:, 0], rim[:, 1], 0.125)
    every = np.arange(count)
    put(every, every, np.where(on_border, 0.75, 1 - valence * beta))
    matrix = sp.csr_matrix(
        (np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))),
        shape=(count + len(edges), count),
    )
    a, b, c = triangles.T
    ab, bc, ca = (count + side).T
    fine = np.concatenate(
        [np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    )
    return matrix, fine


def linear_subdivision(triangles: np.ndarray, count: int) -> sp.csr_matrix:
    """Midpoint subdivision with the vertex order of `loop_subdivision`, [count + E, count]."""
    edges, _, _ = edge_table(triangles)
    odd = np.repeat(np.arange(len(edges)), 2)
    half = sp.csr_matrix((np.full(len(odd), 0.5), (odd, edges.ravel())), (len(edges), count))
    return sp.vstack([sp.identity(count), half]).tocsr()


def interpolating_subdivision(triangles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Loop-subdivide [N, V, C] values so that the old vertices stay where they are.

    Plain Loop subdivision shrinks lids and lips; solving for the control points whose
    subdivided even vertices equal the given ones keeps them and smooths only in between.
    Returns [N, V + E, C].
    """
    count = values.shape[1]
    matrix, _ = loop_subdivision(triangles, count)
    flat = np.moveaxis(values, 1, 0).reshape(count, -1)
    control = sp.linalg.splu(matrix[:count].tocsc()).solve(np.ascontiguousarray(flat))
    fine = matrix @ control
    return np.moveaxis(fine.reshape(fine.shape[0], values.shape[0], -1), 0, 1)
