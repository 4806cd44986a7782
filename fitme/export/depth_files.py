"""Maps that engines ask for now and then, written where a user names them: cavity and thickness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fitme.detail.depth_maps import DEEPEST, THICKEST, cavity, thickness
from fitme.detail.displacement import texel_metres
from fitme.detail.static import static_height
from fitme.export.content import Exportable, on_cpu, skin_of
from fitme.image.png import encode_png
from fitme.runtime.errors import InputError

MORE_MAPS = ("cavity", "thickness")


def check_more_maps(names: Sequence[str]) -> None:
    """Raise InputError for a name that is none of MORE_MAPS."""
    for name in names:
        if name not in MORE_MAPS:
            raise InputError(f"--maps {name}: give {' or '.join(MORE_MAPS)}")


def depth_files(
    avatar: Exportable, names: Sequence[str], size: int | None, bits: int
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """(grey, linear PNGs of `bits` by their path in the export, what `fitme_export.json` says of
    them). Raises InputError for cavities of a skin without normals."""
    geometry, skin = on_cpu(avatar.geometry), skin_of(avatar)
    head, neutral = geometry.head, geometry.vertices()
    side = size or skin.diffuse_albedo.shape[1]
    files, about = {}, {}
    for name in names:
        if name == "thickness":
            values = thickness(head, neutral, side) / THICKEST
            meaning = {"millimetres_per_unit": 1000 * THICKEST}
        else:
            if skin.normal is None:
                raise InputError("the skin is smooth: it has no cavities; leave --maps cavity out")
            normal = skin.normal.cpu()
            height = static_height(head, neutral, normal)[0].numpy()
            values = cavity(height, texel_metres(head, neutral, normal.shape[1]).numpy())
            meaning = {"black_at_millimetres": 1000 * DEEPEST}
        top, kind = (255, np.uint8) if bits == 8 else (65535, np.uint16)
        path = f"textures/{name}.png"
        files[path] = encode_png(np.rint(values.clip(0, 1) * top).astype(kind))
        about[name] = {"file": path, **meaning}
    return files, about
