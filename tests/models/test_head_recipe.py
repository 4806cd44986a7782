"""The geometry of the head's recipe on small meshes: subdivision, atlas, own triangulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import trimesh
from scipy.spatial import ConvexHull, Delaunay

from fitme.models.train import ict, remesh, rims, slim
from fitme.models.train.atlas import HalfHead, clip


def solid(vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """A Platonic solid of triangles on the unit sphere, outward: vertices [V, 3], triangles."""
    golden = (1 + 5**0.5) / 2
    signs = np.array([[a, b] for a in (-1, 1) for b in (-1, 1)], dtype=float)
    flat = np.column_stack([np.zeros(4), signs * [1, golden]])
    points = {
        4: np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float),
        6: np.concatenate([np.eye(3), -np.eye(3)]),
        12: np.concatenate([np.roll(flat, k, axis=1) for k in range(3)]),
    }[vertices]
    points /= np.linalg.norm(points[0])
    triangles = ConvexHull(points).simplices
    a, b, c = (points[triangles[:, k]] for k in range(3))
    outward = (np.cross(b - a, c - a) * (a + b + c)).sum(1) > 0
    return points, np.where(outward[:, None], triangles, triangles[:, ::-1])


def grid(columns: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A flat sheet over the unit square, counter-clockwise: points [V, 2], triangles [T, 3]."""
    x, y = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    index = np.arange(columns * rows).reshape(rows, columns)
    a, b, c, d = (
        q.ravel() for q in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1])
    )
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return np.stack([x.ravel(), y.ravel()], 1), triangles


