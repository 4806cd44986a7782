"""Head scarves and hoods: cloth around face, head and neck."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from fitme.models.train.photos import fabric
from fitme.models.train.photos.measures import CHIN, FOREHEAD, Measures
from fitme.models.train.photos.prop import Array, Prop
from fitme.models.train.photos.shapes import (
    Shape,
    joined,
    sheet,
    tube,
    unit,
)
from fitme.segment.labels import Label

Rng = np.random.Generator
COLUMNS = 72


def _cloth(name: str, shape: Shape, albedo: Array, repeat: tuple[float, float]) -> Prop:
    return Prop.of(name, Label.CLOTHES, shape, albedo, 0.03, 0.85, two_sided=True, repeat=repeat)


def _opening(rng: Rng, measures: Measures, tight: float) -> tuple[Array, Array]:
    """Angles around the face [COLUMNS+1] from the chin over the right of the picture, and how far
    from straight ahead, in radians, the cloth's edge lies there; `tight` grows inwards."""
    around = np.linspace(-np.pi, np.pi, COLUMNS + 1)  # 0 is up
    top = measures.points[FOREHEAD] - measures.centre
    chin = measures.points[CHIN] - measures.centre
    up = float(np.arctan2(top[1], top[2])) + rng.uniform(0.0, 0.22) - tight
    low = float(np.arctan2(-chin[1], chin[2])) + rng.uniform(-0.02, 0.1) - 0.5 * tight
    side = rng.uniform(0.95, 1.12) - tight
    cos = np.cos(around)
    edge = side + (np.where(cos > 0, up, low) - side) * cos**2
    return around, edge


def _veil(
    measures: Measures, around: Array, edge: Array, offset: Array, rows: int, smooth: float
) -> Array:
    """Points [rows,COLUMNS+1,3] from the face's opening to the back of the head."""
    share = np.linspace(0, 1, rows)[:, None]
    angle = edge + share * (np.pi - 0.02 - edge)
    x, y, z = np.sin(angle) * np.sin(around), np.sin(angle) * np.cos(around), np.cos(angle)
    azimuth, elevation = np.arctan2(x, z), np.arcsin(np.clip(y, -1, 1))
    reach = measures.radius(azimuth, elevation, ears=True)
    reach = np.minimum(reach, 0.125 + 0 * reach)  # below, the neck is another cloth's
    if smooth:
        reach = gaussian_filter1d(reach, smooth, axis=1, mode="wrap")
        reach = gaussian_filter1d(reach, smooth / 3, axis=0, mode="nearest")
    way = np.stack([x, y, z], -1)
    return measures.centre + (reach + offset)[..., None] * way


# Rows of a cape: share of the way from chin to the neck's rim, how far out in widths of the cloth,
# metres down from the rim.
_CAPE_ROWS = (
    (0, 0.4, 0), (0.3, 0.8, 0), (0.6, 1.0, 0), (1, 1.4, 0.0),
    (1, 2.6, 0.025), (1, 4.2, 0.06), (1, 4.8, 0.10), (1, 5.2, 0.2),
)  # fmt: skip


def _cape(rng: Rng, measures: Measures, thick: float) -> Array:
    """Cloth [rows,COLUMNS+1,3] from under the chin around the neck onto the shoulders."""
    ring = np.concatenate([measures.ring, measures.ring[:1]])
    middle = measures.ring.mean(0)
    chin = measures.points[CHIN]
    angle = np.linspace(0, 2 * np.pi, len(ring))
    front = (1 - np.cos(angle)) / 2
    wide = rng.uniform(0.02, 0.035)
    way = unit((ring - middle) * (1, 0, 1))
    rows = []
    top = middle + (ring - middle) * (0.95, 0, 0.95)
    top[:, 2] += 0.028 * front
    top[:, 1] = chin[1] - 0.012 + 0.035 * (1 - front)
    phase = rng.uniform(0, 6, 3)
    for share, out, drop in _CAPE_ROWS:
        wave = sum(np.sin((k + 2) * angle + 3 * share + 20 * drop + phase[k]) for k in range(3))
        base = top + share * (ring - top)
        row = base + way * (wide * out + thick + 0.003 * wave * min(out, 2.0))[:, None]
        row[:, 1] -= drop
        rows.append(row)
    return np.stack(rows)


def head_scarf(rng: Rng, measures: Measures) -> list[Prop]:
    """Cloth around face, head and neck."""
    around, edge = _opening(rng, measures, 0.0)
    share = np.linspace(0, 1, 26)[:, None]
    folds = np.sin(around * int(rng.integers(2, 6)) + 5 * share + rng.uniform(0, 6))
    offset = 0.003 + np.clip(share * 5, 0, 1) * (0.010 + 0.0025 * folds)
    offset = offset + rng.uniform(0, 0.03) * np.exp(-(((share - 0.75) / 0.25) ** 2))
    grid = _veil(measures, around, edge, offset, 26, 1.5)
    inner = grid[0] + 0.006 * unit(measures.centre - grid[0])
    cloth = fabric.cloth(rng, "wrap")
    cape = sheet(_cape(rng, measures, 0.01)).flipped()
    return [
        _cloth("head scarf", sheet(np.concatenate([inner[None], grid])).flipped()
              .facing_from(measures.centre), cloth, repeat=(1.5, 0.8)),
        _cloth("head scarf's cape", cape, cloth, repeat=(1.5, 0.6)),
    ]  # fmt: skip


def hood(rng: Rng, measures: Measures) -> list[Prop]:
    """A hood drawn over the head, open in front."""
    around, edge = _opening(rng, measures, rng.uniform(-0.15, 0.1))
    share = np.linspace(0, 1, 26)[:, None]
    folds = np.sin(around * 3 + 6 * share + rng.uniform(0, 6))
    offset = 0.016 + 0.012 * np.clip(share * 3, 0, 1) + 0.003 * folds * np.clip(share * 4, 0, 1)
    point = rng.uniform(0.0, 0.03) * np.exp(-((around / 0.8) ** 2)) * np.sin(np.pi * share)
    grid = _veil(measures, around, edge, offset + point, 26, 3.0)
    cloth = fabric.cloth(rng, "suit", fabric.color(rng))
    rim = tube(grid[0][:-1], 0.006, up=(0.0, 0.0, 1.0), loop=True)
    shape = joined([sheet(grid).facing_from(measures.centre), rim])
    cape = sheet(_cape(rng, measures, 0.016)).flipped()
    return [
        _cloth("hood", shape, cloth, repeat=(1.5, 0.8)),
        _cloth("hood's cape", cape, cloth, repeat=(1.5, 0.6)),
    ]
