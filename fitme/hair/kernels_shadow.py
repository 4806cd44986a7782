"""Numba kernels of the hair's volume: what lies between a point and the light."""

from __future__ import annotations

import math

from fitme.render.backends.cpu.compile import kernel


@kernel
def bounds(points, low, high):
    """The smallest and largest coordinates [3] of points [N,K,3]."""
    low[:] = 1e9
    high[:] = -1e9
    for n in range(points.shape[0]):
        for k in range(points.shape[1]):
            for c in range(3):
                low[c] = min(low[c], points[n, k, c])
                high[c] = max(high[c], points[n, k, c])


@kernel
def deposit(points, half_width, low, step, density):
    """Add each segment's shadowed area per volume (1/m) to density [X,Y,Z]; points [N,K,3]."""
    scale = 1.0 / (step * step * step)
    for n in range(points.shape[0]):
        for k in range(points.shape[1] - 1):
            dx = points[n, k + 1, 0] - points[n, k, 0]
            dy = points[n, k + 1, 1] - points[n, k, 1]
            dz = points[n, k + 1, 2] - points[n, k, 2]
            long = math.sqrt(dx * dx + dy * dy + dz * dz)
            parts = min(int(long / step) + 1, 4)
            amount = long * (half_width[n, k] + half_width[n, k + 1]) * scale / parts
            for part in range(parts):
                t = (part + 0.5) / parts
                x = (points[n, k, 0] + t * dx - low[0]) / step
                y = (points[n, k, 1] + t * dy - low[1]) / step
                z = (points[n, k, 2] + t * dz - low[2]) / step
                i, j, m = math.floor(x), math.floor(y), math.floor(z)
                if i < 0 or j < 0 or m < 0:
                    continue
                if i + 1 >= density.shape[0] or j + 1 >= density.shape[1]:
                    continue
                if m + 1 >= density.shape[2]:
                    continue
                u, v, w = x - i, y - j, z - m
                for a in range(2):
                    wa = (u if a else 1 - u) * amount
                    for b in range(2):
                        wb = (v if b else 1 - v) * wa
                        density[i + a, j + b, m] += wb * (1 - w)
                        density[i + a, j + b, m + 1] += wb * w


@kernel
def sweep(density, shift_y, shift_z, path, depth):
    """Optical depth [X,Y,Z] towards a light in the direction of growing first index.

    One step along the first axis goes by shift_y, shift_z (at most 1) along the others and is
    `path` metres long; slices are filled from the light's side on.
    """
    nx, ny, nz = density.shape
    for y in range(ny):
        for z in range(nz):
            depth[nx - 1, y, z] = 0.5 * path * density[nx - 1, y, z]
    j0, k0 = math.floor(shift_y), math.floor(shift_z)
    v, w = shift_y - j0, shift_z - k0
    for i in range(nx - 2, -1, -1):
        for y in range(ny):
            for z in range(nz):
                total = 0.0
                for b in range(2):
                    yy = y + j0 + b
                    wy = v if b else 1 - v
                    if yy < 0 or yy >= ny or wy == 0:
                        continue
                    for c in range(2):
                        zz = z + k0 + c
                        wz = w if c else 1 - w
                        if zz < 0 or zz >= nz:
                            continue
                        total += (
                            wy * wz * (depth[i + 1, yy, zz] + 0.5 * path * density[i + 1, yy, zz])
                        )
                depth[i, y, z] = total + 0.5 * path * density[i, y, z]


@kernel
def lookup(grid, low, step, points, out):
    """Trilinear values of grid [X,Y,Z] at points [N,3]; 0 outside."""
    for n in range(points.shape[0]):
        x = (points[n, 0] - low[0]) / step
        y = (points[n, 1] - low[1]) / step
        z = (points[n, 2] - low[2]) / step
        i, j, k = math.floor(x), math.floor(y), math.floor(z)
        out[n] = 0.0
        if i < 0 or j < 0 or k < 0 or i + 1 >= grid.shape[0] or j + 1 >= grid.shape[1]:
            continue
        if k + 1 >= grid.shape[2]:
            continue
        u, v, w = x - i, y - j, z - k
        a = (1 - v) * ((1 - w) * grid[i, j, k] + w * grid[i, j, k + 1])
        a += v * ((1 - w) * grid[i, j + 1, k] + w * grid[i, j + 1, k + 1])
        b = (1 - v) * ((1 - w) * grid[i + 1, j, k] + w * grid[i + 1, j, k + 1])
        b += v * ((1 - w) * grid[i + 1, j + 1, k] + w * grid[i + 1, j + 1, k + 1])
        out[n] = (1 - u) * a + u * b


@kernel
def march(density, low, step, points, dx, dy, dz, start, out):
    """Optical depth [M] from points [M,3] along the unit direction (dx, dy, dz), beginning `start`
    metres away."""
    for n in range(points.shape[0]):
        x = (points[n, 0] + dx * start - low[0]) / step
        y = (points[n, 1] + dy * start - low[1]) / step
        z = (points[n, 2] + dz * start - low[2]) / step
        # where the ray enters and leaves the grid, in grid steps
        first, last = 0.0, 1e9
        for axis in range(3):
            o = x if axis == 0 else (y if axis == 1 else z)
            d = dx if axis == 0 else (dy if axis == 1 else dz)
            top = density.shape[axis] - 1.001
            if abs(d) < 1e-9:
                if o < 0 or o > top:
                    last = -1.0
                continue
            a, b = -o / d, (top - o) / d
            first, last = max(first, min(a, b)), min(last, max(a, b))
        total = 0.0
        t = first + 0.5
        while t < last:
            px, py, pz = x + t * dx, y + t * dy, z + t * dz
            i, j, k = int(px), int(py), int(pz)
            u, v, w = px - i, py - j, pz - k
            a = (1 - v) * ((1 - w) * density[i, j, k] + w * density[i, j, k + 1])
            a += v * ((1 - w) * density[i, j + 1, k] + w * density[i, j + 1, k + 1])
            b = (1 - v) * ((1 - w) * density[i + 1, j, k] + w * density[i + 1, j, k + 1])
            b += v * ((1 - w) * density[i + 1, j + 1, k] + w * density[i + 1, j + 1, k + 1])
            total += (1 - u) * a + u * b
            if total * step > 12.0:
                break
            t += 1.0
        out[n] = total * step
