"""The head recipe's seams and occlusion on made meshes whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from numpy.testing import assert_allclose

from fitme.head.model import ARKIT_NAMES
from fitme.models.train import ict, seams
from fitme.models.train.occlusion import ambient_visibility, depth_and_triangle
from fitme.models.train.template import Template

HALF_WIDTH, GAP, DEPTH = 0.025, 0.002, 0.1  # metres: half the mouth, its opening, its z


def gap_at(x: np.ndarray) -> np.ndarray:
    """How far the slit is open, metres."""
    return GAP * np.maximum(1 - (x / HALF_WIDTH) ** 2, 0)


@pytest.fixture
def mouth() -> Template:
    """A flat sheet with a lens-shaped slit; identity mode 1 lifts the upper side by 1 mm."""
    x = np.linspace(-1.4, 1.4, 57) * HALF_WIDTH
    rows = np.linspace(0, 1, 13)[:, None]
    upper_y = gap_at(x) / 2 + rows * (0.03 - gap_at(x) / 2)
    upper = np.stack([np.broadcast_to(x, upper_y.shape), upper_y], -1)
    open_ = gap_at(x) > 0
    first = np.arange(57 * 13).reshape(13, 57)
    second = first + 57 * 13
    second[0, ~open_] = first[0, ~open_]  # beyond the corners the sides hang together
    flat = np.concatenate([upper.reshape(-1, 2), (upper * [1, -1]).reshape(-1, 2)])

    def cells(index: np.ndarray) -> np.ndarray:
        quads = (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1])
        return ict.triangulate(np.stack([q.ravel() for q in quads], 1))

    triangles = np.concatenate([cells(first), cells(second)[:, ::-1]])
    used, triangles = np.unique(triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3)  # flat before numpy 2
    vertices = np.column_stack([flat, np.full(len(flat), DEPTH)])[used]
    basis = np.zeros((158, len(used), 3))
    basis[0] = vertices
    basis[1, vertices[:, 1] > 0, 1] = 0.001
    loop = ict.boundary_loops(triangles)[0]
    texture = np.stack([0.5 + 5 * vertices[:, 0], 0.5 - 5 * vertices[:, 1]], 1)
    return Template(
        basis=basis, triangles=triangles, uv=texture,
        uv_triangles=triangles, part=np.zeros(len(triangles), dtype=int),
        part_names=("head",), regions={}, mirror=np.arange(len(used)),
        rims={"lips": loop, "eye_L": loop, "eye_R": loop}, eye_ring=np.zeros((0, 1), dtype=int),
    )  # fmt: skip


class TestSeam:
    def test_slit_parts_upper_from_lower(self, mouth: Template) -> None:
        slit = seams.slit_of(mouth, "lips")
        y = mouth.basis[0][:, 1]
        assert (slit.left, slit.right) == (pytest.approx(-HALF_WIDTH), pytest.approx(HALF_WIDTH))
        assert (y[slit.upper] > 0).all() and (y[slit.lower] <= 1e-12).all()
        assert slit.upper.sum() > 200 and not slit.upper[y > 0.022].any()  # out of reach

    def test_gap_is_measured_along_the_slit(self, mouth: Template) -> None:
        slit = seams.slit_of(mouth, "lips")
        seam = seams.find_seam(mouth, mouth.basis[0], slit)
        assert len(seam.x) > 150 and (np.diff(seam.x) > 0).all()
        assert_allclose(seam.upper_weight.sum(1), 1.0)
        top, bottom = seam.points(mouth.basis[0])
        assert_allclose(top[:, 0], seam.x, atol=2 * seams.PIXEL)
        assert_allclose(top[:, 1], gap_at(seam.x) / 2, atol=2 * seams.PIXEL)
        assert_allclose(bottom[:, 1], -gap_at(seam.x) / 2, atol=2 * seams.PIXEL)
        assert_allclose(
            seam.gap(mouth.basis[0])[:, 1], gap_at(seam.x), atol=2 * seams.PIXEL + 0.02 * GAP
        )
        inside = np.abs(seam.x) < 0.015
        assert_allclose(seam.gap(mouth.basis[1])[inside, 1], 0.001, atol=2e-5)

    def test_lips_are_closed_evenly_from_both_sides(self, mouth: Template) -> None:
        basis, numbers = seams.close_lips(mouth)
        assert numbers["lip_gap_before_mm"] == pytest.approx(1000 * GAP, rel=0.1)
        assert numbers["lip_gap_mm"] < 0.15 * 1000 * GAP
        slit = seams.slit_of(mouth, "lips")
        seam = seams.find_seam(mouth, mouth.basis[0], slit)
        middle = np.abs(seam.x) < 0.012
        before, after = seam.gap(mouth.basis[1])[:, 1], seam.gap(basis[1])[:, 1]
        assert np.abs(after[middle]).max() < 0.1 * np.abs(before[middle]).max()
        moved = basis[0] - mouth.basis[0]
        assert moved[slit.upper, 1].min() == pytest.approx(-GAP / 2, rel=0.1)
        assert moved[slit.lower, 1].max() == pytest.approx(GAP / 2, rel=0.1)
        assert (moved[:, [0, 2]] == 0).all() and (basis[101:] == 0).all()
        far = np.abs(mouth.basis[0][:, 1]) > 0.025
        assert (moved[far] == 0).all()
        assert (mouth.basis[0][:, 1].max(), mouth.basis[1].max()) == (0.03, 0.001)  # a copy

    def test_only_the_upper_lid_comes_down(self, mouth: Template) -> None:
        mean, expression = mouth.basis[0], np.zeros((52, len(mouth.basis[0]), 3))
        closed, numbers = seams.close_lids(mean, expression, mouth)
        assert numbers["eyeBlinkLeft_gap_before_mm"] == pytest.approx(1000 * GAP, rel=0.1)
        assert numbers["eyeBlinkLeft_gap_mm"] < 0.1 < numbers["eyeBlinkRight_gap_before_mm"]
        blinks = [ARKIT_NAMES.index(n) for n in ("eyeBlinkLeft", "eyeBlinkRight")]
        others = np.delete(np.arange(52), blinks)
        assert (closed[others] == 0).all() and (expression == 0).all()
        assert (closed[blinks][:, mean[:, 1] <= 0] == 0).all()
        assert closed[blinks].min() < -0.9 * GAP and closed[blinks].max() == 0

    def test_a_shut_slit_is_left_alone(self, mouth: Template) -> None:
        basis, _ = seams.close_lips(mouth)
        again, numbers = seams.close_lips(replace(mouth, basis=basis))
        assert numbers["lip_gap_before_mm"] < 0.15 * 1000 * GAP
        assert np.abs(again[0] - basis[0]).max() < 0.15 * GAP


class TestDepth:
    def test_nearest_triangle_wins(self) -> None:
        near = np.array([[2.0, 2.0, 5.0], [9.3, 2.0, 5.0], [2.0, 9.3, 5.0]])
        far = np.array([[0.0, 0.0, 1.0], [20.3, 0.0, 1.0], [0.0, 20.3, 3.0]])
        points, triangles = np.concatenate([far, near]), np.arange(6).reshape(2, 3)
        for order in ([0, 1], [1, 0]):
            depth, index = depth_and_triangle(points, triangles[order], 24)
            assert depth.shape == index.shape == (24, 24)
            assert order[index[3, 3]] == 1 and depth[3, 3] == 5
            assert order[index[15, 1]] == 0 and depth[15, 1] == pytest.approx(1 + 2 * 15.5 / 20.3)
            assert index[20, 20] == -1 and depth[20, 20] == -1e9
        backwards, _ = depth_and_triangle(points, triangles[:, ::-1], 24)
        assert_allclose(backwards, depth_and_triangle(points, triangles, 24)[0])


class TestVisibility:
    def seen(self, *meshes: trimesh.Trimesh) -> list[np.ndarray]:
        """Ambient visibility of each mesh's vertices among all of them."""
        scene = trimesh.util.concatenate(meshes)
        value = ambient_visibility(
            np.array(scene.vertices), np.array(scene.faces, dtype=np.int64), size=200
        )
        assert value.min() >= 0 and value.max() <= 1 + 1e-9
        return np.split(value, np.cumsum([len(m.vertices) for m in meshes])[:-1])

    def test_a_convex_body_sees_everything(self) -> None:
        ball = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
        (open_,) = self.seen(ball)
        assert open_.min() > 0.97

    @pytest.mark.parametrize("subdivisions", [1, 3])
    def test_a_cube_in_a_shell_sees_nothing(self, subdivisions: int) -> None:
        cube = trimesh.creation.box((0.05, 0.05, 0.05)).subdivide()
        shell = trimesh.creation.icosphere(subdivisions=subdivisions, radius=0.12)
        inside, outside = self.seen(cube, shell)
        assert inside.max() < 0.01 and outside.min() > 0.9

    def test_a_cube_in_a_box_without_a_lid(self) -> None:
        cube = trimesh.creation.box((0.03, 0.03, 0.03)).subdivide()
        box = trimesh.creation.box((0.1, 0.1, 0.1)).subdivide()
        box.update_faces(box.triangles_center[:, 1] < 0.0499)
        box.remove_unreferenced_vertices()
        (value, _), y = self.seen(cube, box), cube.vertices[:, 1]
        top, bottom = value[y > 0.0149].mean(), value[y < -0.0149].mean()
        assert 0.05 < bottom + 0.05 < top < 0.9

    @pytest.mark.parametrize("opening", [30, 45, 60])
    def test_a_hole_in_the_sky(self, opening: float) -> None:
        """A patch in the middle of a globe that is open around +Z sees sin^2 of the opening."""
        patch = trimesh.creation.box((0.02, 0.02, 0.0002)).subdivide().subdivide()
        globe = trimesh.creation.uv_sphere(radius=0.1, count=[61, 40])
        polar = np.degrees(np.arccos(globe.triangles_center[:, 2] / 0.1))
        globe.update_faces(polar > opening)
        globe.remove_unreferenced_vertices()
        value, _ = self.seen(patch, globe)
        middle = np.linalg.norm(patch.vertices - [0, 0, 0.0001], axis=1) < 1e-9
        assert middle.sum() == 1
        assert value[middle][0] == pytest.approx(np.sin(np.radians(opening)) ** 2, abs=0.04)
