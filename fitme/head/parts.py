"""The parts of a head: the only place, beside the export's tables, that knows their names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """What a part is made of and how it moves."""

    SKIN = "skin"  # the generator's maps
    EYE = "eye"  # turns with the gaze
    MOUTH = "mouth"  # the bag behind the lips
    TEETH = "teeth"
    TONGUE = "tongue"  # with gums and palate
    HAIR = "hair"


_ROLES = {
    "head": Role.SKIN,
    "eye_L": Role.EYE,
    "eye_R": Role.EYE,
    "mouth": Role.MOUTH,
    "teeth": Role.TEETH,
    "tongue": Role.TONGUE,
    "hair": Role.HAIR,
}
_SIDES = {"eye_L": 0, "eye_R": 1}  # the person's left comes first, as in gazes
_INSIDE_MOUTH = frozenset({Role.MOUTH, Role.TEETH, Role.TONGUE})


@dataclass(frozen=True)
class Part:
    """One part of a head: its name in files, its place among them, and its role."""

    name: str
    index: int
    role: Role

    @property
    def side(self) -> int:
        """Of an eye: 0 is the person's left, 1 the right; its row in gazes and in the model's
        `eye_ring`. Raises KeyError for a part that is no eye."""
        return _SIDES[self.name]

    @property
    def is_skin(self) -> bool:
        """Whether the part carries the generator's maps."""
        return self.role is Role.SKIN

    @property
    def is_inside_mouth(self) -> bool:
        """Whether the part lies behind the lips, where little light comes in."""
        return self.role in _INSIDE_MOUTH


def parts_of(names: tuple[str, ...]) -> tuple[Part, ...]:
    """The parts with these names; what no table knows counts as the inside of the mouth."""
    return tuple(
        Part(name, index, _ROLES.get(name, Role.MOUTH)) for index, name in enumerate(names)
    )
