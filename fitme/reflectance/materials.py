"""Which material which part of a head has."""

from __future__ import annotations

from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.reflectance.mouth import mouth_materials
from fitme.render import Material


def part_materials(head: HeadModel, skin: Material, eyes: Material) -> list[Material]:
    """One material per part of the head, in `part_names` order; drawn ones inside the mouth."""
    of_role = {Role.SKIN: skin, Role.EYE: eyes, **mouth_materials(str(head.device))}
    return [of_role.get(part.role, of_role[Role.MOUTH]) for part in head.parts]
