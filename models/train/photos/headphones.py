"""Headphones and headsets."""

from __future__ import annotations

import numpy as np

from fitme.models.train.photos import fabric
from fitme.models.train.photos.hats import headwear
from fitme.models.train.photos.measures import Measures
from fitme.models.train.photos.prop import Prop, plain
from fitme.models.train.photos.shapes import (
    ellipsoid,
    frame,
    joined,
    rounded_box,
    spline,
    tube,
    unit,
)

Rng = np.random.Generator


def headphones(rng: Rng, measures: Measures) -> list[Prop]:
    """Cups over the ears and a band over the skull."""
    color = fabric.finished(np.broadcast_to(fabric.color(rng, 0.6), (1, 1, 3)))
    lean = rng.uniform(-0.25, 0.15)
    cups, pads, ends = [], [], []
    size = rng.uniform(0.030, 0.042)
    for side, ear in zip((1, -1), measures.ears, strict=True):
        out = unit(np.array([side * 1.0, 0.0, 0.12]))
        axes = frame(np.array([0.0, 1.0, 0.0]), out)
        at = ear + np.array([side * 0.012, 0.002, 0.0])
        pads.append(rounded_box(at, (size, size * 1.15, 0.014), axes, square=2.6))
        cups.append(rounded_box(at + 0.018 * out, (size * 0.9, size * 1.05, 0.011), axes, 2.6))
        ends.append(at + 0.014 * out)
    over = np.linspace(0.12, np.pi - 0.12, 9)
    x, y = np.cos(over), np.sin(over)
    way = unit(np.stack([x, y, lean * y], 1))
    azimuth, elevation = np.arctan2(way[:, 0], way[:, 2]), np.arcsin(way[:, 1])
    arch = measures.surface(azimuth, elevation, rng.uniform(0.012, 0.03))
    path = spline(np.concatenate([ends[:1], arch[1:-1], ends[1:]]), 40)
    band = tube(path, rng.uniform(0.008, 0.016), up=(0.0, 0.05, 1.0), sides=12)
    # Wide along the head, thin across.
    flat = tube(path, 0.005, up=(0.0, 0.05, 1.0), depth=rng.uniform(1.8, 4.0), sides=12, square=4)
    props = [
        headwear("headphones", joined([*cups, flat if rng.random() < 0.8 else band]), color,
              specular=0.045, roughness=0.35),
        headwear("ear pads", joined(pads), plain((0.01, 0.01, 0.01)), roughness=0.6),
    ]  # fmt: skip
    if rng.random() < 0.3:
        mouth = measures.points[14] + (0.045, -0.012, 0.002)
        start = ends[0] + (0.004, -0.02, 0.01)
        boom = spline(np.stack([start, (start + mouth) / 2 + (0.014, -0.008, 0), mouth]), 14)
        foam = ellipsoid(mouth, (0.009, 0.008, 0.008))
        shapes = [tube(boom, 0.0022, up=(0.0, 1.0, 0.0), sides=6), foam]
        props.append(headwear("headset microphone", joined(shapes), plain((0.01, 0.01, 0.01))))
    return props
