"""Numba kernel that draws strands as silhouettes."""

from __future__ import annotations

import math

from fitme.render.backends.cpu.compile import kernel

LEAST = 0.5  # pixels: thinner strands cover as wide a line, less of it


@kernel
def splat(points, half_width, matrix, intrinsics, depth, bias, opacity, left, nearest, course):
    """Draw N strands of K points [N,K,3] with half-widths [N,K] metres into left [H,W] (what is
    still seen behind them; 1 at first), nearest [H,W] (camera z; inf at first) and course [H,W,2]
    (cosine and sine of twice the angle of the nearest one); depth [H,W] hides what lies `bias`
    metres behind it."""
    height, width = depth.shape
    focal = 0.5 * (intrinsics[0, 0] + intrinsics[1, 1])
    for n in range(points.shape[0]):
        x0 = y0 = z0 = 0.0
        for k in range(points.shape[1]):
            px, py, pz = points[n, k, 0], points[n, k, 1], points[n, k, 2]
            cx = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * pz + matrix[0, 3]
            cy = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * pz + matrix[1, 3]
            z1 = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * pz + matrix[2, 3]
            z1 = max(z1, 0.05)
            x1 = intrinsics[0, 0] * cx / z1 + intrinsics[0, 2]
            y1 = intrinsics[1, 1] * cy / z1 + intrinsics[1, 2]
            if k > 0:
                dx, dy = x1 - x0, y1 - y0
                long = math.sqrt(dx * dx + dy * dy)
                square = dx * dx + dy * dy + 1e-9
                half = half_width[n, k] * focal / z1
                cover = opacity * min(1.0, half / LEAST)
                half = max(half, LEAST)
                steps = max(1, math.ceil(long))
                # each step covers its share of the line once
                own = 1 - (1 - cover) ** (long / steps / max(2 * half, 1.0))
                for s in range(steps):
                    t = (s + 0.5) / steps
                    x, y, z = x0 + t * dx, y0 + t * dy, z0 + t * (z1 - z0)
                    first, last = max(math.ceil(y - half - 0.5), 0), math.floor(y + half - 0.5)
                    if last < first:
                        first = last = math.floor(y)
                    for row in range(max(first, 0), min(last + 1, height)):
                        left_x = max(math.ceil(x - half - 0.5), 0)
                        right_x = math.floor(x + half - 0.5)
                        if right_x < left_x:
                            left_x = right_x = math.floor(x)
                        for column in range(max(left_x, 0), min(right_x + 1, width)):
                            if z > depth[row, column] + bias:
                                continue
                            left[row, column] *= 1 - own
                            if z < nearest[row, column]:
                                nearest[row, column] = z
                                course[row, column, 0] = (dx * dx - dy * dy) / square
                                course[row, column, 1] = 2 * dx * dy / square
            x0, y0, z0 = x1, y1, z1
