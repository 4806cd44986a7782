"""Own meshes of teeth, gums and tongue, bound to the ICT model's surfaces.

Each tooth is a polar grid around its own axis, drawn onto the tooth's smoothed surface by rays;
in the tile every tooth has a cell (`fitme/reflectance/mouth.py` draws it). Gums, palate and tongue
are one sheet; its tile has a disc for the tongue and a strip around the arch for each jaw's gums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import trimesh
from matplotlib.path import Path as Polygon
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import Delaunay, cKDTree

from fitme.head.curves import smoothstep
from fitme.models.train import ict as ict_data
from fitme.models.train.interior import Part
from fitme.models.train.remesh import (
    _force_edges,
    _throw_darts,
    flip_to_delaunay,
)
from fitme.models.train.rims import vertex_normals
from fitme.models.train.slim import tutte
from fitme.reflectance.mouth import (
    GUM_COLUMN,
    GUM_ROWS,
    TEETH_COLUMNS,
    TEETH_ROWS,
    TONGUE_CENTRE,
    TONGUE_RADIUS,
)

LEVELS = (0.0003, 0.0008, 0.0015, 0.0025, 0.0038, 0.0054, 0.0072, 0.0094, 0.0118)
CAP, BELOW = 4, 3  # rings on the crown of a chewing tooth and below it
CAP_DEPTH, DEPTH = 0.0034, 0.0096  # metres from its tip to the end of these rings
SECTORS = (18, 18, 18, 14, 14, 12, 12, 10)  # by number from the midline; the first three cut
CUTTING = 3
ROUNDING = (
    0.45  # share of the way from a smooth surface through the source's points to a rounder one
)
ARCH_CENTRE = np.array([0.0, 0.055])  # x and z, metres: the middle of both jaws' arches
SHEET_SIZE = (0.0015, 0.0025, 0.0045)  # metres between vertices, by distance from the teeth
TONGUE_SIZE = 0.0018
TONGUE_WIDTH = ((0.05, 0.08, 0.092, 0.0975), (0.0175, 0.0135, 0.0095, 0.004))  # half, by z
TONGUE_EDGE = 0.4  # of the tongue's mask, where its chart ends


@dataclass(frozen=True)
class Surface:
    """A piece of the ICT model made finer and rounder: its linear basis and triangles."""

    basis: np.ndarray  # [158, V, 3]
    triangles: np.ndarray  # [T, 3]

    def bind(self, index: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Basis [158, N, 3] of points in triangles `index` [N] with barycentric `weights`."""
        return np.einsum("bvkc,vk->bvc", self.basis[:, self.triangles[index]], weights)


def _pieces(model: ict_data.IctModel, span: tuple[int, int]) -> list[Surface]:
    """The connected pieces of a range of ICT vertices, each subdivided once and rounded."""
    faces = ict_data.triangulate(model.faces)
    faces = faces[((faces >= span[0]) & (faces < span[1])).all(1)]
    groups = trimesh.graph.connected_components(faces[:, [0, 1, 1, 2]].reshape(-1, 2))
    basis = model.basis()
    out = []
    for group in groups:
        used, own = np.unique(faces[np.isin(faces, group).all(1)], return_inverse=True)
        own = own.reshape(-1, 3)
        through = ict_data.interpolating_subdivision(own, basis[:, used])
        matrix, own = ict_data.loop_subdivision(own, len(used))
        flat = np.moveaxis(basis[:, used], 1, 0).reshape(len(used), -1)
        rounder = np.moveaxis((matrix @ flat).reshape(matrix.shape[0], len(basis), 3), 0, 1)
        out.append(Surface((1 - ROUNDING) * through + ROUNDING * rounder, own))
    return out


