"""The parts of a head: the only place, beside the export's tables, that knows their names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """What a part is made of and how it moves."""

    SKIN = "skin"  # the generator's maps
    EYE = "eye"  # turns with the gaze
    MOUTH = "mouth"  # gums, palate, teeth, tongue
    HAIR = "hair"


_ROLES = {
    "head": Role.SKIN,
    "eye_L": Role.EYE,
    "eye_R": Role.EYE,
    "mouth": Role.MOUTH,
    "teeth": Role.MOUTH,
    "tongue": Role.MOUTH,
    "hair": Role.HAIR,
}


@dataclass(frozen=True)
class Part:
    """One part of a head: its name in files, its place among them, and its role."""

    name: str
    index: int
    role: Role


def parts_of(names: tuple[str, ...]) -> tuple[Part, ...]:
    """The parts with these names; what no table knows counts as the inside of the mouth."""
    return tuple(
        Part(name, index, _ROLES.get(name, Role.MOUTH)) for index, name in enumerate(names)
    )
