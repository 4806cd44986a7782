from __future__ import annotations

import numpy as np
import pytest

from fitme.export.frames import corner_tangents, split_corners, vertex_normals
from tests.export.export_meshes import uv_sphere


def quad(uv):
    """A unit square in the xy plane that faces +Z, with texture coordinates uv [4,2]."""
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    corners = split_corners(triangles, uv, triangles)
    normals = vertex_normals(vertices, triangles)
    return corners, normals, corner_tangents(corners, vertices, normals, uv)


UPRIGHT = np.array([[0.0, 1], [1, 1], [1, 0], [0, 0]])  # the top of the image at the top


class TestTangents:
    def test_upright_image(self):
        _, normals, tangents = quad(UPRIGHT)
        np.testing.assert_allclose(normals, [[0.0, 0, 1]] * 4, atol=1e-12)
        np.testing.assert_allclose(tangents, [[1.0, 0, 0, 1]] * 4, atol=1e-12)

    def test_mirrored_image(self):
        _, _, tangents = quad(UPRIGHT * (-1, 1) + (1, 0))
        np.testing.assert_allclose(tangents, [[-1.0, 0, 0, -1]] * 4, atol=1e-12)

    def test_bitangent_points_up_in_the_image(self):
        turned = UPRIGHT[[3, 0, 1, 2]]  # the image turned by a quarter
        _, normals, tangents = quad(turned)
        bitangent = np.cross(normals, tangents[:, :3]) * tangents[:, 3:]
        # u grows along -y (vertex 3 to 0 ...): find both directions from the coordinates
        gradient_v = np.linalg.lstsq(
            np.array([[0.0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]), turned[:, 1], rcond=None
        )[0][:2]
        np.testing.assert_allclose(bitangent[:, :2], [-gradient_v] * 4, atol=1e-9)

    def test_sphere_is_unit_and_at_right_angles(self):
        vertices, triangles, uv, uv_triangles = uv_sphere()
        corners = split_corners(triangles, uv, uv_triangles)
        normals = vertex_normals(vertices, triangles)
        tangents = corner_tangents(corners, vertices, normals, uv)
        np.testing.assert_allclose(np.linalg.norm(tangents[:, :3], axis=1), 1.0, atol=1e-12)
        along_normal = (tangents[:, :3] * normals[corners.vertex]).sum(1)
        np.testing.assert_allclose(along_normal, 0.0, atol=1e-12)
        assert set(tangents[:, 3]) == {1.0}
        # u runs around +Y: at the front (+Z) the tangent is +X.
        front = np.argmax(vertices[corners.vertex][:, 2])
        np.testing.assert_allclose(tangents[front, :3], [1.0, 0.0, 0.0], atol=1e-2)

    def test_angles_are_the_weights(self):
        # Seen from +Z, two triangles meet at vertex 0 with 90 and 45 degrees; the texture of the
        # second is turned so that u grows along +Y there.
        vertices = np.array([[0.0, 0, 0], [2, 0, 0], [0, 1, 0], [-1, 1, 0]])
        triangles = np.array([[0, 1, 2], [0, 2, 3]])
        uv = np.array([[0.0, 0], [2, 0], [0, -1], [1, 0], [1, 1]])
        uv_triangles = np.array([[0, 1, 2], [0, 3, 4]])
        uv[4] = (1.0, -1.0)
        corners = split_corners(triangles, uv, uv_triangles)
        normals = vertex_normals(vertices, triangles)
        tangents = corner_tangents(corners, vertices, normals, uv)
        wanted = np.array([90.0, 45.0, 0.0]) / np.hypot(90.0, 45.0)
        np.testing.assert_allclose(tangents[0, :3], wanted, atol=1e-12)

    def test_texture_without_area_gives_something_valid(self):
        _, normals, tangents = quad(np.zeros((4, 2)))
        np.testing.assert_allclose(np.linalg.norm(tangents[:, :3], axis=1), 1.0)
        np.testing.assert_allclose((tangents[:, :3] * normals).sum(1), 0.0, atol=1e-12)
        assert set(tangents[:, 3]) == {1.0}


class TestSplit:
    def test_seam_and_poles_only(self):
        vertices, triangles, uv, uv_triangles = uv_sphere(columns=24, rows=16)
        corners = split_corners(triangles, uv, uv_triangles)
        assert len(corners.vertex) == len(vertices) + 15 + 2 * 23
        np.testing.assert_array_equal(corners.vertex[: len(vertices)], np.arange(len(vertices)))
        np.testing.assert_array_equal(corners.vertex[corners.triangles], triangles)
        np.testing.assert_array_equal(corners.uv[corners.triangles], uv_triangles)

    def test_mirrored_halves_that_share_coordinates_are_split(self):
        triangles = np.array([[0, 1, 2], [0, 3, 1]])  # two triangles on either side of edge 0-1
        uv = np.array([[0.0, 0], [0, 1], [1, 0], [1, 0]])
        corners = split_corners(triangles, uv, triangles)
        assert len(corners.vertex) == 6
        assert sorted(corners.handedness) == [-1.0] * 3 + [1.0] * 3

    def test_unused_vertices_and_thin_triangles_go(self):
        triangles = np.array([[1, 3, 5], [1, 1, 5]])
        corners = split_corners(triangles, None, None)
        np.testing.assert_array_equal(corners.vertex, [1, 3, 5])
        np.testing.assert_array_equal(corners.triangles, [[0, 1, 2]])

    def test_nothing_left(self):
        corners = split_corners(np.zeros((2, 3), int), None, None)
        assert corners.triangles.shape == (0, 3) and len(corners.vertex) == 0


class TestNormals:
    def test_sphere(self):
        vertices, triangles, _, _ = uv_sphere(48, 32)
        normals = vertex_normals(vertices, triangles)
        cosine = (normals * vertices).sum(1) / np.linalg.norm(vertices, axis=1)
        assert cosine.min() > 0.999

    def test_no_area(self):
        normals = vertex_normals(np.zeros((4, 3)), np.array([[0, 1, 2]]))
        assert normals.tolist() == [[0.0, 0.0, 1.0]] * 4


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
def test_scale_does_not_matter(scale):
    vertices, triangles, uv, uv_triangles = uv_sphere()
    corners = split_corners(triangles, uv, uv_triangles)

    def tangents(size):
        points = vertices * size
        return corner_tangents(corners, points, vertex_normals(points, triangles), uv)

    np.testing.assert_allclose(tangents(scale), tangents(1.0), atol=1e-9)
