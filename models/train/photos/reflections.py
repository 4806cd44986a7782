"""What lenses mirror: soft windows, a screen, sky above ground."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from fitme.models.train.photos.prop import Array

HEIGHT, WIDTH = 48, 64  # texels of the lens's box


def draw_reflection(rng: np.random.Generator, strength: float) -> Array:
    """Linear radiance [HEIGHT,WIDTH,3] that one lens adds; `strength` is about its brightest."""
    y = (np.arange(HEIGHT) + 0.5)[:, None] / HEIGHT
    x = (np.arange(WIDTH) + 0.5)[None] / WIDTH
    kind = rng.random()
    if kind < 0.4:
        glow = _windows(rng, x, y)
        tint = np.array([0.95, 1.0, 1.1]) if rng.random() < 0.5 else np.array([1.0, 0.97, 0.9])
    elif kind < 0.6:
        glow = _box(x, y, rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.65), 0.4, 0.35, 0.0)
        tint = np.array([0.75, 0.9, 1.25])  # a screen is bluish
    elif kind < 0.8:
        horizon = rng.uniform(0.3, 0.8) + rng.uniform(-0.2, 0.2) * (x - 0.5)
        glow = 1 / (1 + np.exp((y - horizon) * rng.uniform(6, 40))) * (0.5 + 0.5 * y)
        tint = np.array([0.8, 0.95, 1.2])
    else:
        bend = x * rng.uniform(-1, 1) + y - rng.uniform(-0.2, 0.9)
        glow = np.exp(-((bend / rng.uniform(0.05, 0.25)) ** 2))
        tint = rng.uniform(0.8, 1.1, 3)  # a streak; coatings colour it
    if rng.random() < 0.3:
        tint = tint * np.array([0.7, 1.1, 0.85])  # the green of a coating
    soft = gaussian_filter(glow + 0 * x * y, rng.uniform(0.4, 3.0))
    return (strength * soft[..., None] * tint).astype(np.float32)


def _box(
    x: Array, y: Array, cx: float, cy: float, width: float, height: float, shear: float
) -> Array:
    across = np.abs(x - cx - shear * (y - cy)) * 2 / width
    down = np.abs(y - cy) * 2 / height
    return np.clip((1 - np.maximum(across, down)) * 8, 0, 1)


def _windows(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """One to three panes, with bars or without."""
    cx, cy, shear = rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.6), rng.uniform(-0.4, 0.4)
    width, height = rng.uniform(0.12, 0.4), rng.uniform(0.2, 0.6)
    glow = _box(x, y, cx, cy, width, height, shear)
    if rng.random() < 0.5:
        bar = np.abs(x - cx - shear * (y - cy)) < 0.02
        glow = np.where(bar | (np.abs(y - cy) < 0.02), 0.2 * glow, glow)
    for _ in range(int(rng.integers(0, 3))):
        cx += width * rng.uniform(1.1, 1.6) * rng.choice([-1, 1])
        glow = np.maximum(glow, rng.uniform(0.4, 1) * _box(x, y, cx, cy, width, height, shear))
    return np.asarray(glow)