def teeth(model: ict_data.IctModel) -> Part:
    """The crowns of all 32 teeth.

    Rows of the tile are quadrants, columns count from the midline; the right side's cells are
    mirrored, so that both sides have their middles on the left.
    """
    pieces = _pieces(model, ict_data.TEETH)
    middle = np.array([piece.basis[0].mean(0) for piece in pieces])
    split = middle[:, 1].mean()
    bases, triangles, uvs, uv_triangles = [], [], [], []
    start = uv_start = 0
    for row, (upper, left) in enumerate(
        [(True, True), (True, False), (False, True), (False, False)]
    ):
        mine = np.flatnonzero(((middle[:, 1] > split) == upper) & ((middle[:, 0] > 0) == left))
        mine = mine[np.argsort(-middle[mine, 2])]
        for column, index in enumerate(mine):
            basis, tris, uv, uv_tris = _tooth(pieces[index], upper, column)
            uv = uv if left else uv * [-1, 1] + [1, 0]
            cell = np.array([1 / TEETH_COLUMNS, 1 / TEETH_ROWS])
            bases.append(basis)
            triangles.append(tris + start)
            uvs.append((np.array([column, row]) + 0.03 + 0.94 * uv) * cell)
            uv_triangles.append(uv_tris + uv_start)
            start, uv_start = start + basis.shape[1], uv_start + len(uv)
    return Part(
        "teeth", np.concatenate(bases, axis=1), np.concatenate(triangles),
        np.concatenate(uvs), np.concatenate(uv_triangles),
    )  # fmt: skip


