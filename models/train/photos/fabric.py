"""Textures of cloth, felt, knit and horn: linear albedo, drawn at random."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from fitme.models.train.photos.prop import Array

Rng = np.random.Generator

SIZE = 256  # texels of a side of a piece of cloth
SPAN = 0.6  # metres that the side stands for


def color(rng: Rng, dark: float = 0.3, vivid: float = 0.35) -> Array:
    """A linear colour [3] of cloth: with chance `dark` near black or navy, with chance `vivid`
    saturated, otherwise a muted one, some white."""
    kind = rng.random()
    if kind < dark:
        base = np.array([0.012, 0.012, 0.014]) * rng.uniform(0.7, 3.0)
        return base * (1 + np.array([0.0, 0.1, 0.8]) * float(rng.random() < 0.4) * rng.random())
    if kind > 0.86:
        return np.full(3, rng.uniform(0.55, 0.85)) * rng.uniform(0.93, 1.0, 3)
    hue, value = rng.random(), rng.uniform(0.08, 0.6)
    saturation = rng.uniform(0.6, 0.95) if kind < dark + vivid else rng.uniform(0.05, 0.5)
    return hsv(hue, saturation, value)


def hsv(hue: float, saturation: float, value: float) -> Array:
    """Linear colour [3] from hue, saturation and value in 0..1."""
    wheel = np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    return value * (1 - saturation + saturation * np.clip(wheel, 0, 1))


def noise(rng: Rng, cells: int, size: int = SIZE) -> Array:
    """Smooth noise [size,size] of about unit variance with `cells` cells across; it wraps."""
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    padded = np.pad(coarse, 2, mode="wrap")
    side = round(size / cells)
    fine = cv2.resize(padded, None, fx=side, fy=side, interpolation=cv2.INTER_CUBIC)
    inner = fine[2 * side : -2 * side, 2 * side : -2 * side]
    return np.asarray(cv2.resize(inner, (size, size), interpolation=cv2.INTER_LINEAR)) * 1.3


def _axes() -> tuple[Array, Array]:
    """Metres across and down of the texels, [1,SIZE] and [SIZE,1]."""
    along = (np.arange(SIZE) + 0.5) * (SPAN / SIZE)
    return along[None], along[:, None]


def _wave(at: Array, pitch: float, share: float) -> Array:
    """Soft stripes: 1 on `share` of each `pitch`, else 0."""
    phase = (at / pitch) % 1.0
    edge = SPAN / SIZE / pitch
    return np.clip((share / 2 - np.abs(phase - 0.5)) / edge + 0.5, 0, 1)


def _mix(base: Array, other: Array, share: Array) -> Array:
    return base + (other - base) * share[..., None]


def _plain(rng: Rng, base: Array) -> Array:
    weave = 1 + 0.05 * rng.standard_normal((SIZE, SIZE)) + 0.03 * noise(rng, 12)
    return base * weave[..., None]


def _stripes(rng: Rng, base: Array) -> Array:
    across, down = _axes()
    at = across + 0 * down if rng.random() < 0.5 else down + 0 * across
    pitch = rng.choice([0.006, 0.012, 0.03, 0.06])
    return _mix(base, color(rng, 0.25), _wave(at, pitch, rng.uniform(0.15, 0.55)))


def _pinstripes(rng: Rng, base: Array) -> Array:
    across, down = _axes()
    lines = _wave(across + 0 * down, rng.uniform(0.014, 0.03), 0.12)
    return _mix(_plain(rng, base), np.full(3, 0.35), 0.45 * lines)


def _checks(rng: Rng, base: Array) -> Array:
    across, down = _axes()
    pitch, share = rng.choice([0.012, 0.03, 0.07]), rng.uniform(0.3, 0.5)
    other = color(rng, 0.35, 0.5)
    a, b = _wave(across + 0 * down, pitch, share), _wave(down + 0 * across, pitch, share)
    cloth = _mix(base, other, (a + b) / 2)
    if rng.random() < 0.5:  # the thin lines of a tartan
        line = np.maximum(
            _wave(across + pitch / 2 + 0 * down, pitch, 0.08),
            _wave(down + pitch / 2 + 0 * across, pitch, 0.08),
        )
        cloth = _mix(cloth, color(rng), line)
    return cloth


def _floral(rng: Rng, base: Array) -> Array:
    """Blots of several colours, some with a middle: from afar, flowers and leaves."""
    cloth = np.broadcast_to(base, (SIZE, SIZE, 3)).copy()
    cells = int(rng.integers(6, 22))
    for _ in range(int(rng.integers(2, 5))):
        field = noise(rng, cells)
        blot = np.clip((field - rng.uniform(0.5, 1.1)) * 8, 0, 1)
        cloth = _mix(cloth, color(rng, 0.15, 0.6), blot)
        cloth = _mix(cloth, color(rng, 0.15, 0.6), np.clip((field - 1.7) * 8, 0, 1))
    return cloth


def _dots(rng: Rng, base: Array) -> Array:
    across, down = _axes()
    pitch = rng.uniform(0.012, 0.04)
    row = np.floor(down / pitch)
    x = (across / pitch + 0.5 * (row % 2)) % 1 - 0.5
    y = (down / pitch) % 1 - 0.5
    dot = np.clip((rng.uniform(0.15, 0.3) - np.hypot(x, y)) * 12, 0, 1)
    return _mix(base, color(rng, 0.1), dot)


def knit(rng: Rng, base: Array) -> Array:
    """Rows of V-shaped stitches of some millimetres; ribs of several stitches in one of two."""
    across, down = _axes()
    pitch = rng.uniform(0.005, 0.009)
    zigzag = np.abs((across / pitch) % 1 - 0.5)
    rows = 0.5 + 0.5 * np.cos(2 * np.pi * (down / (0.8 * pitch) + zigzag))
    groove = np.clip(zigzag * 6, 0, 1) * np.clip((0.5 - zigzag) * 6, 0, 1)
    relief = (0.55 + 0.45 * rows) * (0.6 + 0.4 * groove)
    if rng.random() < 0.5:
        relief = relief * (0.7 + 0.3 * np.cos(2 * np.pi * across / (4 * pitch)))
    if rng.random() < 0.25:
        bands = _wave(down + 0 * across, rng.uniform(0.04, 0.1), 0.5)
        return _mix(base, color(rng), bands) * relief[..., None]
    return base * relief[..., None]


def denim(rng: Rng, base: Array) -> Array:
    """Indigo twill with lighter threads, worn in spots."""
    across, down = _axes()
    del base
    blue = np.array([0.03, 0.06, 0.14]) * rng.uniform(0.5, 2.5)
    twill = 0.5 + 0.5 * np.cos(2 * np.pi * (across + down) / 0.006)
    worn = 0.2 + 0.25 * twill + 0.12 * noise(rng, 10) + 0.1 * rng.standard_normal((SIZE, SIZE))
    return _mix(blue, np.full(3, 0.4), np.clip(worn, 0, 0.8) * 0.5)


def tweed(rng: Rng, base: Array) -> Array:
    """Specks of two colours, as in wool for jackets."""
    speck = gaussian_filter(rng.standard_normal((SIZE, SIZE)), 0.7, mode="wrap") * 2.2
    return _mix(base, color(rng, 0.2, 0.1), np.clip(0.25 + 0.3 * speck, 0, 0.8))


def print_on(rng: Rng, base: Array) -> Array:
    """A plain shirt with something printed on the chest: blocks as of letters, or a blot."""
    cloth = _plain(rng, base)
    ink = color(rng, 0.2, 0.5)
    shape = np.zeros((SIZE, SIZE))
    top, rows = int(rng.integers(90, 140)), int(rng.integers(1, 4))
    height = int(rng.integers(10, 26))
    for row in range(rows):
        at = 128 - int(rng.integers(30, 60))
        while at < 128 + 45:
            width = int(rng.integers(3, 12))
            y = top + row * (height + 6)
            shape[y : y + height, at : at + width] = 1
            cut = int(rng.integers(0, height))
            shape[y + cut : y + cut + 4, at + 2 : at + width - 1] = 0
            at += width + int(rng.integers(2, 6))
    return _mix(cloth, ink, gaussian_filter(shape, 0.7))


Cloth = Callable[[Rng, Array], Array]
_CASUAL: tuple[tuple[Cloth, float], ...] = (
    (_plain, 0.5), (_stripes, 0.14), (_checks, 0.1), (_floral, 0.1), (_dots, 0.04),
    (print_on, 0.12),
)  # fmt: skip
_SHIRT: tuple[tuple[Cloth, float], ...] = (
    (_plain, 0.62), (_stripes, 0.18), (_checks, 0.16), (_dots, 0.02), (denim, 0.02),
)  # fmt: skip
_SUIT: tuple[tuple[Cloth, float], ...] = (
    (_plain, 0.68), (_pinstripes, 0.15), (tweed, 0.12), (_checks, 0.05),
)  # fmt: skip
_TIE: tuple[tuple[Cloth, float], ...] = (
    (_plain, 0.3), (_stripes, 0.4), (_dots, 0.15), (_checks, 0.05), (_floral, 0.1),
)  # fmt: skip
_WRAP: tuple[tuple[Cloth, float], ...] = (
    (_plain, 0.45), (_stripes, 0.12), (_checks, 0.13), (_floral, 0.2), (_dots, 0.1),
)  # fmt: skip
KINDS = {"casual": _CASUAL, "shirt": _SHIRT, "suit": _SUIT, "tie": _TIE, "wrap": _WRAP}


def cloth(rng: Rng, kind: str, base: Array | None = None) -> Array:
    """A piece of cloth [SIZE,SIZE,3] float32, SPAN metres wide. kind: one of KINDS."""
    choices = KINDS[kind]
    chance = np.array([weight for _, weight in choices])
    draw = choices[int(rng.choice(len(choices), p=chance / chance.sum()))][0]
    return finished(draw(rng, color(rng) if base is None else base))


def finished(texture: Array) -> Array:
    """Linear albedo as props hold it, between dark and light cloth."""
    return np.clip(texture, 0.004, 0.9).astype(np.float32)


def tortoise(rng: Rng, size: int = 64) -> Array:
    """Horn: amber with dark brown blots, [size,size,3]."""
    blot = np.clip(0.5 + 0.6 * noise(rng, 8, size), 0, 1)
    amber = np.array([0.30, 0.11, 0.025]) * rng.uniform(0.5, 1.4)
    return finished(_mix(amber, np.array([0.02, 0.008, 0.004]), blot))


def skin_texture(rng: Rng, rgb: Array, size: int = 64) -> Array:
    """Blotchy skin around a linear colour: redder where it is darker, [size,size,3]."""
    blotch = 0.05 * noise(rng, 8, size) + 0.03 * noise(rng, 32, size)
    return np.clip(rgb * (1 + blotch[..., None] * (0.6, 1.0, 1.1)), 0.004, 0.95).astype(np.float32)
