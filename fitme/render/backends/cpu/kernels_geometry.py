"""Numba kernels that sum triangle vectors into vertices and normalise. Serial: they are short,
and the order of the sums stays fixed."""

from __future__ import annotations

import numpy as np

from fitme.render.backends.cpu.compile import kernel


@kernel
def sum_normals(vertices, tri, out):
    """vertices [V,3] -> out [V,3], starting at zero, sums of (b-a) x (c-a)."""
    for t in range(tri.shape[0]):
        i, j, k = tri[t, 0], tri[t, 1], tri[t, 2]
        ax, ay, az = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        bx, by, bz = vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az
        cx, cy, cz = vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az
        x, y, z = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
        for corner in (i, j, k):
            out[corner, 0] += x
            out[corner, 1] += y
            out[corner, 2] += z


@kernel
def sum_normals_backward(vertices, tri, grad, out):
    """grad, out [V,3]; out starts at zero."""
    for t in range(tri.shape[0]):
        i, j, k = tri[t, 0], tri[t, 1], tri[t, 2]
        ax, ay, az = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        bx, by, bz = vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az
        cx, cy, cz = vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az
        gx = grad[i, 0] + grad[j, 0] + grad[k, 0]
        gy = grad[i, 1] + grad[j, 1] + grad[k, 1]
        gz = grad[i, 2] + grad[j, 2] + grad[k, 2]
        # d(b x c): c x g to b, g x b to c, minus both to a
        px, py, pz = cy * gz - cz * gy, cz * gx - cx * gz, cx * gy - cy * gx
        qx, qy, qz = gy * bz - gz * by, gz * bx - gx * bz, gx * by - gy * bx
        out[i, 0] -= px + qx
        out[i, 1] -= py + qy
        out[i, 2] -= pz + qz
        out[j, 0] += px
        out[j, 1] += py
        out[j, 2] += pz
        out[k, 0] += qx
        out[k, 1] += qy
        out[k, 2] += qz


@kernel
def sum_tangents(vertices, tri, uv_tri, weights, out):
    """weights [T,2]: out [U,3] += w0 (b-a) - w1 (c-a) for each triangle."""
    for t in range(tri.shape[0]):
        i, j, k = tri[t, 0], tri[t, 1], tri[t, 2]
        w0, w1 = weights[t, 0], weights[t, 1]
        for c in range(3):
            a = vertices[i, c]
            value = w0 * (vertices[j, c] - a) - w1 * (vertices[k, c] - a)
            out[uv_tri[t, 0], c] += value
            out[uv_tri[t, 1], c] += value
            out[uv_tri[t, 2], c] += value


@kernel
def sum_tangents_backward(tri, uv_tri, weights, grad, out):
    """grad [U,3] -> out [V,3], which starts at zero."""
    for t in range(tri.shape[0]):
        w0, w1 = weights[t, 0], weights[t, 1]
        for c in range(3):
            g = grad[uv_tri[t, 0], c] + grad[uv_tri[t, 1], c] + grad[uv_tri[t, 2], c]
            out[tri[t, 1], c] += w0 * g
            out[tri[t, 2], c] -= w1 * g
            out[tri[t, 0], c] -= (w0 - w1) * g


@kernel
def normalise(values, out):
    """Unit rows of values [N,3]; zero rows stay zero."""
    for i in range(values.shape[0]):
        x, y, z = values[i, 0], values[i, 1], values[i, 2]
        inverse = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-30)
        out[i, 0], out[i, 1], out[i, 2] = x * inverse, y * inverse, z * inverse


@kernel
def normalise_backward(values, grad, out):
    """All [N,3]."""
    for i in range(values.shape[0]):
        x, y, z = values[i, 0], values[i, 1], values[i, 2]
        inverse = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-30)
        x, y, z = x * inverse, y * inverse, z * inverse
        along = x * grad[i, 0] + y * grad[i, 1] + z * grad[i, 2]
        out[i, 0] = (grad[i, 0] - x * along) * inverse
        out[i, 1] = (grad[i, 1] - y * along) * inverse
        out[i, 2] = (grad[i, 2] - z * along) * inverse