def _tooth(
    piece: Surface, upper: bool, column: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Basis [158, V, 3], triangles, cell UV (v = 0 at the tip) and UV triangles of one crown."""
    points = piece.basis[0]
    sign = -1.0 if upper else 1.0  # of y from the root to the tip
    height = sign * points[:, 1]
    crown = points[height > np.quantile(height, 0.55)].mean(0)
    root = points[height < np.quantile(height, 0.45)].mean(0)
    axis = (crown - root) / np.linalg.norm(crown - root)
    along = points @ axis
    tip = along.max()
    middle = points.mean(0)
    outward = np.array([middle[0], 0.0, middle[2] - ARCH_CENTRE[1]])
    outward -= (outward @ axis) * axis
    outward /= np.linalg.norm(outward)
    side = np.cross(outward, axis)

    edges, _, _ = ict_data.edge_table(piece.triangles)
    frame = np.stack([side, outward])

    def cut(level: float) -> tuple[np.ndarray, np.ndarray]:
        """The middle [3] of the slice at a height along the axis, and its half widths [2]."""
        low, high = along[edges].T
        crossed = (low > level) != (high > level)
        share = ((level - low) / np.where(crossed, high - low, 1))[crossed, None]
        ends = points[edges[crossed]]
        flat = ((1 - share) * ends[:, 0] + share * ends[:, 1]) @ frame.T
        low, high = flat.min(0), flat.max(0)
        return 0.5 * (low + high) @ frame + level * axis, 0.5 * (high - low)

    sectors = SECTORS[column]
    turn = np.arange(sectors) / sectors * 2 * np.pi  # starts on the tongue's side
    ring = np.stack([np.sin(turn), -np.cos(turn)], 1)
    origins, rays = [], []
    if column < CUTTING:
        levels = tip - np.array(LEVELS)
        middle, _ = cut(levels[2])
        origins, rays = [middle], [axis]
    else:
        levels = np.linspace(tip - CAP_DEPTH, tip - DEPTH, BELOW + 1)[1:]
        middle, half = cut(tip - CAP_DEPTH)
        origins, rays = [middle], [axis]
        for polar in np.linspace(0, np.pi / 2, CAP + 1)[1:]:
            rays += list(np.sin(polar) * (ring * half) @ frame + np.cos(polar) * CAP_DEPTH * axis)
            origins += [middle] * sectors
    for level in levels:
        middle, half = cut(level)
        rays += list((ring * half) @ frame)
        origins += [middle] * sectors
    index, weights = _outermost(piece, np.array(origins), np.array(rays))
    basis = piece.bind(index, weights)
    rings = (basis.shape[1] - 1) // sectors
    # UV: one column more than sectors, so that the seam lies at the tongue's side.
    length = [0.0]
    for row in range(rings):
        now = basis[0][1 + row * sectors : 1 + (row + 1) * sectors]
        before = basis[0][:1] if row == 0 else basis[0][1 + (row - 1) * sectors :][:sectors]
        length.append(length[-1] + float(np.linalg.norm(now - before, axis=1).mean()))
    v = np.array(length) / length[-1]
    columns = np.arange(sectors + 1) / sectors
    uv = [np.stack([columns[:-1] + 0.5 / sectors, np.zeros(sectors)], 1)]
    uv += [np.stack([columns, np.full(sectors + 1, level)], 1) for level in v[1:]]
    triangles, uv_triangles = [], []
    for k in range(sectors):
        n = (k + 1) % sectors
        triangles.append([0, 1 + k, 1 + n])
        uv_triangles.append([k, sectors + k, sectors + k + 1])
        for row in range(rings - 1):
            i, j = 1 + row * sectors, 1 + (row + 1) * sectors
            p, q = sectors + row * (sectors + 1), sectors + (row + 1) * (sectors + 1)
            triangles += [[i + k, j + k, j + n], [i + k, j + n, i + n]]
            uv_triangles += [[p + k, q + k, q + k + 1], [p + k, q + k + 1, p + k + 1]]
    tris, uv_tris = np.array(triangles), np.array(uv_triangles)
    a, b, c = (basis[0][tris[:, k]] for k in range(3))
    if (np.cross(b - a, c - a) * ((a + b + c) / 3 - basis[0].mean(0))).sum() < 0:
        tris, uv_tris = tris[:, ::-1], uv_tris[:, ::-1]
    return basis, tris, np.concatenate(uv), uv_tris


def _outermost(
    piece: Surface, origins: np.ndarray, rays: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The last triangle [N] each ray leaves through, and the barycentric place [N, 3] in it.

    For a ray that starts outside and hits nothing it is the place nearest to the ray's end.
    """
    a, b, c = (piece.basis[0][piece.triangles[:, k]] for k in range(3))
    index, weights = [], []
    for origin, ray in zip(origins, rays, strict=True):
        p = np.cross(ray, c - a)
        det = ((b - a) * p).sum(1)
        det = np.where(np.abs(det) < 1e-15, 1e-15, det)
        s = origin - a
        u = (s * p).sum(1) / det
        q = np.cross(s, b - a)
        v = (q @ ray) / det
        t = ((c - a) * q).sum(1) / det
        hit = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (t > 0)
        best = int(np.argmax(np.where(hit, t, -1)))
        index.append(best if hit.any() else -1)
        weights.append([1 - u[best] - v[best], u[best], v[best]])
    found, place = np.array(index), np.clip(np.array(weights), 0, 1)
    lost = found < 0
    if lost.any():
        mesh = trimesh.Trimesh(piece.basis[0], piece.triangles, process=False)
        found[lost], place[lost] = _nearest(mesh, (origins + rays)[lost])
    return found, place


@dataclass(frozen=True)
class Sheet:
    """Gums, palate and tongue, and which of it is tongue."""

    part: Part
    tongue: np.ndarray  # [V] in 0..1


def gums_and_tongue(model: ict_data.IctModel, crowns: np.ndarray) -> Sheet:
    """The sheet of gums, palate and tongue; `crowns` [C, 3] are points of the neutral teeth."""
    (fine,) = _pieces(model, ict_data.GUMS_TONGUE)
    neutral = fine.basis[0]
    jaw = fine.basis[101 + model.expression_names.index("jawOpen")]
    lower = np.linalg.norm(jaw, axis=1) > 0.008
    fields = _fields(fine, crowns, lower)
    z, tongue, margin = neutral[:, 2], fields["tongue"], np.abs(fields["margin"])
    size = np.interp(margin, [0.0015, 0.006, 0.015], SHEET_SIZE)
    size = np.where(tongue > 0.2, np.minimum(size, TONGUE_SIZE), size)
    size *= 1 + 2.5 * smoothstep(0.065, 0.035, z)  # what lies deep is hardly seen
    index, weights, triangles = _spread(fine, size)
    basis = fine.bind(index, weights)
    at = fine.triangles[index]
    own = {name: (value[at] * weights).sum(1) for name, value in fields.items()}
    uv, uv_triangles = _sheet_uv(basis[0], triangles, own)
    return Sheet(Part("tongue", basis, triangles, uv, uv_triangles), own["tongue"])


def _spread(fine: Surface, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices about `size` [V] apart: their triangle of `fine` [N], their place in it [N, 3], and
    the Delaunay triangles [T, 3] between them. The sheet has an outer rim and one hole."""
    points, count = fine.basis[0], fine.basis.shape[1]
    hole, rim = ict_data.boundary_loops(fine.triangles)
    turn = np.arange(len(rim)) / len(rim) * 2 * np.pi
    lid = np.stack([np.roll(hole, -1), hole, np.full(len(hole), count)], 1)
    disc = np.stack([np.cos(turn), np.sin(turn)], 1)
    flat = tutte(np.concatenate([fine.triangles, lid]), count + 1, rim, disc)
    # Every other vertex of the loops stays; the others are thrown at random.
    of_corner = np.zeros((count, 2), dtype=int)
    of_corner[fine.triangles] = np.stack(
        np.broadcast_arrays(np.arange(len(fine.triangles))[:, None], np.arange(3)), -1
    )
    kept = np.concatenate([rim[::2], hole[::2]])
    mesh = trimesh.Trimesh(points, fine.triangles, process=False)
    _, thrown = trimesh.sample.sample_surface(mesh, 80_000, seed=0)
    rng = np.random.default_rng(0)
    spot = np.sort(rng.random((len(thrown), 2)), axis=1)
    place = np.stack([spot[:, 0], spot[:, 1] - spot[:, 0], 1 - spot[:, 1]], 1)
    index = np.concatenate([of_corner[kept, 0], thrown])
    weights = np.concatenate([np.eye(3)[of_corner[kept, 1]], place])
    corners = fine.triangles[index]
    at = np.einsum("nk,nkc->nc", weights, points[corners])
    wanted = np.einsum("nk,nk->n", weights, size[corners])
    wanted[: len(kept)] = np.minimum(wanted[: len(kept)], 0.0015)
    normals = vertex_normals(points, fine.triangles)
    facing = np.einsum("nk,nkc->nc", weights, normals[corners])
    accepted = _throw_darts(at, facing, wanted, len(kept))
    index, weights, at = index[accepted], weights[accepted], at[accepted]
    where = np.einsum("nk,nkc->nc", weights, flat[fine.triangles[index]])
    triangles = Delaunay(where).simplices
    a, b, c = (where[triangles[:, k]] for k in range(3))
    turned = np.cross(b - a, c - a) < 0
    triangles[turned] = triangles[turned][:, ::-1]
    loops = [np.arange(len(rim[::2])), len(rim[::2]) + np.arange(len(hole[::2]))]
    edges = np.concatenate([np.stack([loop, np.roll(loop, -1)], 1) for loop in loops])
    triangles = _force_edges(where, triangles, edges)
    in_hole = Polygon(where[loops[1]]).contains_points(where[triangles].mean(1))
    triangles = flip_to_delaunay(at, where, triangles[~in_hole], edges)
    return index, weights, triangles.astype(np.int64)


def _nearest(mesh: trimesh.Trimesh, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles [N] of a mesh that are nearest to points [N, 3], and the places [N, 3] in them."""
    corners = np.asarray(mesh.triangles)
    _, near = cKDTree(corners.mean(1)).query(points, k=24)
    best, distance = np.zeros(len(points), dtype=int), np.full(len(points), np.inf)
    place = np.zeros((len(points), 3))
    for column in near.T:
        at = trimesh.triangles.closest_point(corners[column], points)
        d = np.linalg.norm(at - points, axis=1)
        better = d < distance
        best[better], distance[better], place[better] = column[better], d[better], at[better]
    weights = trimesh.triangles.points_to_barycentric(corners[best], place)
    weights = np.clip(np.nan_to_num(weights, nan=1 / 3), 0, 1)
    return best, weights / weights.sum(1, keepdims=True)


def _fields(fine: Surface, crowns: np.ndarray, lower: np.ndarray) -> dict[str, np.ndarray]:
    """Distances along the sheet, metres, and the tongue's mask 0..1, each [V].

    "margin" from the teeth, negative on the tongue's side; "centre" from the middle of the
    tongue's back; "floor" from where the tongue ends; "lower" 1 for the lower jaw.
    """
    p = fine.basis[0]
    edges, _, _ = ict_data.edge_table(fine.triangles)
    length = np.linalg.norm(p[edges[:, 0]] - p[edges[:, 1]], axis=1)
    graph = sp.coo_matrix((length, edges.T), (len(p), len(p))).tocsr()

    def distance(seeds: np.ndarray) -> np.ndarray:
        return np.asarray(dijkstra(graph, directed=False, indices=np.flatnonzero(seeds),
                                   min_only=True))  # fmt: skip

    arch = np.hypot(crowns[:, 0], crowns[:, 2] - ARCH_CENTRE[1])
    tree = cKDTree(np.arctan2(crowns[:, 0], crowns[:, 2] - ARCH_CENTRE[1])[:, None])
    _, near = tree.query(np.arctan2(p[:, 0], p[:, 2] - ARCH_CENTRE[1])[:, None], k=24)
    outside = np.hypot(p[:, 0], p[:, 2] - ARCH_CENTRE[1]) > arch[near].mean(1)
    touching = cKDTree(crowns).query(p)[0] < 0.0012
    normal = vertex_normals(p, fine.triangles)
    outward = (normal[:, [0, 2]] * (p[:, [0, 2]] - ARCH_CENTRE)).sum(1)
    touching &= outside | ~lower | (outward < 0.006)  # the tongue's sides touch teeth, too
    width = np.interp(p[:, 2], *TONGUE_WIDTH)
    back = lower & (np.abs(p[:, 0]) < 0.92 * width) & (p[:, 2] > 0.040) & (p[:, 2] < 0.0968)
    back &= (normal[:, 1] > 0.1) & (p[:, 1] > -0.0395)
    below = lower & (np.abs(p[:, 0]) < 0.92 * width) & (p[:, 2] > 0.066) & (p[:, 1] < -0.040)
    below &= (normal[:, 1] < -0.3) & (p[:, 2] < 0.0965)
    floor = lower & (normal[:, 1] > 0.1) & (p[:, 1] < -0.0455) & (p[:, 2] > 0.055)
    from_back, from_gum = distance(back | below), distance((touching & lower) | floor)
    tongue = from_gum / np.maximum(from_gum + from_back, 1e-9)
    tongue *= lower * smoothstep(0.036, 0.044, p[:, 2])
    centre = (np.abs(p[:, 0]) < 0.001) & back & (np.abs(p[:, 2] - 0.072) < 0.003)
    return {
        "margin": distance(touching) * np.where(outside, 1, -1),
        "centre": distance(centre),
        "floor": distance(tongue < TONGUE_EDGE),
        "tongue": tongue,
        "lower": lower.astype(float),
    }


def _sheet_uv(
    points: np.ndarray, triangles: np.ndarray, fields: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """UV [U, 2] and its triangles: the tongue's disc, the strips of the lower and upper gums."""
    azimuth = np.arctan2(points[:, 0], points[:, 2] - ARCH_CENTRE[1])
    share = fields["centre"] / np.maximum(fields["centre"] + fields["floor"], 1e-9)
    turned = np.stack([np.sin(azimuth), np.cos(azimuth)], 1)
    disc = np.array(TONGUE_CENTRE) + TONGUE_RADIUS * share[:, None] * turned
    u = GUM_COLUMN[0] + (GUM_COLUMN[1] - GUM_COLUMN[0]) * (0.5 + 0.5 * azimuth / np.pi)
    away = fields["margin"] / (np.abs(fields["margin"]) + 0.008)
    (upper, half), (lower, _) = GUM_ROWS["upper"], GUM_ROWS["lower"]
    strips = [np.stack([u, row], 1) for row in (upper - half * away, lower + half * away)]
    layouts = [disc, *strips]
    chart = np.where(fields["tongue"] > TONGUE_EDGE, 0, np.where(fields["lower"] > 0.5, 2, 1))
    votes = np.sort(chart[triangles], axis=1)[:, 1]
    uv, uv_triangles, start = [], np.zeros_like(triangles), 0
    for k, layout in enumerate(layouts):
        used, local = np.unique(triangles[votes == k], return_inverse=True)
        uv.append(layout[used])
        uv_triangles[votes == k] = local.reshape(-1, 3) + start
        start += len(used)
    return np.clip(np.concatenate(uv), 0, 1), uv_triangles
