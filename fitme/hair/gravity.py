"""Which way hair hangs in a photo of a tilted head, whose own axis is not the world's."""

from __future__ import annotations

import math

from fitme.render.camera import Camera

Down = tuple[float, float, float]

UPRIGHT: Down = (0.0, -1.0, 0.0)
LEAST = 5.0  # degrees of tilt from which hair hangs otherwise
NOD = 0.5  # share of nodding that is the head's and not the camera's


def down_of(camera: Camera) -> Down:
    """The unit direction in which hair falls in the head's frame, for a camera of batch 1 that is
    held upright."""
    x, y, z = (float(value) for value in camera.world_to_camera[0, 1, :3])
    z *= NOD
    size = math.sqrt(x * x + y * y + z * z)
    if size < 1e-6 or -y / size > math.cos(math.radians(LEAST)) or y >= 0:
        return UPRIGHT
    return round(x / size, 3), round(y / size, 3), round(z / size, 3)
