"""Which way hair hangs in a photo of a tilted head, whose own axis is not the world's."""

from __future__ import annotations

import math

from fitme.render.camera import Camera

Down = tuple[float, float, float]

UPRIGHT: Down = (0.0, -1.0, 0.0)
LEAST = 5.0  # degrees of tilt from which hair hangs otherwise


def down_of(camera: Camera) -> Down:
    """The unit direction in which hair falls in the head's frame, for a camera of batch 1 that is
    held upright. Only tilts to a side count: nods are told no better than how the camera stood."""
    x, y = (float(value) for value in camera.world_to_camera[0, 1, :2])
    size = math.hypot(x, y)
    if y >= 0 or -y / size > math.cos(math.radians(LEAST)):
        return UPRIGHT
    return round(x / size, 3), round(y / size, 3), 0.0
