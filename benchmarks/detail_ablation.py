"""What each part of the detail is worth: a made person's smiling photo, a part left out at a time.

Shape and light are found again where the part has a say in them; parts that only make the maps
share the fit of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.expressive_heads import ExpressivePerson
from benchmarks.neutral_head import aligned
from benchmarks.quality import Bench, Subject
from fitme.avatar.model import Avatar
from fitme.fit.pipeline import Fitted
from fitme.fit.settings import override
from fitme.fit.stages import folds
from fitme.fit.stages.maps import finished_maps
from fitme.head.tension import principal


@dataclass(frozen=True)
class Case:
    """Settings of a fit; `maps` where they change nothing but the last stage."""

    settings: dict[str, str]
    maps: bool = True
    scalar: bool = False  # tension is the mean of the principal strains, as HiFace has it


#: HRN's middle and high frequencies, HiFace's dynamic detail, and what both compare.
CASES = {
    "full": Case({}, maps=False),
    "no mid": Case({"deform.on": "false"}, maps=False),
    "no contour": Case({"terms.contour": "0"}, maps=False),
    "no high": Case({"refine.on": "false"}),
    "no relief": Case({"refine.relief": "false"}),
    "no dynamic": Case({"wrinkles": "false"}),
    "scalar tension": Case({}, scalar=True),
}


@contextmanager
def scalar_tension() -> Iterator[None]:
    """Folds by the mean strain of the skin, without a direction."""

    def mean(strain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        middle = 0.5 * (strain[..., 0] + strain[..., 1])
        return middle, middle, principal(strain)[2]

    def weights(angle: Tensor, complete: Tensor | float) -> Tensor:
        half = torch.full_like(angle, 0.5)
        return -torch.stack([half, half, 0 * half], -1) / complete

    with patch.object(folds, "principal", mean), patch.object(folds, "fold_weights", weights):
        yield


def with_maps(fit: Subject, case: Case) -> Subject:
    """The same fit with its maps made anew."""
    session, avatar = fit.session, fit.avatar
    settings = session.settings
    session.settings = override(settings, case.settings)
    try:
        with scalar_tension() if case.scalar else nullcontext():
            maps, wrinkles = finished_maps(session, fit.state, avatar.skin.diffuse_albedo.shape[1])
    finally:
        session.settings = settings
    index, skin = avatar.head.skin.index, replace(avatar.skin, **vars(maps))
    materials = (*avatar.materials[:index], skin, *avatar.materials[index + 1 :])
    made = Avatar(avatar.geometry, materials, avatar.photos, avatar.run, wrinkles, avatar.hair)
    return Subject(**(vars(fit) | {"avatar": made}))


def ablated(
    bench: Bench, person: ExpressivePerson, names: list[str]
) -> Iterator[tuple[str, Subject]]:
    """Fits of the person's photo with folds, by the cases' names; the whole first."""
    photo, settings = person.expressive.photo, bench.settings
    full = bench.fit([photo])
    for name in names:
        case = CASES[name]
        if name == "full":
            yield name, full
        elif case.maps:
            yield name, with_maps(full, case)
        else:
            bench.settings = override(settings, case.settings)
            try:
                fit = bench.fit([photo])
            finally:
                bench.settings = settings
            yield name, fit


def surface_mm(fit: Fitted, person: ExpressivePerson) -> float:
    """Mean distance of the neutral face's vertices from the true ones, after laying one on the
    other."""
    head, truth = fit.avatar.head, person.neutral.neutral
    off = (aligned(fit.avatar.neutral(), truth, head) - truth)[0, head.regions["face"] > 0.5]
    return 1000 * float(off.norm(dim=-1).mean())
