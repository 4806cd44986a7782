"""The style whose silhouettes lie on the hair of the photos: presets first, then descent along one
quantity after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fitme.fit.hair.evidence import SeenHair
from fitme.fit.hair.fringe import Fringe
from fitme.fit.hair.score import mismatch, wanted_waves, wrong_hair
from fitme.fit.hair.short import ShortHair
from fitme.fit.hair.silhouette import Silhouette, Stage, make_stage
from fitme.hair import PRESETS, HairStyle, Strands, grow
from fitme.hair.gravity import down_of
from fitme.head.model import HeadModel
from fitme.runtime.side_by_side import side_by_side

Floats = NDArray[np.floating[Any]]
Move = Callable[[HairStyle, float], HairStyle]

STRANDS = 900  # of a silhouette
SEED = 0
LENGTHS = ("top", "sides", "back", "nape")
# What a preset costs before anything is seen: how rarely such hair is worn, and what a front view
# cannot tell from a more common one. By eye on the 23 photos; `short_curly` at 0.01 was taken for
# the bob of the example photo.
RARE = {
    "braids": 0.06, "cornrows": 0.12, "afro": 0.03, "ring": 0.02, "pony_tail": 0.02, "bun": 0.015,
    "curly": 0.02, "eye_sweep": 0.03, "receding": 0.01, "quiff": 0.005, "short_curly": 0.05,
}  # fmt: skip
LONG = 0.15  # metres of the sides: such styles are tried at several lengths
SCALES = (0.65, 1.3)
SHORTEST = 0.03  # metres of the hair on top from which some of it hangs over a forehead
FAR_PART = 0.05  # metres: x of the parting of a fringe combed across, where none is seen
STRAY = 0.006  # cost of a step away from a preset, grows with its square


@dataclass(frozen=True)
class Quantity:
    """One that is descended along: a factor or a sum, within bounds."""

    name: str
    names: tuple[str, ...]
    step: float
    low: float
    high: float
    factor: bool = False
    when: Callable[[HairStyle], bool] = lambda style: True

    def moved(self, style: HairStyle, steps: float) -> HairStyle:
        """The style with this quantity `steps` steps away."""
        values: dict[str, Any] = {}
        for name in self.names:
            value = getattr(style, name)
            value = value * (1 + self.step) ** steps if self.factor else value + self.step * steps
            values[name] = float(np.clip(value, self.low, self.high))
        return replace(style, **values)


def _parted(style: HairStyle) -> bool:
    return style.part is not None


def _long(style: HairStyle) -> bool:
    return style.sides > 0.1 and style.tie == "none"


def _across(style: HairStyle) -> bool:
    return style.fringe > 0 and style.fringe_across > 0


QUANTITIES = (
    Quantity("length", LENGTHS, 0.25, 0.003, 0.55, True),
    Quantity("volume", ("volume",), 0.45, 0.001, 0.07, True),
    Quantity("top", ("top",), 0.35, 0.003, 0.6, True),
    Quantity("sides", ("sides",), 0.4, 0.003, 0.6, True),
    Quantity("lift", ("lift",), 0.18, 0.05, 0.85),
    Quantity("swept_back", ("swept_back",), 0.35, 0.0, 1.0),
    Quantity("forward", ("forward",), 0.35, 0.0, 1.0),
    Quantity("part", ("part",), 0.012, -0.05, 0.05, when=_parted),
    Quantity("hem", ("hem",), 0.02, -0.3, 0.0, when=lambda s: s.hem is not None),
    Quantity("back", ("back", "nape"), 0.35, 0.003, 0.6, True),
    Quantity("face", ("face",), 0.3, 0.0, 1.0, when=_long),
    Quantity("hold", ("hold",), 0.2, 0.0, 0.8, when=_long),
    Quantity("tuck", ("tuck",), 0.4, 0.0, 1.0, when=_long),
    Quantity("front", ("front",), 0.3, 0.0, 1.0, when=_long),
    Quantity("fade", ("fade",), 0.3, 0.0, 1.0, when=lambda s: s.sides < 0.06),
    Quantity("weight", ("weight",), 0.3, 0.0, 1.0, when=_long),
    Quantity("curl", ("curl_radius",), 0.6, 0.0008, 0.02, True, when=lambda s: s.curl_radius > 0),
    Quantity("fringe", ("fringe",), 0.25, 0.02, 0.2, True, when=lambda s: s.fringe > 0),
    Quantity("fringe_width", ("fringe_width",), 0.25, 8, 60, True, when=lambda s: s.fringe > 0),
    Quantity("fringe_across", ("fringe_across",), 0.25, 0.1, 1.0, when=_across),
    Quantity("fringe_sweep", ("fringe_sweep",), 0.4, -1, 1, when=lambda s: s.fringe > 0),
)


@dataclass
class Found:
    """A style with its cost, the preset that it came from, and how far it is from it."""

    style: HairStyle
    cost: float
    preset: str
    steps: dict[str, float] = field(default_factory=dict)


class Search:
    """Looks for the style in windows on P photos of one person, by at most about `most` trials."""

    def __init__(
        self, head: HeadModel, vertices: Sequence[Floats], seen: Sequence[SeenHair],
        most: int = 1000,
    ) -> None:  # fmt: skip
        self.head, self.vertices, self.seen = head, list(vertices), list(seen)
        bare = grow(head, PRESETS["buzz"], SEED, 16)
        self.stages: list[Stage] = [
            make_stage(head, points, one.camera, bare.on(points))
            for points, one in zip(self.vertices, self.seen, strict=True)
        ]
        self._wrong = [wrong_hair(one) for one in self.seen]
        self.waves = [wanted_waves(one) for one in self.seen]
        self.down = down_of(seen[0].camera)  # the first photo's, whose hair hangs so
        self.part: float | None = None  # of what is parted at all
        self.tried, self.most = 0, most
        self._costs: dict[HairStyle, float] = {}
        self.hairline: tuple[float, ...] | None = None  # of all that is tried
        self.fringe: Fringe | None = None  # of all that can hang over the forehead
        self.short: ShortHair | None = None  # where hair is short for sure

    def strands(self, style: HairStyle) -> Strands:
        """Its strands on the mean head."""
        return grow(self.head, style, SEED, STRANDS, self.down)

    def drawn(self, style: HairStyle) -> Iterator[Silhouette]:
        """The silhouette in each window."""
        strands = self.strands(style)
        for stage, points in zip(self.stages, self.vertices, strict=True):
            yield stage.draw(strands.on(points))

    def cost(self, style: HairStyle) -> float:
        """Mean mismatch over the photos, counted as a trial."""
        self.tried += 1
        return self.plain_cost(style)

    def plain_cost(self, style: HairStyle) -> float:
        """Mean mismatch over the photos."""
        if style not in self._costs:
            self._costs[style] = self._cost(style)
        return self._costs[style]

    def ahead(self, *styles: HairStyle) -> None:
        """Where there are several threads, look side by side at styles that may be asked for next:
        what is found is the same, sooner."""
        new = [style for style in dict.fromkeys(styles) if style not in self._costs]
        if torch.get_num_threads() > 1:
            costs = side_by_side([partial(self._cost, style) for style in new])
            self._costs.update(zip(new, costs, strict=True))

    def _cost(self, style: HairStyle) -> float:
        each = zip(self.seen, self._wrong, self.drawn(style), self.waves, strict=True)
        cost = float(np.mean([mismatch(*one) for one in each]))
        return cost + (self.short.too_long(style) if self.short is not None else 0.0)

    def presets(self, names: Iterable[str] = PRESETS) -> list[Found]:
        """Presets, long ones at several lengths, parted ones on both sides; best first."""
        pairs = [
            (name, variant)
            for name in names
            for variant in _variants(self._known(PRESETS[name]), not self._sided)
        ]
        self.ahead(*(variant for _, variant in pairs))
        found = [
            Found(variant, self.cost(variant) + RARE.get(name, 0.0), name)
            for name, variant in pairs
        ]
        return sorted(found, key=lambda one: one.cost)

    @property
    def _sided(self) -> bool:
        """Whether the photos show to which side hair is combed."""
        return self.part is not None or (self.fringe is not None and self.fringe.sweep != 0)

    def _known(self, style: HairStyle) -> HairStyle:
        """The style with what the photos show outright."""
        part, fringe = self.part, self.fringe
        if part is not None and style.part is not None and style.tie == "none":
            style = replace(style, part=part, fringe_sweep=_away(style.fringe_sweep, part))
        if fringe is not None and may_hang(style):
            sweep = fringe.sweep if part is None else _away(fringe.sweep, part)
            if style.part is not None and part is None and sweep:
                style = replace(style, part=_away(style.part, sweep))
            style = replace(
                style, fringe=fringe.length, fringe_width=fringe.width, fringe_sweep=sweep,
                fringe_across=fringe.across,
            )  # fmt: skip
            if fringe.across > 0.5 and part is None and style.tie == "none":
                style = replace(style, part=_away(FAR_PART, sweep))
        return replace(style, hairline=self.hairline)

    def descend(self, start: Found, rounds: int, size: float = 1.0) -> Found:
        """Steps along each quantity as long as they help; half as far in each later round."""
        best = start
        for _ in range(rounds):
            for quantity in QUANTITIES:
                if not quantity.when(best.style) or self.tried >= self.most:
                    continue
                self.ahead(*(quantity.moved(best.style, way) for way in (size, -size)))
                for way in (size, -size):
                    closer = self._step(best, quantity, way)
                    if closer is not None:
                        best = self._on(closer, quantity, way)
                        break
            size *= 0.5
        return best

    def _on(self, best: Found, quantity: Quantity, way: float) -> Found:
        """Further the same way as long as it helps."""
        while self.tried < self.most:
            further = quantity.moved(best.style, way)
            self.ahead(further, quantity.moved(further, way))
            closer = self._step(best, quantity, way)
            if closer is None:
                break
            best = closer
        return best

    def _step(self, best: Found, quantity: Quantity, way: float) -> Found | None:
        style = quantity.moved(best.style, way)
        if style == best.style:
            return None
        steps = best.steps | {quantity.name: best.steps.get(quantity.name, 0.0) + way}
        stray = STRAY * sum(value**2 for value in steps.values())
        cost = self.cost(style) + stray + RARE.get(best.preset, 0.0)
        return Found(style, cost, best.preset, steps) if cost < best.cost else None


def _variants(style: HairStyle, mirrored: bool) -> Iterator[HairStyle]:
    """The style at several lengths; `mirrored`: and its mirror image where it has a side."""
    scaled = [style]
    if style.sides > LONG and style.tie == "none":
        for scale in SCALES:
            longer = {name: scale * getattr(style, name) for name in LENGTHS}
            hem = None if style.hem is None else style.hem - 0.15 * (scale - 1)
            scaled.append(replace(style, **longer, hem=hem))
    for one in scaled:
        yield one
        if mirrored and (one.part or one.fringe_sweep):
            yield replace(
                one, part=None if one.part is None else -one.part, fringe_sweep=-one.fringe_sweep
            )


def may_hang(style: HairStyle) -> bool:
    """Whether hair of this style can hang over the forehead."""
    return style.tie == "none" and style.top > SHORTEST and style.swept_back < 0.5


def _away(value: float, other: float) -> float:
    """A sweep or a parting on the other side than `other`: fringes are swept away from partings."""
    return -float(np.sign(other)) * abs(value)
