"""Numba kernel of rays that go into a closed surface and come out again."""

from __future__ import annotations

import math

from fitme.render.backends.cpu.compile import kernel


@kernel
def distances_inside(origins, rays, corners, starts, members, low, cell, counts, farthest, out):
    """Distance [N,K] from origins [N,3] along unit rays [N,K,3] to the first triangle that is met
    from behind, `farthest` where there is none as near.

    corners [T,3,3]; a grid of `counts` [3] cells of side `cell` from `low` [3] on holds in cell c
    the triangles members[starts[c]:starts[c + 1]].
    """
    for n in range(origins.shape[0]):
        for k in range(rays.shape[1]):
            best = farthest
            last = -1
            steps = int(farthest / (0.4 * cell)) + 1
            for s in range(steps + 1):
                away = s * 0.4 * cell
                if away > best + cell:
                    break
                c = 0
                inside = True
                for axis in range(3):
                    at = origins[n, axis] + away * rays[n, k, axis] - low[axis]
                    index = math.floor(at / cell)
                    if index < 0 or index >= counts[axis]:
                        inside = False
                        break
                    c = c * counts[axis] + index
                if not inside or c == last:
                    continue
                last = c
                for m in range(starts[c], starts[c + 1]):
                    t = _crossing(origins, rays, n, k, corners[members[m]])
                    if t < best:
                        best = t
            out[n, k] = best


@kernel
def _crossing(origins, rays, n, k, triangle):
    """Distance along a ray to a triangle [3,3] that it leaves through (Moller and Trumbore 1997);
    infinite where it does not."""
    dx, dy, dz = rays[n, k, 0], rays[n, k, 1], rays[n, k, 2]
    ax, ay, az = triangle[0, 0], triangle[0, 1], triangle[0, 2]
    ex, ey, ez = triangle[1, 0] - ax, triangle[1, 1] - ay, triangle[1, 2] - az
    fx, fy, fz = triangle[2, 0] - ax, triangle[2, 1] - ay, triangle[2, 2] - az
    px, py, pz = dy * fz - dz * fy, dz * fx - dx * fz, dx * fy - dy * fx
    det = ex * px + ey * py + ez * pz
    if det >= -1e-12:  # it comes in through this one, or along it
        return math.inf
    sx, sy, sz = origins[n, 0] - ax, origins[n, 1] - ay, origins[n, 2] - az
    u = (sx * px + sy * py + sz * pz) / det
    if u < 0 or u > 1:
        return math.inf
    qx, qy, qz = sy * ez - sz * ey, sz * ex - sx * ez, sx * ey - sy * ex
    v = (dx * qx + dy * qy + dz * qz) / det
    if v < 0 or u + v > 1:
        return math.inf
    t = (fx * qx + fy * qy + fz * qz) / det
    return t if t > 1e-6 else math.inf
