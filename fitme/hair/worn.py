"""`Hair`: what one person wears, as parameters; the same strands grow from them each time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from fitme.hair.beard import grow_beard
from fitme.hair.color import HairColor
from fitme.hair.gravity import UPRIGHT, Down
from fitme.hair.grow import grow
from fitme.hair.strands import Strands
from fitme.hair.styles import BeardStyle, HairStyle, Tie
from fitme.head.model import HeadModel

Floats = NDArray[np.floating[Any]]
Part = TypeVar("Part", HairStyle, BeardStyle, HairColor)

STRANDS = 12000  # of the head: fine enough for pictures of 1024 px, grown in two seconds
BEARD_STRANDS = 4000
LISTS = ("hairline", "outline", "bands", "locks")
# Fields that files of earlier versions have not: they keep their defaults.
LATER = (*LISTS, "fringe_across", "mess")
LARGEST = 1e4  # of any number in a file: beyond it nothing can be meant
KEPT = 8  # grown heads that are kept: in a fit those of the report's poses


@dataclass(frozen=True)
class Hair:
    """Hair of the head and beard; None where there is none."""

    style: HairStyle | None = None
    color: HairColor = field(default_factory=HairColor)
    beard: BeardStyle | None = None
    seed: int = 0

    def __bool__(self) -> bool:
        return self.style is not None or self.beard is not None

    def strands(
        self, head: HeadModel, vertices: Floats, *, count: int = STRANDS, down: Down = UPRIGHT
    ) -> Strands:
        """Its strands on a head with `vertices` [V,3], metres, of any shape and expression; they
        grow once per head and way `down` that they fall, and follow it from then on.

        Raises ValueError where there is no hair at all.
        """
        if not self:
            raise ValueError("a head without hair has no strands")
        key = (id(head), self, count, down, vertices.tobytes())
        with _LOCK:
            if key not in _POSED:
                posed = _grown(self, head, count, down).on(vertices)
                _make_room(_POSED)
                _POSED[key] = (head, posed)
            return _POSED[key][1]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready entry "hair" of fit.json."""
        return {
            "style": None if self.style is None else asdict(self.style),
            "color": asdict(self.color),
            "beard": None if self.beard is None else asdict(self.beard),
            "seed": self.seed,
        }

    @staticmethod
    def from_dict(data: Any) -> Hair:
        """The inverse of `to_dict`. Raises ValueError naming what is missing or cannot be."""
        if not isinstance(data, Mapping):
            raise ValueError("hair is no object")
        color, seed = _read(data, "color", HairColor), data.get("seed")
        if color is None:
            raise ValueError("hair: color is missing")
        if type(seed) is not int or not 0 <= seed < 2**32:
            raise ValueError("hair: seed is missing or no whole number from 0 to 4294967295")
        return Hair(
            _read(data, "style", HairStyle), color, _read(data, "beard", BeardStyle), seed
        )  # fmt: skip


# Strands on the mean head and on posed ones, those asked for last; the head is kept with them so
# that its id stays its own.
_CACHE: dict[tuple[int, Hair, int, Down], tuple[HeadModel, Strands]] = {}
_LOCK = threading.Lock()  # what one thread grows another one waits for
_POSED: dict[tuple[int, Hair, int, Down, bytes], tuple[HeadModel, Strands]] = {}


def _make_room(cache: dict[Any, Any]) -> None:
    while len(cache) >= KEPT:
        cache.pop(next(iter(cache)))


def _grown(hair: Hair, head: HeadModel, count: int, down: Down) -> Strands:
    """The strands on the mean shape of the head; those asked for last are kept."""
    key = (id(head), hair, count, down)
    if key not in _CACHE:
        parts = []
        if hair.style is not None:
            parts.append(grow(head, hair.style, hair.seed, count, down))
        if hair.beard is not None:
            parts.append(grow_beard(head, hair.beard, hair.seed, BEARD_STRANDS))
        _make_room(_CACHE)
        _CACHE[key] = (head, Strands.join(parts))
    return _CACHE[key][1]


def _read(data: Mapping[str, Any], name: str, kind: type[Part]) -> Part | None:
    """data[name] as one of the dataclasses, every field of it; None for None."""
    values = data.get(name)
    if values is None:
        return None
    if not isinstance(values, Mapping):
        raise ValueError(f"hair: {name} is no object")
    known = {item.name: item.default for item in fields(kind)}
    odd = sorted((values.keys() | set(LATER) & known.keys()) ^ known.keys())
    if odd:
        raise ValueError(f"hair: {name}.{odd[0]} is missing or unknown")
    try:
        return kind(**{key: _value(key, value, known[key]) for key, value in values.items()})
    except ValueError as error:
        raise ValueError(f"hair: {name}: {error}") from error


def _value(name: str, value: Any, default: Any) -> Any:
    """One field of a style or colour; ValueError naming it where it cannot be."""
    if name == "tie":
        if value not in get_args(Tie):
            raise ValueError(f"tie is none of {', '.join(get_args(Tie))}")
        return value
    if value is None and default is None:
        return None
    if name in LISTS:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{name} is no list of numbers")
        return tuple(_number(name, one) for one in value)
    if name == "dye":
        if not isinstance(value, list | tuple) or len(value) != 3:
            raise ValueError("dye is no list of three numbers")
        return tuple(_number("dye", one) for one in value)
    if isinstance(default, int):
        if type(value) is not int or not 0 < value <= LARGEST:
            raise ValueError(f"{name} is no whole number from 1 to {LARGEST:.0f}")
        return value
    return _number(name, value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise ValueError(f"{name} is no number")
    return float(value)
