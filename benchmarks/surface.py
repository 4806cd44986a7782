"""Points of a surface dense enough to stand for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class DenseSurface:
    """Points [M,3] of a mesh with its unit normals there [M,3]."""

    points: np.ndarray
    normals: np.ndarray
    tree: cKDTree

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest points and their normals, [N,3] each."""
        _, index = self.tree.query(points)
        return self.points[index], self.normals[index]


def dense_surface(vertices: np.ndarray, triangles: np.ndarray, spacing: float) -> DenseSurface:
    """One point for about `spacing` squared metres of the mesh; normals are smooth."""
    mesh = trimesh.Trimesh(vertices, triangles, process=False)
    count = int(mesh.area / spacing**2)
    points, face = trimesh.sample.sample_surface(mesh, count, seed=0)
    weight = trimesh.triangles.points_to_barycentric(mesh.triangles[face], points)
    normals = (weight[..., None] * mesh.vertex_normals[mesh.faces[face]]).sum(1)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9)
    return DenseSurface(points, normals, cKDTree(points))


def vertex_areas(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """A third of the triangles around each vertex, [V] square metres."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return np.bincount(triangles.ravel(), np.repeat(area, 3), len(vertices))
