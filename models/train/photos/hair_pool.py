"""Hair, beards and brows grown once, kept in a folder, and put on many heads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fitme.hair import (
    HairStyle,
    Strands,
    draw_beard,
    draw_brows,
    draw_style,
    grow,
    grow_beard,
    grow_brows,
    grow_lashes,
)
from fitme.hair.grow import anchor_of
from fitme.hair.scalp import scalp_of
from fitme.head.model import HeadModel
from fitme.models.train.photos.packing import write_arrays
from fitme.segment.labels import Label

STRANDS, BEARD_STRANDS = 7000, 3000
SIZES = {"hair": 1000, "flat": 200, "beard": 240, "brows": 200, "lashes": 100}
LONGEST_STUBBLE = 0.0035  # metres: a shorter beard lets the skin through
_FIELDS = ("points", "half_width", "triangle", "barycentric", "tone", "kind", "skin")


@dataclass(frozen=True)
class Grown:
    """Strands on the mean head and what their pixels count as."""

    strands: Strands
    label: Label


class HairPool:
    """`pool.draw("beard", rng)`: one of a kind, grown when first asked for."""

    def __init__(self, folder: Path, head: HeadModel) -> None:
        self.folder, self.head = folder, head
        self.anchor = anchor_of(scalp_of(head))
        folder.mkdir(parents=True, exist_ok=True)

    def draw(self, kind: str, rng: np.random.Generator) -> Grown:
        """A kind of `SIZES`."""
        index = int(rng.integers(SIZES[kind]))
        path = self.folder / f"{kind}_{index:04d}.npz"
        if not path.exists():
            self._grow(kind, index, path)
        with np.load(path) as kept:
            arrays = {name: kept[name] for name in _FIELDS}
            label = Label(int(kept["label"]))
        for name in ("points", "half_width"):
            arrays[name] = arrays[name].astype(np.float32)
        arrays["half_width"] *= _WIDTH_UNIT
        return Grown(Strands(**arrays, anchor=self.anchor), label)

    def _grow(self, kind: str, index: int, path: Path) -> None:
        seed = 10_000 * list(SIZES).index(kind) + index
        rng = np.random.default_rng(41_000_000 + seed)
        label = Label.BROWS
        if kind in ("hair", "flat"):
            style = draw_style(rng)
            strands = grow(self.head, flattened(style) if kind == "flat" else style, seed, STRANDS)
            label = Label.HAIR
        elif kind == "beard":
            beard = draw_beard(rng)
            longest = max(beard.chin * beard.has_chin, beard.cheeks * beard.has_cheeks,
                          beard.moustache * beard.has_moustache)  # fmt: skip
            strands = grow_beard(self.head, beard, seed, BEARD_STRANDS)
            label = Label.BEARD if longest > LONGEST_STUBBLE else Label.SKIN
        elif kind == "brows":
            strands = grow_brows(self.head, draw_brows(rng), seed)
        else:
            strands = grow_lashes(self.head, draw_brows(rng), seed)
        arrays = {name: getattr(strands, name) for name in _FIELDS}
        arrays["points"] = arrays["points"].astype(np.float16)
        arrays["half_width"] = (arrays["half_width"] / _WIDTH_UNIT).astype(np.float16)
        write_arrays(path, label=int(label), **arrays)


_WIDTH_UNIT = np.float32(1e-4)  # metres, so that half precision holds widths


def flattened(style: HairStyle) -> HairStyle:
    """The style under a hat."""
    tie = style.tie if style.tie in ("none", "pony", "braid") else "none"
    return replace(
        style, lift=0.1, volume=min(style.volume, 0.005), fringe=0.5 * style.fringe, tie=tie
    )
