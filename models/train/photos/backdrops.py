"""What lies behind a person in a synthetic photo: studios, walls, shelves, streets, leaves."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from fitme.models.train.photos.fabric import color, hsv
from fitme.models.train.photos.kinds import draw_kind
from fitme.models.train.photos.prop import Array

Rng = np.random.Generator
DRAWN = 256  # pixels of a side of the picture before blur and enlargement


def draw_backdrop(rng: Rng, size: int, *, kind: str | None = None) -> Array:
    """A picture [size,size,3] float32 linear; kind: a key of CHANCE, None draws one."""
    kind = draw_kind(rng, CHANCE, kind)
    picture = _KINDS[kind](rng).astype(np.float32)
    blur = float(rng.choice([0.0, 1.0, 3.0, 8.0], p=[0.25, 0.25, 0.28, 0.22]))
    if blur and kind not in _SOFT:
        picture = _defocused(picture, blur * rng.uniform(0.7, 1.4))
    enlarged = cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC)
    if kind not in _SOFT and not blur and size > DRAWN:  # the grain that enlargement lost
        enlarged *= 1 + 0.03 * rng.standard_normal((size, size, 1), dtype=np.float32)
    exposure = np.exp(rng.normal(0, 0.35))
    return np.clip(enlarged * exposure, 0.0, 4.0).astype(np.float32)


def _defocused(picture: Array, radius: float) -> Array:
    """Blurred by a disk, as an open lens does; highlights stay."""
    span = int(np.ceil(radius))
    x = np.arange(-span, span + 1)
    disk = np.clip(radius + 0.5 - np.hypot(x[:, None], x[None]), 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(picture, -1, disk / disk.sum(), borderType=cv2.BORDER_REFLECT))


def _grid() -> tuple[Array, Array]:
    """x [1,DRAWN] and y [DRAWN,1] in 0..1."""
    at = (np.arange(DRAWN) + 0.5) / DRAWN
    return at[None], at[:, None]


def smooth_noise(rng: Rng, cells: tuple[int, int]) -> Array:
    """[DRAWN,DRAWN] of about unit variance with `cells` down and across."""
    coarse = rng.standard_normal((cells[0] + 3, cells[1] + 3)).astype(np.float32)
    fine = cv2.resize(coarse, None, fx=DRAWN / cells[1], fy=DRAWN / cells[0],
                      interpolation=cv2.INTER_CUBIC)  # fmt: skip
    y, x = DRAWN // cells[0], DRAWN // cells[1]
    return np.asarray(fine[y : y + DRAWN, x : x + DRAWN]) * 1.3


def _fractal(rng: Rng, cells: int, gain: float = 0.6, octaves: int = 4) -> Array:
    total = np.zeros((DRAWN, DRAWN))
    for octave in range(octaves):
        total += gain**octave * smooth_noise(rng, (min(cells << octave, 128),) * 2)
    return total


def _tinted(shade: Array, rgb: Array) -> Array:
    return np.clip(np.broadcast_to(shade, (DRAWN, DRAWN)), 0, None)[..., None] * rgb


def _studio(rng: Rng) -> Array:
    x, y = _grid()
    cx, cy, wide = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8), rng.uniform(0.3, 1.2)
    glow = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / wide**2)
    low = rng.uniform(0.1, 0.9)
    shade = low + (1 - low) * glow + rng.uniform(0, 0.06) * _fractal(rng, 3, 0.5, 2)
    return _tinted(shade, color(rng, 0.2, 0.25) + 0.01)


def _wall(rng: Rng) -> Array:
    x, y = _grid()
    rgb = hsv(rng.random(), rng.uniform(0, 0.35), rng.uniform(0.2, 0.75))
    rough = 1 + 0.05 * _fractal(rng, 24, 0.8, 3) + 0.04 * rng.standard_normal((DRAWN, DRAWN))
    light = 1 + rng.uniform(-0.4, 0.4) * (x - 0.5) + rng.uniform(-0.3, 0.3) * (y - 0.5)
    edge = (x - rng.uniform(0.1, 0.9)) + rng.uniform(-0.7, 0.7) * (y - 0.5)
    shadow = 1 - rng.uniform(0, 0.6) / (1 + np.exp(-edge * rng.uniform(8, 90)))
    picture = _tinted(rough * light * shadow, rgb)
    if rng.random() < 0.4:  # a framed picture or a notice
        _rectangle(rng, picture, rng.uniform(0.1, 0.35), rng.uniform(0.1, 0.4))
    if rng.random() < 0.3:  # a door frame or a panel
        at = int(rng.integers(0, DRAWN))
        picture[:, at : at + int(rng.integers(2, 12))] *= rng.uniform(0.3, 1.4)
    return picture


def _rectangle(rng: Rng, picture: Array, width: float, height: float) -> None:
    x, y = int(rng.integers(0, DRAWN)), int(rng.integers(0, DRAWN // 2))
    w, h = int(width * DRAWN), int(height * DRAWN)
    picture[y : y + h, x : x + w] = color(rng, 0.4)
    inner = picture[y + 4 : y + h - 4, x + 4 : x + w - 4]
    blots = _fractal(rng, 6, 0.6, 2)[: inner.shape[0], : inner.shape[1], None]
    inner[:] = np.clip(color(rng, 0.1) * (1 + 0.6 * blots), 0.01, 1)


def _shelf(rng: Rng) -> Array:
    picture = np.empty((DRAWN, DRAWN, 3))
    picture[:] = hsv(0.07, 0.6, rng.uniform(0.02, 0.15))
    shelves = int(rng.integers(3, 7))
    tall = DRAWN // shelves
    palette = [color(rng, 0.2, 0.4) for _ in range(9)]
    for row in range(shelves + 1):
        at, bottom = 0, row * tall - 4
        while at < DRAWN:
            width = int(rng.integers(4, 15))
            if rng.random() < 0.93:
                top = bottom - int(tall * rng.uniform(0.6, 0.9))
                book = palette[int(rng.integers(9))] * rng.uniform(0.6, 1.4)
                across = np.sin(np.linspace(0.4, np.pi - 0.4, width))[None, : DRAWN - at, None]
                if bottom > 0:
                    picture[max(top, 0) : bottom, at : at + width] = book * across
                    label = bottom - int(tall * rng.uniform(0.2, 0.5))
                    picture[max(label, 0) : label + 5, at : at + width] *= rng.uniform(0.4, 2.0)
            at += width + int(rng.random() < 0.2)
        picture[max(bottom, 0) : max(bottom + 4, 0)] = hsv(0.08, 0.5, 0.2)
    return picture


def _bokeh(rng: Rng) -> Array:
    """Lights out of focus in front of the dark or of leaves."""
    base = _tinted(0.4 + 0.15 * _fractal(rng, 3, 0.5, 2), color(rng, 0.4, 0.3))
    lights = np.zeros((DRAWN, DRAWN, 3), np.float32)
    hue = rng.random()
    for _ in range(int(rng.integers(15, 60))):
        tint = hsv(float((hue + rng.normal(0, 0.08)) % 1), rng.uniform(0, 0.8), 1.0)
        at = (int(rng.integers(DRAWN)), int(rng.integers(DRAWN)))
        disk = np.zeros((DRAWN, DRAWN, 3), np.float32)
        cv2.circle(disk, at, int(rng.integers(3, 20)), tint.tolist(), -1, cv2.LINE_AA)
        lights += rng.uniform(0.05, 0.7) * disk
    return np.asarray(base + cv2.GaussianBlur(lights, (0, 0), rng.uniform(0.6, 2)))


def _window(rng: Rng) -> Array:
    x, y = _grid()
    sky = _tinted(rng.uniform(0.8, 2.0) * (1 - 0.3 * y) + 0 * x, np.array([0.85, 0.95, 1.1]))
    view = sky + 0.3 * _tinted(
        np.clip(_fractal(rng, 6), 0, 1) * (y > 0.5), np.array([0.2, 0.5, 0.1])
    )
    room = _tinted(0.15 + 0.05 * _fractal(rng, 2, 0.5, 2), color(rng, 0.1, 0.2) + 0.05)
    left, right = sorted(rng.uniform(-0.2, 1.2, 2))
    open_ = (x > left) & (x < max(right, left + 0.3)) & (y < rng.uniform(0.6, 1.1))
    panes = int(rng.integers(1, 4))
    bars = (np.abs((x - left) * panes / max(right - left, 0.3) % 1 - 0.5) > 0.47) | (
        np.abs(y * panes % 1 - 0.5) > 0.48
    )
    if rng.random() < 0.3:  # blinds
        bars = bars | ((y * rng.uniform(18, 40)) % 1 < 0.45)
    return np.where((open_ & ~bars)[..., None], view, np.where(open_[..., None], 0.25, room))


def _stripes(rng: Rng) -> Array:
    """Flags and curtains: bands of colour with folds of cloth."""
    x, y = _grid()
    bend = rng.uniform(0, 0.02) * smooth_noise(rng, (3, 3))
    turn = rng.uniform(0, np.pi)
    along = np.cos(turn) * x + np.sin(turn) * y + bend
    palette = np.stack([color(rng, 0.15, 0.7) for _ in range(int(rng.integers(2, 4)))])
    count = int(rng.integers(1, 14))
    picture = palette[np.floor(along * count).astype(int) % len(palette)]
    across = along if rng.random() < 0.3 else x * rng.uniform(0.6, 1.4) + 0.1 * y + bend
    folds = 0.75 + 0.25 * np.sin(2 * np.pi * rng.integers(3, 10) * across + 2 * bend)
    return picture * folds[..., None]


def _foliage(rng: Rng) -> Array:
    hue = rng.uniform(0.16, 0.36)
    leaves = _fractal(rng, int(rng.integers(5, 18)), 0.85, 4)
    shade = np.clip(0.35 + 0.3 * leaves, 0.02, 1.4)
    picture = _tinted(shade, hsv(hue, 0.7, rng.uniform(0.15, 0.4)))
    yellow = np.clip(0.5 * smooth_noise(rng, (20, 20)), 0, 1)[..., None]
    picture = picture * (1 + yellow * np.array([1.2, 0.5, 0.0]))
    holes = np.clip((_fractal(rng, 8, 0.7, 3) - rng.uniform(0.8, 2.2)) * 3, 0, 1)[..., None]
    return picture + holes * (np.array([0.8, 0.95, 1.1]) - picture)


def _brick(rng: Rng) -> Array:
    x, y = _grid()
    rows, ratio = rng.uniform(9, 26), rng.uniform(2.0, 3.2)
    row = np.floor(y * rows)
    across = x * rows / ratio + 0.5 * (row % 2)
    column = np.floor(across)
    u, v = np.abs(across % 1 - 0.5), np.abs(y * rows % 1 - 0.5)
    mortar = np.clip(np.maximum((u - 0.5) * ratio + 0.5, v) * 12 - 5.1, 0, 1)
    tone = np.sin(row * 12.9898 + column * 78.233) * 43758.5453 % 1
    rgb = hsv(rng.uniform(0.0, 0.09), rng.uniform(0.1, 0.75), rng.uniform(0.1, 0.5))
    brick = _tinted((0.65 + 0.6 * tone) * (1 + 0.12 * _fractal(rng, 32, 0.8, 3)), rgb)
    return brick + mortar[..., None] * (np.full(3, rng.uniform(0.1, 0.5)) - brick)


def _horizon(rng: Rng) -> Array:
    """Sky with clouds above land, hills, water or houses."""
    x, y = _grid()
    line = rng.uniform(0.25, 0.9)
    deep = hsv(rng.uniform(0.55, 0.62), rng.uniform(0.1, 0.75), rng.uniform(0.4, 0.9))
    pale = np.array([0.8, 0.88, 1.0]) if rng.random() < 0.75 else np.array([1.0, 0.6, 0.35])
    share = np.clip(y / line, 0, 1)[..., None] ** 1.5
    sky = deep + share * (pale - deep) + np.zeros((DRAWN, DRAWN, 1))
    clouds = np.clip(0.5 * _fractal(rng, 4) - rng.uniform(0.0, 0.7), 0, 1)[..., None]
    sky = sky + clouds * (0.95 - sky)
    land_rgb = hsv(
        rng.choice([0.1, 0.25, 0.3, 0.58]), rng.uniform(0.1, 0.6), rng.uniform(0.08, 0.35)
    )
    land = _tinted(1 + 0.25 * _fractal(rng, 12, 0.8, 3), land_rgb)
    ridge = line + 0.05 * smooth_noise(rng, (1, 5))[:1] * rng.uniform(0, 2)
    if rng.random() < 0.35:  # houses
        heights = np.repeat(rng.uniform(0.0, 0.35, 64), rng.integers(3, 26, 64))[:DRAWN]
        ridge = ridge - np.pad(heights, (0, DRAWN - len(heights)), mode="edge")[None]
        lit = ((x * 60) % 1 > 0.5) & ((y * 50) % 1 > 0.5)
        land = np.where(lit[..., None], land * rng.uniform(1.2, 3), land)
    return np.where((y > ridge)[..., None], land, sky)


def _people(rng: Rng) -> Array:
    """Others behind: heads and shoulders, soft."""
    picture = np.asarray(_KINDS[str(rng.choice(["wall", "studio", "window", "foliage"]))](rng))
    picture = np.ascontiguousarray(picture * rng.uniform(0.4, 1.0), dtype=np.float32)
    for _ in range(int(rng.integers(2, 9))):
        x, y = int(rng.uniform(0, DRAWN)), int(rng.uniform(0.2, 0.8) * DRAWN)
        r = int(rng.integers(10, 34))
        skin = np.array([0.55, 0.33, 0.23]) * rng.uniform(0.12, 1.1)
        hair = hsv(0.08, rng.uniform(0.2, 0.7), rng.uniform(0.01, 0.25))
        cv2.ellipse(
            picture, (x, y + 3 * r), (int(2.1 * r), 2 * r), 0, 0, 360, color(rng).tolist(), -1
        )
        cv2.ellipse(picture, (x, y + r), (r // 2, r), 0, 0, 360, (0.7 * skin).tolist(), -1)
        cv2.ellipse(picture, (x, y - r // 5), (int(0.95 * r), int(1.2 * r)), 0, 0, 360,
                    hair.tolist(), -1)  # fmt: skip
        cv2.ellipse(picture, (x, y + r // 6), (int(0.78 * r), r), 0, 0, 360, skin.tolist(), -1)
        for part in (-1, 1):
            cv2.circle(picture, (x + part * r // 3, y), max(r // 9, 1), (0.25 * skin).tolist(), -1)
        cv2.ellipse(picture, (x, y + r // 2 + r // 6), (r // 3, max(r // 9, 1)), 0, 0, 360,
                    (0.5 * skin * (1, 0.6, 0.6)).tolist(), -1)  # fmt: skip
    return _defocused(picture, rng.uniform(1.5, 7))


def _stage(rng: Rng) -> Array:
    """Dark, with beams or spots of coloured light."""
    x, y = _grid()
    picture = _tinted(0.02 + 0.01 * _fractal(rng, 3, 0.5, 2), np.ones(3))
    for _ in range(int(rng.integers(0, 5))):
        cx, lean, wide = rng.uniform(0, 1), rng.normal(0, 0.6), rng.uniform(0.02, 0.12)
        beam = np.exp(-(((x - cx - lean * y) / (wide * (0.3 + y))) ** 2)) * (1 - 0.6 * y)
        picture = picture + rng.uniform(0.05, 0.5) * _tinted(beam, hsv(rng.random(), 0.7, 1.0))
    return picture


CHANCE = {
    "studio": 0.24, "wall": 0.14, "shelf": 0.07, "bokeh": 0.07, "window": 0.06, "stripes": 0.07,
    "foliage": 0.09, "brick": 0.04, "horizon": 0.09, "people": 0.08, "stage": 0.05,
}  # fmt: skip
"""How often which backdrop is drawn; set by eye after portraits in the press."""

_SOFT = frozenset({"studio", "bokeh", "people", "stage"})
_KINDS: dict[str, Callable[[Rng], Array]] = {
    "studio": _studio,
    "wall": _wall,
    "shelf": _shelf,
    "bokeh": _bokeh,
    "window": _window,
    "stripes": _stripes,
    "foliage": _foliage,
    "brick": _brick,
    "horizon": _horizon,
    "people": _people,
    "stage": _stage,
}
