"""Ambient visibility of the template's vertices, so that cavities need no dark albedo."""

from __future__ import annotations

import numpy as np

from fitme.models.train.rims import vertex_normals
from fitme.render.backends.cpu.compile import compiled


@compiled
def depth_and_triangle(
    points: np.ndarray, triangles: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Orthographic depth and triangle index (-1: none), [size, size] each.

    Points [V, 3] have x and y in pixels, x along columns; larger z is nearer.
    """
    buffer = np.full((size, size), -1e9)
    index = np.full((size, size), -1)
    for t in range(triangles.shape[0]):
        a, b, c = points[triangles[t, 0]], points[triangles[t, 1]], points[triangles[t, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-12:
            continue
        for y in range(int(min(a[1], b[1], c[1])), int(max(a[1], b[1], c[1])) + 1):
            for x in range(int(min(a[0], b[0], c[0])), int(max(a[0], b[0], c[0])) + 1):
                px, py = x + 0.5, y + 0.5
                w0 = ((b[0] - px) * (c[1] - py) - (b[1] - py) * (c[0] - px)) / area
                w1 = ((c[0] - px) * (a[1] - py) - (c[1] - py) * (a[0] - px)) / area
                w2 = 1 - w0 - w1
                if w0 >= 0 and w1 >= 0 and w2 >= 0:
                    z = w0 * a[2] + w1 * b[2] + w2 * c[2]
                    if z > buffer[y, x]:
                        buffer[y, x] = z
                        index[y, x] = t
    return buffer, index


def ambient_visibility(
    vertices: np.ndarray, triangles: np.ndarray, *, directions: int = 256, size: int = 700
) -> np.ndarray:
    """Cosine-weighted share of unblocked directions over each vertex, [V] in 0..1.

    Depth buffers from a Fibonacci sphere of directions; the bias is two buffer cells.
    """
    normals = vertex_normals(vertices, triangles)
    index = np.arange(directions) + 0.5
    polar, turn = np.arccos(1 - 2 * index / directions), np.pi * (1 + 5**0.5) * index
    rays = np.stack([np.cos(turn) * np.sin(polar), np.cos(polar), np.sin(turn) * np.sin(polar)], 1)
    extent = np.linalg.norm(vertices - vertices.mean(0), axis=1).max() * 2.05
    cell = extent / size
    seen, total = np.zeros(len(vertices)), np.zeros(len(vertices))
    for ray in rays:
        first = np.cross(ray, [0.0, 1.0, 0.0] if abs(ray[1]) < 0.9 else [1.0, 0.0, 0.0])
        first /= np.linalg.norm(first)
        frame = np.stack([first, np.cross(ray, first), ray], 1)
        local = (vertices - vertices.mean(0)) @ frame / cell
        local[:, :2] += size / 2
        buffer, _ = depth_and_triangle(local, triangles, size)
        # Compare a little above the surface, so that a vertex does not block itself.
        probe = local + (normals @ frame) * 1.5
        x, y = probe[:, 0].astype(int), probe[:, 1].astype(int)
        free = probe[:, 2] > buffer[y, x] - 2.0
        cosine = np.clip(normals @ ray, 0, None)
        seen += cosine * free
        total += cosine
    return seen / np.maximum(total, 1e-12)
