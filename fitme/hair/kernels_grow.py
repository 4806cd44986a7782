"""Numba kernels that grow strands step by step over the signed distance grid of the head."""

from __future__ import annotations

import math

import numpy as np

from fitme.render.backends.cpu.compile import kernel

MOST_STEPS = 120  # of one strand on the head
TIE_RADIUS = 0.012  # metres around a tie within which a strand is caught by it
SHOULDERS = -0.095  # metres, height below which hair meets the bust and no longer the head
SHOULDER_Z = -0.035  # metres, their ridge
FAR_FROM_TIE = 0.45  # metres of path after which a strand gives up


@kernel
def _distance(grid, low, step, x, y, z):
    """Trilinear distance, and its gradient (not normalised), at one point."""
    gx, gy, gz = (x - low[0]) / step, (y - low[1]) / step, (z - low[2]) / step
    gx = min(max(gx, 0.0), grid.shape[0] - 1.001)
    gy = min(max(gy, 0.0), grid.shape[1] - 1.001)
    gz = min(max(gz, 0.0), grid.shape[2] - 1.001)
    i, j, k = int(gx), int(gy), int(gz)
    u, v, w = gx - i, gy - j, gz - k
    c000, c001 = grid[i, j, k], grid[i, j, k + 1]
    c010, c011 = grid[i, j + 1, k], grid[i, j + 1, k + 1]
    c100, c101 = grid[i + 1, j, k], grid[i + 1, j, k + 1]
    c110, c111 = grid[i + 1, j + 1, k], grid[i + 1, j + 1, k + 1]
    a00, a01 = c000 + w * (c001 - c000), c010 + w * (c011 - c010)
    a10, a11 = c100 + w * (c101 - c100), c110 + w * (c111 - c110)
    b0, b1 = a00 + v * (a01 - a00), a10 + v * (a11 - a10)
    value = b0 + u * (b1 - b0)
    dx = b1 - b0
    dy = (1 - u) * (a01 - a00) + u * (a11 - a10)
    dz = (1 - u) * ((1 - v) * (c001 - c000) + v * (c011 - c010))
    dz += u * ((1 - v) * (c101 - c100) + v * (c111 - c110))
    return value, dx, dy, dz


@kernel
def sample_distance(points, grid, low, step, value, gradient):
    """Distance [N] and unit gradient [N,3] at points [N,3]."""
    for n in range(points.shape[0]):
        f, x, y, z = _distance(grid, low, step, points[n, 0], points[n, 1], points[n, 2])
        size = math.sqrt(x * x + y * y + z * z) + 1e-12
        value[n] = f
        gradient[n, 0], gradient[n, 1], gradient[n, 2] = x / size, y / size, z / size


@kernel
def push_out(points, least, grid, low, step):
    """Move points [N,K,3] outwards to at least `least` [N,K] metres from the head; roots stay."""
    for n in range(points.shape[0]):
        for k in range(1, points.shape[1]):
            for _ in range(2):
                f, x, y, z = _distance(
                    grid, low, step, points[n, k, 0], points[n, k, 1], points[n, k, 2]
                )
                if f >= least[n, k]:
                    break
                size = math.sqrt(x * x + y * y + z * z) + 1e-12
                by = (least[n, k] - f) / size
                points[n, k, 0] += by * x
                points[n, k, 1] += by * y
                points[n, k, 2] += by * z


