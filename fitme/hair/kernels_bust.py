"""Numba kernel that draws the depth of the bust."""

from __future__ import annotations

from fitme.render.backends.cpu.compile import kernel


@kernel
def nearest_balls(points, radius, matrix, intrinsics, depth):
    """Lower depth [H,W] to the camera z of balls [N,3] of `radius` metres, as flat discs."""
    height, width = depth.shape
    for n in range(points.shape[0]):
        px, py, pz = points[n, 0], points[n, 1], points[n, 2]
        cx = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * pz + matrix[0, 3]
        cy = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * pz + matrix[1, 3]
        z = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * pz + matrix[2, 3]
        if z < 0.05:
            continue
        x = intrinsics[0, 0] * cx / z + intrinsics[0, 2]
        y = intrinsics[1, 1] * cy / z + intrinsics[1, 2]
        half = radius * intrinsics[0, 0] / z
        for row in range(max(int(y - half), 0), min(int(y + half) + 1, height)):
            for column in range(max(int(x - half), 0), min(int(x + half) + 1, width)):
                if z < depth[row, column]:
                    depth[row, column] = z
