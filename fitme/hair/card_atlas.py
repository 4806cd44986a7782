"""The texture that hair cards share: strips of drawn strands, from dense ones to single hairs.

Strips lie below each other; strands run along the rows, from the root at the left (u = 0) to the
tip at the right, so that the tangent of a card is the direction of its hair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.kernels_cards import draw_strip

Floats = NDArray[np.floating[Any]]

U_ROOT, U_TIP = 0.012, 0.988  # where cards begin and end: textures repeat, smaller mips bleed
TIP_SPACE = 0.02  # share of the width that stays empty beyond the tips
LOOSE = 0.6  # share of the strands that strips of wholly disordered curls have less: one sees in
SINGLE = 6  # strands of a strip for cards that stand for one
EVEN = 0.2  # 1: as many strands stand at the edges of a strip as in its middle
# Standard deviations, of the logarithm, of the colour of strips, of the bundles in one, and of the
# light that strands of one colour get: what tells a lock from the next, and hair from paper
STRIP_TONE, TUFT_TONE, STRAND_TONE = 0.03, 0.08, 0.24
BRIGHT = 0.88  # times the strands' albedo: light goes from hair to hair
# Strands lie several deep: a strip thins out only where few of them go on to its tip. Where the
# share s of the fray is left, s ** (1 / FEW_LONG) do; LOCKS of it a whole bundle has in common
FEW_LONG, LOCKS = 0.5, 0.2
GAP = 0.06  # share of a strip's rows that stays empty above and below: smaller mips bleed
# Metres of hair per pixel. Across a card they are 0.00013; straight hair is coarser along, as seen
# along the hair mip levels would blur it across
TEXEL, CURLED_TEXEL = 0.0004, 0.00018
CHANNELS = 10  # of `kernels_cards.draw_strip`


@dataclass(frozen=True)
class StripKind:
    """How the strands of one sort of strip lie. Pixels are those of a strip 100 rows high."""

    name: str
    share: int  # rows of a 1000-row atlas
    many: int  # strips of this sort
    strands: int
    half: float  # pixels, of a strand
    tufts: int  # strands lie in this many bundles
    spread: float  # 0: every bundle is one line, 1: strands lie evenly
    fray: float  # share of the length over which tips end
    shade: float  # factor of the colour: inner layers get less light
    roots: float = 1.0  # factor of the length over which roots begin


def atlas_width(length: float, wave: Wave, most: int) -> int:
    """Pixels, a power of two from 128 to `most`, for hair of a length in metres; straight hair
    needs half as many at most."""
    texel, most = (TEXEL, most // 2) if wave.size == 0 else (CURLED_TEXEL, most)
    wanted = 2 ** round(float(np.log2(max(length, 1e-3) / texel)))
    return int(np.clip(wanted, 128, most))


HAIR_STRIPS = (
    StripKind("dense", 84, 4, 260, 1.0, 18, 0.85, 0.42, 0.74, 3.0),
    StripKind("medium", 84, 5, 150, 0.95, 14, 0.75, 0.55, 0.92, 8.0),
    StripKind("sparse", 62, 3, 62, 0.9, 10, 0.6, 0.7, 1.0, 12.0),
    StripKind("wispy", 18, 3, 4, 1.7, 3, 0.6, 0.6, 1.0, 5.0),
)
TUFT_STRIPS = (  # beards and stubble: hairs are seen singly
    StripKind("dense", 120, 4, 60, 2.6, 14, 0.9, 0.55, 0.85),
    StripKind("medium", 100, 3, 34, 2.4, 10, 0.8, 0.6, 1.0),
    StripKind("sparse", 100, 2, 18, 2.4, 6, 0.8, 0.6, 1.05),
)
LASH_STRIPS = (StripKind("lash", 240, 4, 6, 4.5, 3, 0.6, 0.4, 0.6),)


@dataclass(frozen=True)
class Strip:
    """Where one strip lies, in texture coordinates (v down)."""

    kind: str
    top: float
    bottom: float


@dataclass(frozen=True)
class CardAtlas:
    """Maps [H,W,...] of one size, and its strips from the top down."""

    color: Floats  # [H,W,3] linear albedo, continued below transparent pixels
    alpha: Floats  # [H,W]
    normal: Floats  # [H,W,3] unit; x along the hair, y up in the picture, z out of the card
    flow: Floats  # [H,W,2] unit direction of the hair, x along u, y up
    root_tip: Floats  # [H,W] 0 at the root
    identity: Floats  # [H,W] a number in 0..1 per strand
    strips: tuple[Strip, ...]

    def of_kind(self, kind: str) -> list[int]:
        """Indices of the strips of a kind; the last one where there is none."""
        found = [k for k, strip in enumerate(self.strips) if strip.kind == kind]
        return found or [len(self.strips) - 1]


@dataclass(frozen=True)
class Wave:
    """Curls that are drawn into the strips, as the cards do not bend that often."""

    size: float = 0.0  # half-width of a wave as a share of the strip's height
    turns: float = 0.0  # along the whole strip
    order: float = 0.5  # 1: strands run in step


def draw_atlas(
    kinds: tuple[StripKind, ...], tones: Floats, wave: Wave, size: tuple[int, int], seed: int,
    root: float = 0.02, share: float = 1.0, ordered: bool = False,
) -> CardAtlas:  # fmt: skip
    """Draw strips into maps of size (height, width); tones [M,K,3] is the linear albedo of M
    strands from root to tip, from which those of the strips are drawn; `root` is the share of
    their length over which strands begin, `share` a factor of their width. `ordered`: tones go
    from dark to light locks, and so do the strips of a kind. Same input, same bytes."""
    height, width = size
    random = np.random.default_rng(seed)
    sheet = np.zeros((height, width, CHANNELS), np.float32)
    strips, top = [], 0
    total = sum(kind.share * kind.many for kind in kinds)
    for kind in kinds:
        rows = int(height * kind.share / total)
        for index in range(kind.many):
            gap = max(1, round(GAP * rows))
            inner = sheet[top + gap : top + rows - gap]
            own = _part(tones, index, kind.many) if ordered else tones
            _draw(inner, kind, own, wave, root, share, random)
            most = inner[..., 3].max(1)
            used = top + gap + np.flatnonzero(most > 0.3 * most.max())
            strips.append(Strip(kind.name, float(used[0]) / height, float(used[-1] + 1) / height))
            top += rows
    return _finished(sheet, tones, tuple(strips))


def _part(tones: Floats, index: int, many: int) -> Floats:
    """Those of the tones [M,K,3] that the strip `index` of `many` has, a part of them at least one
    long."""
    first = min(index * len(tones) // many, len(tones) - 1)
    return tones[first : max((index + 1) * len(tones) // many, first + 1)]


def _draw(
    out: Floats, kind: StripKind, tones: Floats, wave: Wave, root: float, share: float,
    random: np.random.Generator,
) -> None:  # fmt: skip
    """One strip into out [R,W,CHANNELS]."""
    rows, width = out.shape[:2]
    scale = rows / 100
    gather = 1.0 if wave.size == 0 else wave.order
    single = kind.strands <= SINGLE  # on cards that are no wider where hair is long
    share = 1.0 if single else share
    count = round(kind.strands / share * (1 - LOOSE * (1 - gather)))
    x = np.linspace(0, 1, width, dtype=np.float32)
    half = kind.half * share * scale * random.uniform(0.6, 1.35, count).astype(np.float32)
    tuft = random.integers(0, kind.tufts, count)
    middles = (np.arange(kind.tufts) + random.uniform(0.25, 0.75, kind.tufts)) / kind.tufts
    even = (np.arange(count) + random.random(count)) / count
    # few strands stand at the edges, as many as a smoothstep is steep: a card that ends in a line
    # looks like paper
    even = EVEN * even + (1 - EVEN) * (0.5 - np.sin(np.arcsin(1 - 2 * even) / 3))
    own = (1 - kind.spread) * middles[tuft] + kind.spread * even
    # bundles close towards the tip; curls that go each its way do not
    closing = gather * (0.07 + 0.35 * random.random(count))[:, None] * x**2
    tip = middles[tuft] + 0.06 * random.standard_normal(count)
    path = own[:, None] * (1 - closing) + tip[:, None] * closing
    for turns, amount in ((0.7, 0.020), (1.9, 0.008), (4.3, 0.003)):
        phase = random.uniform(0, 6.28, count)[:, None]
        path = path + amount * np.sin(6.28 * turns * x + phase) * np.minimum(4 * x, 1)
    margin = 0.06 + wave.size
    if wave.size > 0:
        phase = 6.28 * (0.2 * tuft / kind.tufts + (1 - wave.order) * random.random(count))
        vary = 1 + 0.25 * (1 - wave.order) * random.uniform(-1, 1, count)
        swing = wave.size * random.uniform(0.55, 1.15, count)[:, None] * np.minimum(8 * x, 1)
        turn = 6.28 * (wave.turns * vary)[:, None] * x + phase[:, None]
        path = path + swing * (np.sin(turn) + 0.25 * np.sin(2 * turn + 1))
    centre = rows * (margin + (1 - 2 * margin) * path)
    # the middle of a strip reaches further than its edges
    edge = np.abs(2 * own - 1)
    fray = kind.fray if wave.size == 0 else min(1.4 * kind.fray, 0.8)  # curls end anywhere
    early = (1 - LOCKS) * random.random(count) ** FEW_LONG + LOCKS * random.random(kind.tufts)[tuft]
    end = 1 - TIP_SPACE - fray * early * (0.7 + 0.3 * edge)
    start = min(kind.roots * root, 0.3) * random.random(count) ** 1.3
    order = random.permutation(count)
    depth = np.linspace(0, 1, count, dtype=np.float32)
    color = tones[random.integers(0, len(tones), count)]
    own_tone = STRIP_TONE * random.standard_normal() + STRAND_TONE * random.standard_normal(count)
    own_tone = own_tone + TUFT_TONE * random.standard_normal(kind.tufts)[tuft]
    color = color * np.exp(own_tone)[:, None, None]
    shade = np.full(width, kind.shade, np.float32) * (0.8 + 0.2 * np.minimum(x / 0.15, 1))
    draw_strip(
        np.ascontiguousarray(centre[order], np.float32), half[order].astype(np.float32),
        (start[order] * (width - 1)).astype(np.float32),
        (end[order] * (width - 1)).astype(np.float32), depth,
        np.ascontiguousarray(color[order], np.float32), shade.astype(np.float32), out, rows,
    )  # fmt: skip


def _finished(sheet: Floats, tones: Floats, strips: tuple[Strip, ...]) -> CardAtlas:
    from scipy.ndimage import uniform_filter1d

    alpha = sheet[..., 3].copy()
    solid = np.maximum(alpha, 1e-4)[..., None]
    # below transparent pixels stands the blurred colour of the strip: no dark seams in mip levels
    weight = alpha[..., None] + 1e-6
    wide = sheet[..., :3]
    for axis, reach in ((0, 9), (1, 33)):
        wide = uniform_filter1d(wide, reach, axis, mode="nearest")
        weight = uniform_filter1d(weight, reach, axis, mode="nearest")
    mean = tones.mean((0, 1)).astype(np.float32)
    around = (wide + 1e-3 * mean) / (weight + 1e-3)
    share = alpha[..., None]
    color = share * (sheet[..., :3] / solid) + (1 - share) * around
    color *= BRIGHT * mean.mean() / (color * share).sum((0, 1)).mean() * share.sum()
    # rows grow downwards, the texture's second axis upwards
    normal = sheet[..., 4:7] * np.array([1, -1, 1], np.float32)
    normal = normal + (1 - share) * np.array([0, 0, 1], np.float32)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True).clip(1e-6)
    flow = np.stack([np.ones_like(alpha), -sheet[..., 7] / solid[..., 0]], -1)
    flow /= np.linalg.norm(flow, axis=-1, keepdims=True)
    along = np.linspace(0, 1, alpha.shape[1], dtype=np.float32)
    root_tip = np.where(alpha > 0.02, sheet[..., 8] / solid[..., 0], along)
    identity = sheet[..., 9] / solid[..., 0] * (alpha > 0.02)
    return CardAtlas(
        color.astype(np.float32), alpha.astype(np.float32), normal.astype(np.float32),
        flow.astype(np.float32), root_tip.astype(np.float32), identity.astype(np.float32), strips,
    )  # fmt: skip