@kernel
def grow_strands(
    root, comb, length, height, bend, gravity, down, hold, hem, turn, rise,
    tie, ties, tails, disc, reach, grid, low, step, out,
):  # fmt: skip
    """Paths of N strands, resampled by arc length into out [N,K,3].

    root, comb [N,3]: where each starts and along what; length [N] metres; height [N] metres above
    the skin that it comes to lie at, after about `rise` [N] metres; bend [N,3] per metre: turned
    by towards its lie; gravity, hold [N]: how fast it falls along down [3] (per metre) and how much
    of the way back to the head a flying strand is drawn (per step); hem [N]: height below which it
    is cut;
    turn [N,3] per metre: what else pulls. tie [N]: -1, or the row of ties [M,3] it is drawn to,
    whence it follows tails [M,G,P,3] (G lines of P points; disc [N,4]: line, two offsets in
    metres, 0) over its share reach [N].
    """
    count, points = out.shape[0], out.shape[1]
    lines = tails.shape[2]
    path = np.empty((MOST_STEPS + lines + 2, 3), np.float64)
    along = np.empty(MOST_STEPS + lines + 2, np.float64)
    for n in range(count):
        px, py, pz = float(root[n, 0]), float(root[n, 1]), float(root[n, 2])
        dx, dy, dz = float(comb[n, 0]), float(comb[n, 1]), float(comb[n, 2])
        tied = tie[n] >= 0
        total = FAR_FROM_TIE if tied else float(length[n])
        steps = min(max(int(total / 0.004) + 1, 8), MOST_STEPS)
        ds = total / steps
        path[0, 0], path[0, 1], path[0, 2] = px, py, pz
        used = 1
        caught = False
        for s in range(steps):
            arc = (s + 1) * ds
            fade = math.exp(-arc / 0.05)
            ax = bend[n, 0] * fade + turn[n, 0] + gravity[n] * down[0]
            ay = bend[n, 1] * fade + turn[n, 1] + gravity[n] * down[1]
            az = bend[n, 2] * fade + turn[n, 2] + gravity[n] * down[2]
            if tied:
                tx, ty, tz = ties[tie[n], 0] - px, ties[tie[n], 1] - py, ties[tie[n], 2] - pz
                far = math.sqrt(tx * tx + ty * ty + tz * tz) + 1e-9
                if far < max(TIE_RADIUS, ds):
                    caught = True
                    break
                pull = 60.0 + 0.6 / far
                ax, ay, az = tx / far * pull, ty / far * pull, tz / far * pull
            dx, dy, dz = dx + ax * ds, dy + ay * ds, dz + az * ds
            size = math.sqrt(dx * dx + dy * dy + dz * dz) + 1e-12
            dx, dy, dz = dx / size, dy / size, dz / size
            qx, qy, qz = px + dx * ds, py + dy * ds, pz + dz * ds
            f, nx, ny, nz = _distance(grid, low, step, qx, qy, qz)
            size = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
            nx, ny, nz = nx / size, ny / size, nz / size
            share = 1.0
            if qy < SHOULDERS:
                forward = qz > SHOULDER_Z - (0.03 if turn[n, 2] > 0 else -0.03)
                # hair slides off a shoulder to the front or to the back, not over its end
                ax, ay, az = 0.25 * nx, 0.3 * ny, nz + (0.9 if forward else -0.9)
                size = math.sqrt(ax * ax + ay * ay + az * az) + 1e-12
                ax, ay, az = ax / size, ay / size, az / size
                share = max(0.35, ax * nx + ay * ny + az * nz)
                nx, ny, nz = ax, ay, az
            wanted = 0.0006 + height[n] * (1 - math.exp(-arc / rise[n]))
            by = 0.0
            if f < wanted:
                by = (wanted - f) / share
                if by > 0.7 * ds and f > 0:
                    by = 0.7 * ds  # rise gradually where the head is not entered
                against = dx * nx + dy * ny + dz * nz
                if against < 0:
                    dx, dy, dz = dx - against * nx, dy - against * ny, dz - against * nz
            elif f < 0.05 and hold[n] > 0 and share == 1.0:
                by = -hold[n] * min(f - wanted, ds)
                against = dx * nx + dy * ny + dz * nz
                if against > 0:
                    k = hold[n] * against
                    dx, dy, dz = dx - k * nx, dy - k * ny, dz - k * nz
            px, py, pz = qx + by * nx, qy + by * ny, qz + by * nz
            path[used, 0], path[used, 1], path[used, 2] = px, py, pz
            used += 1
            if py < hem[n]:
                break
            if tied and s > 60 and not caught and f > 0.06:
                break
        if caught:
            line = int(disc[n, 0])
            last = int(reach[n] * (lines - 1))
            for j in range(last + 1):
                for c in range(3):
                    path[used, c] = tails[tie[n], line, j, c]
                t = j / (lines - 1)
                # bound at the tie, full in the middle, thin at the end
                wide = 0.25 + 0.75 * min(1.0, t / 0.25)
                wide *= 1 - 0.75 * max(0.0, t - 0.4) / 0.6
                path[used, 0] += disc[n, 1] * wide
                path[used, 1] += disc[n, 3] * wide
                path[used, 2] += disc[n, 2] * wide
                used += 1
        along[0] = 0.0
        for j in range(1, used):
            square = 0.0
            for c in range(3):
                square += (path[j, c] - path[j - 1, c]) ** 2
            along[j] = along[j - 1] + math.sqrt(square)
        j = 0
        for k in range(points):
            at = along[used - 1] * k / (points - 1)
            while j < used - 2 and along[j + 1] < at:
                j += 1
            span = along[j + 1] - along[j]
            t = (at - along[j]) / span if span > 1e-12 else 0.0
            t = min(max(t, 0.0), 1.0)
            for c in range(3):
                out[n, k, c] = path[j, c] + t * (path[j + 1, c] - path[j, c])
