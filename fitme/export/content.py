"""What an export is made from, and what its files say about their origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fitme.detail.wrinkles import Wrinkles
from fitme.hair import Hair
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel
from fitme.head.view import View
from fitme.render import Material
from fitme.runtime.versions import installed_version


class Seen(Protocol):
    """How one photo saw the head."""

    @property
    def view(self) -> View: ...


class Run(Protocol):
    """Which program made it."""

    @property
    def fitme(self) -> str | None: ...


class Exportable(Protocol):
    """A shape, a material per part of its head in their order, its photos, the run that made it,
    the folds of its expressions and its hair; a `fitme.Avatar` is one."""

    @property
    def geometry(self) -> Geometry: ...
    @property
    def materials(self) -> tuple[Material, ...]: ...
    @property
    def photos(self) -> Sequence[Seen]: ...
    @property
    def run(self) -> Run: ...
    @property
    def wrinkles(self) -> Wrinkles | None: ...
    @property
    def hair(self) -> Hair | None: ...


def skin_of(avatar: Exportable) -> Material:
    """The material of the part that carries the generator's maps."""
    return avatar.materials[avatar.geometry.head.skin.index]


def generator_name() -> str:
    """What wrote a file: "fitme" and its version."""
    return f"fitme {installed_version() or '(unknown version)'}"


def copyright_note(head: HeadModel) -> str:
    """What may be done with a model made on a head: what the licences of the weights allow.

    `fitme head convert` notes a licence in the models that it makes; the head that comes with
    fitme has none noted there, as it is the package's own.
    """
    licence = head.metadata.get("licence")
    source = head.metadata.get("source", "unknown source")
    if licence is None:
        terms = f"Head model ({source}) and reflectance weights that come with fitme: Apache-2.0,"
        terms += " commercial use allowed"
    else:
        terms = f"Head model ({source}): licence {licence}. Reflectance weights that come"
        terms += " with fitme: Apache-2.0"
    return f"{terms}. Rights in the photos and in the person's likeness stay with their holders."


#: What files say of their size. A child's head comes out with an adult's size, and its proportions.
SCALE_NOTE = (
    "Metres of an adult's usual head: photos have no scale, so the size of the person's own, a"
    " child's above all, is a guess. Measure it and scale the model."
)


def on_cpu(geometry: Geometry) -> Geometry:
    """The same on the CPU; itself where it is there, as what hair grows on is kept per head."""
    return geometry if geometry.identity.device.type == "cpu" else geometry.to("cpu")