def signed_area(flat: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    return 0.5 * np.cross(b - a, c - a)


def as_set(triangles: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(sorted(t)) for t in triangles.tolist()}


def sides(triangles: np.ndarray) -> set[tuple[int, int]]:
    return {(a, b) for t in triangles.tolist() for a, b in combinations(sorted(t), 2)}


class TestSubdivision:
    @pytest.mark.parametrize(
        ("count", "ring_weight", "ring_height"),
        [(4, 9 / 16, -1 / 3), (6, 3 / 8, 0.0), (12, 3 / 8, 1 / 5**0.5)],
    )
    def test_loop_on_platonic_solids(
        self, count: int, ring_weight: float, ring_height: float
    ) -> None:
        points, triangles = solid(count)
        matrix, fine = ict.loop_subdivision(triangles, count)
        _, _, uses = ict.edge_table(triangles)
        assert (uses == 2).all() and len(fine) == 4 * len(triangles)
        np.testing.assert_allclose(matrix.sum(1), 1.0, atol=1e-12)
        new = matrix @ points
        # Old vertices shrink along their axis: own weight plus the height of their ring.
        np.testing.assert_allclose(
            new[:count], points * (1 - ring_weight + ring_weight * ring_height), atol=1e-12
        )
        lengths = np.linalg.norm(new[count:], axis=1)
        np.testing.assert_allclose(lengths, lengths[0], atol=1e-12)
        mesh = trimesh.Trimesh(new, fine, process=False)
        assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
        assert mesh.euler_number == 2

    def test_loop_approaches_a_smooth_convex_surface(self) -> None:
        points, triangles = solid(12)
        for _ in range(4):
            matrix, triangles = ict.loop_subdivision(triangles, len(points))
            points = matrix @ points
        radius = np.linalg.norm(points, axis=1)
        assert np.ptp(radius) / radius.mean() < 0.04

    def test_loop_on_a_sheet(self) -> None:
        points, triangles = grid(5, 4)
        matrix, fine = ict.loop_subdivision(triangles, 20)
        np.testing.assert_allclose(matrix.sum(1), 1.0, atol=1e-12)
        assert matrix.min() >= 0
        new = matrix @ points
        inner = (points > 0).all(1) & (points < 1).all(1)  # of valence six: linear fields stay
        np.testing.assert_allclose(new[:20][inner], points[inner], atol=1e-12)
        on_bottom = np.flatnonzero(points[:, 1] == 0)
        assert (new[on_bottom, 1] == 0).sum() == 3  # all but the corners, which are rounded off
        assert (signed_area(new, fine) > 0).all()

    def test_linear_subdivision_has_the_same_order(self) -> None:
        points, triangles = grid(4, 4)
        matrix = ict.linear_subdivision(triangles, 16)
        edges, _, _ = ict.edge_table(triangles)
        new = matrix @ points
        np.testing.assert_array_equal(new[:16], points)
        np.testing.assert_allclose(new[16:], points[edges].mean(1), atol=1e-15)
        fine = ict.loop_subdivision(triangles, 16)[1]
        np.testing.assert_allclose(signed_area(new, fine), 1 / 72)

    @pytest.mark.parametrize("closed", [True, False])
    def test_interpolating_subdivision_keeps_the_old_vertices(self, closed: bool) -> None:
        points, triangles = solid(12) if closed else grid(6, 5)
        rng = np.random.default_rng(0)
        fields = np.stack([rng.normal(size=(len(points), 3)), np.ones((len(points), 3))])
        fine = ict.interpolating_subdivision(triangles, fields)
        edges, _, _ = ict.edge_table(triangles)
        assert fine.shape == (2, len(points) + len(edges), 3)
        np.testing.assert_allclose(fine[:, : len(points)], fields, atol=1e-10)
        np.testing.assert_allclose(fine[1], 1.0, atol=1e-12)


class TestTopology:
    def test_boundary_loops_follow_the_triangles_sides(self) -> None:
        points, triangles = grid(6, 6)
        middle = points[triangles].mean(1)
        holed = triangles[np.abs(middle - 0.5).max(1) > 0.1]  # the middle cell is out
        hole, rim = ict.boundary_loops(holed)
        assert (len(hole), len(rim)) == (4, 20)
        assert ict.boundary_loops(solid(6)[1]) == []
        directed = {(t[k], t[(k + 1) % 3]) for t in holed.tolist() for k in range(3)}
        for loop in (hole, rim):
            assert set(zip(loop.tolist(), np.roll(loop, -1).tolist(), strict=True)) <= directed
        x, y = points[rim].T  # counter-clockwise around the sheet
        assert 0.5 * (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() == pytest.approx(1.0)

    def test_mirror_map(self) -> None:
        points, _ = solid(12)
        partner = ict.mirror_map(points)
        np.testing.assert_allclose(points[partner], points * [-1, 1, 1], atol=1e-12)
        np.testing.assert_array_equal(partner[partner], np.arange(12))
        with pytest.raises(ValueError, match=r"not mirror symmetric: 1\.00e-02 m"):
            ict.mirror_map(np.array([[0.01, 0.0, 0.0], [-0.01, 0.01, 0.0]]))
        with pytest.raises(ValueError, match="not mirror symmetric"):
            ict.mirror_map(points + np.array([3e-4, 0, 0]))

    def test_clip_cuts_along_the_plane(self) -> None:
        points, triangles = grid(7, 5)
        height = points[:, 0] + 0.37 * points[:, 1] - 0.61
        matrix, kept = clip(triangles, height)
        edges, _, _ = ict.edge_table(triangles)
        crossed = (height[edges] > 0).sum(1) == 1
        assert matrix.shape == (len(points) + crossed.sum(), len(points))
        np.testing.assert_allclose(matrix.sum(1), 1.0)
        new, at = matrix @ points, matrix @ height
        np.testing.assert_allclose(at[len(points) :], 0.0, atol=1e-12)
        assert (at[kept] > -1e-12).all()
        area = signed_area(new, kept)
        assert (area > 0).all()
        # The line leaves a trapezium between x = 0.61 (bottom) or 0.24 (top) and x = 1.
        assert area.sum() == pytest.approx(0.5 * (0.39 + 0.76))


class TestSlim:
    def dome(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A bumpy sheet, Tutte's flat start, its rim."""
        flat, triangles = grid(9, 9)
        bump = 0.5 * np.exp(-12 * ((flat - [0.4, 0.6]) ** 2).sum(1))
        rim = ict.boundary_loops(triangles)[-1]
        uv = slim.tutte(triangles, len(flat), rim, flat[rim])
        return np.column_stack([flat, bump]), triangles, uv, rim

    def energy(self, rest: np.ndarray, triangles: np.ndarray, uv: np.ndarray) -> float:
        gradients, area = slim._rest_gradients(rest, triangles)
        jacobian = slim.jacobians(uv, triangles, gradients)
        return float((area * slim.symmetric_dirichlet(jacobian)).sum())

    def test_tutte_is_an_embedding(self) -> None:
        _, triangles, uv, rim = self.dome()
        assert (signed_area(uv, triangles) > 0).all()
        disc = np.stack([np.cos(a := np.arange(len(rim)) / len(rim) * 2 * np.pi), np.sin(a)], 1)
        on_disc = slim.tutte(triangles, len(uv), rim, disc)
        np.testing.assert_array_equal(on_disc[rim], disc)
        assert (signed_area(on_disc, triangles) > 0).all()

    def test_energy_falls_without_flips_and_fixed_coordinates_stay(self) -> None:
        rest, triangles, start, rim = self.dome()
        fixed = np.zeros_like(start, dtype=bool)
        fixed[rim, 0] = np.isin(start[rim, 0], (0.0, 1.0))  # the rim may slide along its edges
        fixed[rim, 1] = np.isin(start[rim, 1], (0.0, 1.0))
        one = np.ones(len(triangles))
        energies, uv = [self.energy(rest, triangles, start)], start
        for _ in range(3):
            uv = slim.slim(rest, triangles, uv, fixed, scale=one, weight=one, iterations=3)
            energies.append(self.energy(rest, triangles, uv))
            assert (signed_area(uv, triangles) > 0).all()
        assert energies[0] > energies[1] > energies[2] >= energies[3] > 4.0
        np.testing.assert_array_equal(uv[fixed], start[fixed])
        bottom = rim[start[rim, 1] == 0]
        assert np.abs(uv[bottom, 0] - start[bottom, 0]).max() > 1e-3

    def test_a_flat_sheet_becomes_itself_at_the_wanted_scale(self) -> None:
        rest, triangles = grid(6, 6)
        rng = np.random.default_rng(1)
        start = rest * [1.3, 0.8] + rng.uniform(-0.04, 0.04, rest.shape)
        one = np.ones(len(triangles))
        uv = slim.slim(
            np.column_stack([rest, np.zeros(36)]), triangles, start,
            np.zeros_like(start, dtype=bool), scale=0.5 * one, weight=one, iterations=80,
        )  # fmt: skip
        edges, _, _ = ict.edge_table(triangles)
        length = [np.linalg.norm(np.diff(p[edges], axis=1)[:, 0], axis=1) for p in (uv, rest)]
        np.testing.assert_allclose(length[0], 0.5 * length[1], rtol=0.01)

    def test_flipped_start(self) -> None:
        rest, triangles, uv, _ = self.dome()
        one, free = np.ones(len(triangles)), np.zeros_like(uv, dtype=bool)
        uv[40] += 0.5
        with pytest.raises(ValueError, match="flipped"):
            slim.slim(rest, triangles, uv, free, scale=one, weight=one)


class TestTriangulation:
    @pytest.mark.parametrize("seed", range(4))
    def test_forced_edges_exist(self, seed: int) -> None:
        flat = np.random.default_rng(seed).random((60, 2))
        start = Delaunay(flat).simplices
        start = np.where((signed_area(flat, start) > 0)[:, None], start, start[:, ::-1])
        near = np.argsort(np.linalg.norm(flat - flat[0], axis=1))
        absent = [int(j) for j in near[1:20] if (0, j) not in sides(start)][:2]
        forced = remesh._force_edges(flat, start, np.array([[0, absent[0]], [absent[1], 0]]))
        assert {(0, j) for j in absent} <= sides(forced)
        area = signed_area(flat, forced)
        assert (area > 0).all() and area.sum() == pytest.approx(signed_area(flat, start).sum())

    def test_edges_that_cross_cannot_both_exist(self) -> None:
        flat, triangles = grid(2, 2)
        with pytest.raises(ValueError, match="1 feature edges"):
            remesh._force_edges(flat, triangles, np.array([[0, 3], [1, 2]]))

    def test_flips_reach_delaunay(self) -> None:
        turn = np.sort(np.random.default_rng(2).random(14)) * 2 * np.pi
        flat = np.stack([1.7 * np.cos(turn), np.sin(turn)], 1)  # on an ellipse: no circle of four
        k = np.arange(1, 13)
        fan = np.stack([np.zeros_like(k), k, k + 1], 1)
        xyz = np.column_stack([flat, np.zeros(14)])
        none = np.zeros((0, 2), dtype=int)
        flipped = remesh.flip_to_delaunay(xyz, flat, fan, none)
        assert as_set(flipped) == as_set(Delaunay(flat).simplices) != as_set(fan)
        assert (signed_area(flat, flipped) > 0).all()
        kept = remesh.flip_to_delaunay(xyz, flat, fan, np.array([[7, 0]]))
        assert (0, 7) in sides(kept) and (0, 7) not in sides(flipped)

    def test_resample_spaces_a_polyline_by_size(self) -> None:
        points = np.column_stack([np.linspace(0, 1, 11), np.zeros((11, 2))])
        found = remesh.resample(points, np.full(11, 0.25))
        x = [0.1 * (segment + fraction) for segment, fraction in found]
        np.testing.assert_allclose(x, [0, 0.25, 0.5, 0.75, 1.0], atol=1e-12)
        finer = remesh.resample(points, np.linspace(0.02, 0.3, 11))
        step = np.diff([0.1 * (s + f) for s, f in finer])
        assert (np.diff(step) > -1e-9).all() and step[-1] > 5 * step[0]

    def test_darts_keep_their_distance(self) -> None:
        rng = np.random.default_rng(3)
        points = np.column_stack([rng.random((1500, 2)), np.zeros(1500)])
        normals = np.tile([0.0, 0.0, 1.0], (1500, 1))
        kept = remesh._throw_darts(points, normals, np.full(1500, 0.1), 5)
        assert kept[:5].all() and 60 < kept.sum() < 130
        gap = np.linalg.norm(points[:, None] - points[kept], axis=-1)
        assert gap.min(1).max() < 0.1  # nothing more fits
        np.fill_diagonal(between := gap[kept], 1.0)
        assert between[5:].min() >= 0.1
        normals[1::2] *= -1  # two sheets back to back do not see each other
        assert remesh._throw_darts(points, normals, np.full(1500, 0.1), 0).sum() > 1.5 * kept.sum()

    def test_rings_run_around_a_hole(self) -> None:
        points, triangles = grid(13, 7)
        hole = (triangles == 45).any(1)  # the vertex in the middle
        none = np.zeros((1, 91, 3))
        flat = np.column_stack([points, np.zeros(91)])
        half = HalfHead(flat, triangles[~hole], none, none, none[0])
        rim = ict.boundary_loops(half.triangles)[0]
        ring = rims.ring_around(half, rim, 1)
        assert len(set(ring.tolist())) == len(ring) > len(rim)
        hops = sides(half.triangles)
        ends = zip(ring.tolist(), np.roll(ring, -1).tolist(), strict=True)
        assert all((min(a, b), max(a, b)) in hops for a, b in ends)
        for level in (3, 9):  # cut in two by the sheet's long sides; beyond the sheet
            with pytest.raises(ValueError, match=f"ring {level} is no simple run"):
                rims.ring_around(half, rim, level)
