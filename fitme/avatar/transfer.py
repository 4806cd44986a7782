"""One person's shape with another's detail and expression: HiFace's transfers.

HiFace (arXiv 2303.11225, section 4.4) exchanges static detail, dynamic detail and expression of two
people one by one. Here static detail is the normal map of the neutral skin, dynamic detail are the
folds that an expression adds, and the expression is that of a photo.
"""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F

from fitme.avatar.model import Avatar
from fitme.reflectance.atlas import resized
from fitme.render import Material
from fitme.runtime.errors import InputError


def transferred(
    base: Avatar, *, static: Avatar | None = None, dynamic: Avatar | None = None,
    expression: Avatar | None = None,
) -> Avatar:  # fmt: skip
    """Shape, albedo and photos of `base`, with the normals of the neutral skin of `static`, the
    folds of `dynamic`, and the expression of the first photo of `expression` in every photo.

    A base without photos takes that first photo as it is, with its view and light. Raises
    InputError for avatars of different head models and for an `expression` without photos.
    """
    given = {"--static": static, "--dynamic": dynamic, "--expression": expression}
    fingerprint = base.head.fingerprint()
    for option, other in given.items():
        if other is not None and other.head.fingerprint() != fingerprint:
            raise InputError(
                f"{option}: the avatar is made with another head model; give one of the same"
            )
    made = base
    if static is not None:
        made = replace(made, materials=_with_normals(made, static))
    if dynamic is not None:
        folds = dynamic.wrinkles
        made = replace(made, wrinkles=folds and folds.to(base.head.device))
    if expression is not None:
        made = _with_expression(made, expression)
    sources = [option[2:] for option, other in given.items() if other is not None]
    if not sources:
        return made
    note = {
        "kind": "transfer", "severity": "info",
        "text": f"from other avatars: {', '.join(sources)}", "photo": None,
    }  # fmt: skip
    return replace(made, run=replace(made.run, notes=(*made.run.notes, note)))


def _with_normals(base: Avatar, static: Avatar) -> tuple[Material, ...]:
    """The materials of `base`, the skin's with the normals of `static` in its own size."""
    index, skin = base.head.skin.index, base.skin
    normal = static.skin.normal
    if normal is not None:
        own = skin.diffuse_albedo if skin.normal is None else skin.normal
        sized = resized(normal.to(base.head.device), own.shape[1])
        normal = F.normalize(sized, dim=-1)
    materials = list(base.materials)
    materials[index] = replace(skin, normal=normal)
    return tuple(materials)


def _with_expression(base: Avatar, other: Avatar) -> Avatar:
    """`base` whose photos show the expression of the other's first photo."""
    if not other.photos:
        raise InputError("--expression: the avatar has no photo to take an expression from")
    (first, *_) = other.to(base.head.device).photos
    if not base.photos:
        return replace(base, photos=(first,))
    photos = tuple(
        replace(photo, view=replace(photo.view, expression=first.view.expression))
        for photo in base.photos
    )
    return replace(base, photos=photos)
