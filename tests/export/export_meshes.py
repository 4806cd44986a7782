"""Meshes made by code for the tests of the exporters."""

from __future__ import annotations

import numpy as np

from fitme.export.mesh import ExportMaterial, ExportMesh
from fitme.image.png import encode_png


def uv_sphere(columns=24, rows=16, radius=0.1, center=(0.0, 0.0, 0.0)):
    """(vertices [V,3], triangles [T,3], uv [U,2], uv_triangles [T,3]) of a sphere.

    Unsplit: the seam (at -Z, the back) and the poles exist once in vertices and several times
    in uv. u grows to the viewer's right seen from +Z, v grows downwards.
    """
    polar = np.linspace(0.0, np.pi, rows + 1)[1:-1]
    turn = 2.0 * np.pi * np.arange(columns) / columns - np.pi  # 0 = the front
    ring = np.stack(
        [
            np.sin(polar)[:, None] * np.sin(turn),
            np.cos(polar)[:, None] * np.ones(columns),
            np.sin(polar)[:, None] * np.cos(turn),
        ],
        axis=-1,
    )
    vertices = np.concatenate([[[0.0, 1.0, 0.0]], ring.reshape(-1, 3), [[0.0, -1.0, 0.0]]])
    u, v = np.meshgrid(np.arange(columns + 1) / columns, np.arange(rows + 1) / rows)
    u[0] += 0.5 / columns
    u[-1] += 0.5 / columns
    uv = np.stack([u, v], axis=-1).reshape(-1, 2)

    def vertex(row, column):
        if row == 0:
            return 0
        return len(vertices) - 1 if row == rows else 1 + (row - 1) * columns + column % columns

    triangles, uv_triangles = [], []
    for row in range(rows):
        for column in range(columns):
            quad = [(row, column), (row + 1, column), (row + 1, column + 1), (row, column + 1)]
            for corners in ((0, 1, 2), (0, 2, 3)):
                picked = [quad[k] for k in corners]
                indices = [vertex(*p) for p in picked]
                if len(set(indices)) == 3:
                    triangles.append(indices)
                    uv_triangles.append([r * (columns + 1) + c for r, c in picked])
    vertices = vertices * radius + np.asarray(center)
    return vertices, np.array(triangles), uv, np.array(uv_triangles)


def textured_material(name="skin", size=8, seed=0):
    random = np.random.default_rng(seed)

    def picture():
        return encode_png(random.integers(0, 256, (size, size, 3), dtype=np.uint8))

    flat = np.full((size, size, 3), (128, 128, 255), np.uint8)
    return ExportMaterial(
        name,
        base_color=picture(),
        normal=encode_png(flat),
        metallic_roughness=picture(),
        specular_color=picture(),
        specular_color_factor=(0.7, 0.7, 0.7),
        roughness_factor=1.0,
    )


def head(columns=24, rows=16, material=None):
    """An ellipsoid 0.16 x 0.24 x 0.2 m with a nose at +Z and three morph targets."""
    vertices, triangles, uv, uv_triangles = uv_sphere(columns, rows, radius=0.1)
    front = np.exp(-((vertices - (0.0, 0.0, 0.1)) ** 2).sum(1) / 0.03**2)
    vertices = vertices * (0.8, 1.2, 1.0)
    vertices[:, 2] += 0.02 * front
    low = (vertices[:, 1] < -0.03) & (vertices[:, 2] > 0.0)
    left = (vertices[:, 0] > 0.02) & (vertices[:, 2] > 0.03) & (vertices[:, 1] > 0.0)
    zero = np.zeros_like(vertices)
    targets = {
        "jawOpen": np.where(low[:, None], (0.0, -0.02, 0.0), zero),
        "eyeBlinkLeft": np.where(left[:, None], (0.0, -0.005, 0.001), zero),
        "tongueOut": zero,
    }
    return ExportMesh(
        "head",
        vertices,
        triangles,
        material or textured_material(),
        uv,
        uv_triangles,
        morph_targets=targets,
    )


def eye(side, material=None):
    center = (0.03 if side == "L" else -0.03, 0.02, 0.085)
    vertices, triangles, uv, uv_triangles = uv_sphere(12, 8, radius=0.012, center=center)
    name = f"eye_{side}"
    material = material or textured_material("eye", seed=1)
    return ExportMesh(name, vertices, triangles, material, uv, uv_triangles, pivot=center)


def avatar():
    return [head(), eye("L"), eye("R")]
