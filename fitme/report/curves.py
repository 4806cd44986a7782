"""Loss curves: one chart per stage, logarithmic, with a table as its legend."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 520.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 12.0, 12.0, 34.0
SHOWN = 6  # the terms with the largest values get a line; the page has a colour for each
TOTAL = "total"


def read_history(data: Any) -> dict[str, dict[str, list[float]]]:
    """{stage: {loss: values}} of what `fit.json` has under "history"; what is no such thing is
    left out, as the file may come from anywhere."""
    stages: dict[str, dict[str, list[float]]] = {}
    if not isinstance(data, Mapping):
        return stages
    for stage, losses in data.items():
        if not isinstance(losses, Mapping):
            continue
        terms = {
            str(name): [float(v) for v in values]
            for name, values in losses.items()
            if isinstance(values, Sequence)
            and len(values) > 0
            and all(isinstance(v, int | float) and math.isfinite(v) for v in values)
        }
        if terms:
            stages[str(stage)] = terms
    return stages


@dataclass(frozen=True)
class Row:
    """A line of a chart's table: a loss, the class of its colour, its first and last value."""

    name: str
    color: str
    first: str
    last: str


@dataclass(frozen=True)
class Chart:
    """One stage's losses, laid out in WIDTH x HEIGHT units; the template draws it."""

    stage: str
    steps: int
    grid: tuple[tuple[str, str], ...]  # height and label of the lines across
    ticks: tuple[tuple[str, int], ...]  # place and number of the steps that are named
    lines: tuple[tuple[str, str], ...]  # class of the colour and points, the first on top
    rows: tuple[Row, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT


def loss_chart(stage: str, terms: Mapping[str, Sequence[float]]) -> Chart:
    """The chart of one stage. `terms`: loss -> value per step."""
    steps = max(len(values) for values in terms.values())
    lines: dict[str, Sequence[float]] = {}
    if len(terms) > 1:
        whole = [values for values in terms.values() if len(values) == steps]
        lines[TOTAL] = [sum(step) for step in zip(*whole, strict=True)]
    ranked = sorted(terms, key=lambda name: -max(abs(v) for v in terms[name]))
    lines |= {name: terms[name] for name in ranked[:SHOWN]}
    axis = _Axis(steps, [v for values in lines.values() for v in values])
    rows = {**lines, **{name: terms[name] for name in ranked[SHOWN:]}}
    return Chart(
        stage=stage,
        steps=steps,
        grid=axis.grid(),
        ticks=tuple((f"{axis.x(step - 1):.1f}", step) for step in _ticks(steps)),
        lines=tuple(
            (_color(name, place), axis.points(values))
            for place, (name, values) in enumerate(lines.items())
        ),
        rows=tuple(
            Row(name, _color(name, place), _number(values[0]), _number(values[-1]))
            for place, (name, values) in enumerate(rows.items())
        ),
    )


def _color(name: str, place: int) -> str:
    """Class of a line: the total stands out, the terms have colours, the rest has none."""
    if name == TOTAL and place == 0:
        return "total"
    return f"c{place}" if place <= SHOWN else "none"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1e4 else f"{value:.1e}"


class _Axis:
    """Steps to x, values to y, logarithmic, over at most four decades below the largest."""

    def __init__(self, steps: int, values: Sequence[float]) -> None:
        self.steps = steps
        top = max([v for v in values if v > 0], default=1.0)
        low = max(min([v for v in values if v > 0], default=top), top * 1e-4)
        self.high = math.log10(top * 1.15)
        self.low = min(math.log10(low * 0.85), self.high - 0.5)

    def x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / max(self.steps - 1, 1)

    def y(self, value: float) -> float:
        height = math.log10(value) if value > 0 else self.low
        share = (min(max(height, self.low), self.high) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def points(self, values: Sequence[float]) -> str:
        shown = list(enumerate(values))
        if len(shown) == 1:  # a line needs two ends
            shown.append((1, values[0]))
        return " ".join(f"{self.x(k):.1f},{self.y(v):.1f}" for k, v in shown)

    def grid(self) -> tuple[tuple[str, str], ...]:
        """Heights and labels at 1, 2 and 5 of each decade (1 only over more than two)."""
        wide = self.high - self.low > 2
        values = (
            factor * 10.0**decade
            for decade in range(math.floor(self.low), math.ceil(self.high) + 1)
            for factor in ((1,) if wide else (1, 2, 5))
        )
        return tuple(
            (f"{self.y(value):.1f}", f"{value:g}")
            for value in values
            if self.low <= math.log10(value) <= self.high
        )


def _ticks(steps: int) -> list[int]:
    """Round step numbers, counted from 1, about five of them, the last one always."""
    rough = max(steps / 5, 1)
    base = 10 ** math.floor(math.log10(rough))
    every = next(base * m for m in (1, 2, 5, 10) if base * m >= rough)
    ticks = [step for step in range(every, steps + 1, every) if steps - step > 0.6 * every]
    return [*ticks, steps]
