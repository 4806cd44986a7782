"""Ambient visibility and radiance transfer of the template's vertices, so that cavities need no
dark albedo and light from above leaves the throat in shade."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from fitme.models.train.rims import vertex_normals
from fitme.render.backends.cpu.compile import compiled
from fitme.render.light import COSINE, band_scale, sh_basis

# Of the harmonics, when left and right change places
ODD = np.array([1, 1, 1, -1, -1, 1, 1, -1, 1])


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


def unblocked(
    vertices: np.ndarray, triangles: np.ndarray, directions: int, size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each of a Fibonacci sphere of directions: the unit vector [3], its cosine with the
    vertices' normals, 0 from behind, [V], and whether nothing lies in its way, [V] bool.

    Depth buffers of `size` cells; the bias is two of them.
    """
    normals = vertex_normals(vertices, triangles)
    index = np.arange(directions) + 0.5
    polar, turn = np.arccos(1 - 2 * index / directions), np.pi * (1 + 5**0.5) * index
    rays = np.stack([np.cos(turn) * np.sin(polar), np.cos(polar), np.sin(turn) * np.sin(polar)], 1)
    extent = np.linalg.norm(vertices - vertices.mean(0), axis=1).max() * 2.05
    cell = extent / size
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
        yield ray, np.clip(normals @ ray, 0, None), probe[:, 2] > buffer[y, x] - 2.0


def ambient_visibility(
    vertices: np.ndarray, triangles: np.ndarray, *, directions: int = 256, size: int = 700
) -> np.ndarray:
    """Cosine-weighted share of unblocked directions over each vertex, [V] in 0..1."""
    seen, total = np.zeros(len(vertices)), np.zeros(len(vertices))
    for _, cosine, free in unblocked(vertices, triangles, directions, size):
        seen += cosine * free
        total += cosine
    return seen / np.maximum(total, 1e-12)


def transfer(
    vertices: np.ndarray, triangles: np.ndarray, *, directions: int = 1024, size: int = 900
) -> np.ndarray:
    """What a white vertex reflects of each harmonic of the light, [2,V,9]: the cosine over pi times
    the harmonic, over the directions that nothing lies in the way of, and over all of them.

    Source: P.-P. Sloan, J. Kautz, J. Snyder, "Precomputed Radiance Transfer for Real-Time
    Rendering in Dynamic, Low-Frequency Lighting Environments", SIGGRAPH 2002, diffuse shadowed
    transfer. Sums are scaled so that a vertex that nothing shades has the ones of `sh_diffuse`.
    """
    got, open_ = np.zeros((len(vertices), 9)), np.zeros((len(vertices), 9))
    for ray, cosine, free in unblocked(vertices, triangles, directions, size):
        basis = sh_basis(torch.from_numpy(ray)).numpy()
        got += (cosine * free)[:, None] * basis
        open_ += cosine[:, None] * basis
    weight = 4 / directions  # of a direction's solid angle over pi
    normals = torch.from_numpy(vertex_normals(vertices, triangles))
    exact = (sh_basis(normals) * band_scale(COSINE, normals)).numpy()
    share = got[:, :1] / np.maximum(open_[:, :1], 1e-12)
    return np.stack([got * weight + (exact - open_ * weight) * share, exact])


def symmetric(transferred: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """The mean of a transfer [2,V,9] and its mirror image."""
    return 0.5 * (transferred + transferred[:, mirror] * ODD)
