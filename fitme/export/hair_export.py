"""Hair in an export: its texture files, its meshes, and what `fitme_export.json` says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from fitme.export import packing
from fitme.export.content import Exportable
from fitme.export.hair import dressed, hair_maps, hair_material, hair_mesh, with_fringe
from fitme.export.joints import Floats
from fitme.export.mesh import ExportMesh
from fitme.hair.cards import HairCards
from fitme.hair.dressed import Dressed
from fitme.head.view import View


@dataclass
class HairExport:
    """What of an avatar's hair is exported."""

    avatar: Exportable
    hair: bool
    lashes: bool | None  # None: with hair
    alpha_mode: str
    view: View | None = None  # the photo whose expression the file opens with
    textures: dict[str, dict[str, str]] = field(default_factory=dict)  # mesh -> map -> file
    uses: dict[str, str] = field(default_factory=dict)  # map -> what it holds

    def items(self, level: int) -> list[Dressed]:
        """Cards of a level of detail."""
        wanted = self.hair and bool(self.avatar.hair)
        lashes = wanted if self.lashes is None else self.lashes
        if not wanted and not lashes:
            return []
        return [
            item
            for item in dressed(self.avatar, level, lashes)
            if wanted or item.cards.name == "lashes"
        ]

    def files(self, directx: bool, form: str, bits: int) -> dict[str, bytes]:
        """The texture files by their path in the export; told in `textures` and `uses`."""
        out = {}
        for item in self.items(0):
            for entry in hair_maps(item, directx):
                path = f"textures/{entry.file}.{form}"
                out[path] = packing.encode(entry.values, entry.color, form, bits)
                self.textures.setdefault(item.cards.name, {})[entry.key] = path
                self.uses[entry.key] = entry.use
        return out

    def meshes(
        self, level: int, form: str, weigh: Callable[[HairCards], Floats | None] | None = None
    ) -> list[ExportMesh]:
        """The meshes of a level of detail, on materials of form png or webp; `weigh` says what
        their joints do."""
        worn = None
        if self.view is not None:
            names = self.avatar.geometry.head.expression_names
            worn = dict(zip(names, self.view.expression[0].tolist(), strict=True))
        out = []
        for item in self.items(level):
            material = hair_material(item, form, self.alpha_mode)
            mesh = hair_mesh(item, material, worn)
            mesh = replace(mesh, joint_weights=weigh(item.cards)) if weigh else mesh
            out += with_fringe(mesh, item.cards) if self.alpha_mode == "BLEND" else [mesh]
        return out

    def about(self) -> dict[str, Any]:
        """The entry "hair" of `fitme_export.json`; none without hair."""
        if not self.textures:
            return {}
        return {
            "hair": {
                "meshes": self.textures, "maps": self.uses, "alpha_mode": self.alpha_mode,
                "alpha_cutoff": 0.5,
            }
        }  # fmt: skip
