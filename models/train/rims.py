"""Feature curves of the half head: rims of lids, lips and nostrils, and rings that run parallel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import dijkstra

from fitme.models.train import ict as ict_data
from fitme.models.train.atlas import HalfHead, mouth_half_loop


@dataclass(frozen=True)
class Curves:
    """Vertex runs on the half head: closed `eye`, `nostril`; open `lips` and `outer` (the rest).

    `lid_rings` (closed) and `lip_rings` (open) run parallel to the rims over the creases where
    the lids' margins turn and where the lips touch; without them silhouettes there are jagged.
    """

    eye: np.ndarray
    lips: np.ndarray
    nostril: np.ndarray
    outer: np.ndarray
    lid_rings: tuple[np.ndarray, ...]
    lip_rings: tuple[np.ndarray, ...]


# Rings of the source mesh around each rim, counted from it, by their mean convexity: a lid's
# inner edge is ring 3, its outer edge ring 8; lips touch along rings 12 to 15.
LID_RINGS = (3, 5, 8, 11)
LIP_RINGS = (6, 10, 13, 16)


def find_curves(half: HalfHead) -> Curves:
    """Rims of lid and lips from the boundary loops, the nostril rim as its most convex loop."""
    loops = ict_data.boundary_loops(half.triangles)
    lips = mouth_half_loop(half.vertices, loops[-1])
    start = int(np.flatnonzero(loops[-1] == lips[0])[0])
    outer = np.roll(loops[-1], -start)[len(lips) - 1 :]
    return Curves(
        eye=loops[0],
        lips=lips,
        nostril=nostril_rim(half),
        outer=np.append(outer, lips[0]),
        lid_rings=tuple(ring_around(half, loops[0], k) for k in LID_RINGS),
        lip_rings=tuple(ring_around(half, lips, k) for k in LIP_RINGS),
    )


def ring_around(half: HalfHead, rim: np.ndarray, level: int) -> np.ndarray:
    """The run of vertices `level` edges away from a rim, in order, open runs from the midline.

    Raises ValueError where the source mesh has no such simple ring.
    """
    edges, _, _ = ict_data.edge_table(half.triangles)
    both = np.concatenate([edges, edges[:, ::-1]])
    distance = np.full(len(half.vertices), -1)
    distance[rim] = 0
    for k in range(1, level + 1):
        reached = both[distance[both[:, 0]] == k - 1, 1]
        distance[reached[distance[reached] < 0]] = k
    on = edges[(distance[edges] == level).all(1)]
    neighbours: dict[int, list[int]] = {}
    for a, b in on.tolist():
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    ends = [v for v, near in neighbours.items() if len(near) == 1]
    run = [min(ends, key=lambda v: -half.vertices[v, 1])] if ends else list(neighbours)[:1]
    while run:
        following = [v for v in neighbours[run[-1]] if v not in run[-2:] and v != run[0]]
        if not following or len(run) > len(neighbours):
            break
        run.append(following[0])
    if not run or len(run) != len(neighbours):
        raise ValueError(f"ring {level} is no simple run: {len(run)} of {len(neighbours)} vertices")
    return np.array(run)


def mean_convexity(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Height of each vertex over its ring along the normal, over the ring's size, [V]."""
    edges, _, _ = ict_data.edge_table(triangles)
    both = np.concatenate([edges, edges[:, ::-1]])
    normals = vertex_normals(vertices, triangles)
    difference = vertices[both[:, 0]] - vertices[both[:, 1]]
    height = np.bincount(both[:, 0], (difference * normals[both[:, 0]]).sum(1), len(vertices))
    length = np.bincount(both[:, 0], np.linalg.norm(difference, axis=1), len(vertices))
    return height / length


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted unit vertex normals, [V, 3]."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def nostril_rim(half: HalfHead) -> np.ndarray:
    """Closed run of vertices around the left nostril along the convex crease.

    The shortest loop around the nostril's axis, where a convex edge counts as short. The region
    is known from the ICT neutral head (its nostril opens near x = 9 mm, y = -3 mm, z = 110 mm).
    """
    xyz, triangles = half.vertices, half.triangles
    centre, axis = np.array([0.0095, -0.0028, 0.1105]), np.array([0.2, -0.93, 0.3])
    axis /= np.linalg.norm(axis)
    relative = xyz - centre
    along = relative @ axis
    radial = relative - along[:, None] * axis
    first = np.cross(axis, [0.0, 0.0, 1.0])
    first /= np.linalg.norm(first)
    second = np.cross(axis, first)
    angle = np.arctan2(radial @ second, radial @ first)
    radius = np.linalg.norm(radial, axis=1)
    near = (radius > 0.0015) & (radius < 0.0125) & (np.abs(along) < 0.006) & (xyz[:, 0] > 0.002)
    convex = np.maximum(mean_convexity(xyz, triangles), 0)
    edges, _, _ = ict_data.edge_table(triangles)
    edges = edges[near[edges].all(1)]
    length = np.linalg.norm(xyz[edges[:, 0]] - xyz[edges[:, 1]], axis=1)
    cost = length * np.exp(-7.0 * convex[edges].mean(1) / 0.3)
    a, b = edges.T
    turn = np.rint((angle[b] - angle[a]) / (2 * np.pi)).astype(int)  # +-1 across the cut
    count = len(xyz)
    rows, cols = [], []
    for sheet in range(3):  # unroll the annulus: three copies, glued along the cut
        target = np.clip(sheet - turn, 0, 2)
        rows.append(sheet * count + a)
        cols.append(target * count + b)
    ok = np.concatenate([(s - turn >= 0) & (s - turn <= 2) for s in range(3)])
    graph = sp.coo_matrix(
        (np.tile(cost, 3)[ok], (np.concatenate(rows)[ok], np.concatenate(cols)[ok])),
        (3 * count,) * 2,
    ).tocsr()
    starts = np.unique(np.concatenate([a[turn != 0], b[turn != 0]]))
    best, best_path = np.inf, None
    for s in starts:
        far, previous = dijkstra(graph, directed=False, indices=count + s, return_predecessors=True)
        for goal in (s, 2 * count + s):
            if far[goal] < best:
                best, path, node = far[goal], [], goal
                while node != count + s:
                    path.append(node % count)
                    node = previous[node]
                best_path = np.array(path)
    if best_path is None:
        raise ValueError("no closed nostril rim found")
    return best_path
