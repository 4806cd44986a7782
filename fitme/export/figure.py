"""What an avatar hangs on and stands on in an export: a skeleton, its weights, a bust."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from fitme.export.anatomy import Anatomy, anatomy
from fitme.export.bust import bust_mesh, standing
from fitme.export.joints import Floats, Skeleton
from fitme.export.mesh import ExportMesh
from fitme.export.skeletons import make_skeleton
from fitme.export.skin_weights import NearSkin, hair_weights, head_weights
from fitme.export.vrm import vrm_extension
from fitme.hair.cards import HairCards
from fitme.head.geometry import Geometry
from fitme.runtime.errors import InputError


class Figure:
    """One person's skeleton by the name of a preset, "none" for none, with a bust or without; the
    geometry is on the CPU. Nothing is computed before it is asked for."""

    def __init__(self, geometry: Geometry, name: str, bust: bool) -> None:
        self.geometry, self.name, self.bust = geometry, name, bust

    @cached_property
    def joints(self) -> Anatomy:
        return anatomy(self.geometry)

    @cached_property
    def skeleton(self) -> Skeleton | None:
        return None if self.name == "none" else make_skeleton(self.name, self.joints)

    @cached_property
    def _weights(self) -> Floats:
        return head_weights(self.geometry, self.joints)

    @cached_property
    def _around(self) -> NearSkin:
        return NearSkin(self.geometry, self._weights, self.joints.rim)

    @property
    def weights(self) -> Floats | None:
        """Weights [V,6] of all vertices of the head; None without a skeleton."""
        return None if self.skeleton is None else self._weights

    def hair_weights(self, cards: HairCards) -> Floats | None:
        """Weights [N,6] of a mesh of cards; None without a skeleton."""
        if self.skeleton is None:
            return None
        return hair_weights(cards, self._around, self._weights)

    def more(self, level: int) -> list[ExportMesh]:
        """The bust of a level of detail, if there is one."""
        if not self.bust:
            return []
        rest = self.geometry.vertices()[0].double().numpy()
        made = bust_mesh(rest, self.joints.rim, self._around, level)
        legs = self.skeleton is not None and "leftToes" in self.skeleton.standard
        return [standing(made, -self.skeleton.raised) if self.skeleton and legs else made]

    def extension(self, terms: str) -> Callable[[Any], None]:
        """What makes the GLB a VRM file. Raises InputError without a skeleton that has limbs."""
        if self.skeleton is None:
            raise InputError("VRM needs a skeleton; leave --skeleton out")
        return vrm_extension(self.skeleton, "fitme avatar", terms)

    def about(self) -> dict[str, Any]:
        """The entry "joints" of `fitme_export.json`; none without one."""
        if self.skeleton is None:
            return {}
        skeleton = self.skeleton
        return {
            "joints": {
                "names": dict(skeleton.roles),
                "jaw_open_degrees": round(self.joints.jaw_degrees, 2),
                "use": "turn the jaw by jaw_open_degrees about its X axis for what the shape"
                " jawOpen does in full, and eyes as eyeLook... do: drive joint or shape, not both",
                "raised": skeleton.raised,
            }
        }
