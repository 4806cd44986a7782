"""What a skin is beyond its surface: how far light goes in it, and its tone at the neck."""

from __future__ import annotations

from importlib.resources import files as package_files
from typing import Any

import numpy as np
import torch

from fitme.export.content import Exportable, skin_of
from fitme.image.color import linear_to_srgb, luminance
from fitme.reflectance.atlas import bake_vertex_field

SCRIPT = "skin_blender.py"
#: Metres that light of red, green and blue goes in skin before 1/e of it is left: the diffuse mean
#: free paths of "skin1" in Jensen et al. 2001 ("A practical model for subsurface light transport").
_FREE_PATH_M = (3.673e-3, 1.366e-3, 0.683e-3)
_LIGHT_SKIN = 0.35  # linear luminance of the albedo of the skin that these were measured on
_DARKEST = 0.6  # of the paths, in the darkest skin: melanin lies above where most of the light goes
_WEIGHT = 1.0  # of subsurface against the plain diffuse: skin has nothing else below its gloss
_SIZE = 256  # texels of the map of where the neck is
_NECK = 0.5  # of the region "neck" that counts


def skin_about(avatar: Exportable) -> dict[str, Any]:
    """The entry "skin" of `fitme_export.json`: mean tone of the neck, for joining bodies, and
    subsurface scattering."""
    albedo = skin_of(avatar).diffuse_albedo[0].cpu()
    tone = neck_tone(avatar)
    mean = float(luminance(albedo.reshape(-1, 3).mean(0, keepdim=True))[0])
    deep = float(np.clip(np.sqrt(mean / _LIGHT_SKIN), _DARKEST, 1.0))
    codes = (linear_to_srgb(torch.tensor(tone)).clamp(0, 1) * 255).round().int().tolist()
    return {
        "skin": {
            "neck_tone": {
                "linear": [round(value, 5) for value in tone],
                "srgb": "#" + "".join(f"{code:02x}" for code in codes),
            },
            "subsurface": {
                "weight": _WEIGHT,
                "radius_m": [round(deep * path, 6) for path in _FREE_PATH_M],
                "use": "radius of red, green and blue; in Blender skin_blender.py sets it",
            },
        }
    }


def neck_tone(avatar: Exportable) -> list[float]:
    """Mean linear albedo [3] of the neck; of the whole skin for a head that knows no neck."""
    head = avatar.geometry.head.to("cpu")
    albedo = skin_of(avatar).diffuse_albedo.cpu().movedim(-1, 1)
    small = torch.nn.functional.interpolate(albedo, (_SIZE, _SIZE), mode="area")[0].movedim(0, -1)
    if "neck" in head.regions:
        where = bake_vertex_field(head, head.regions["neck"][:, None], _SIZE, head.skin)[..., 0]
        chosen = small[where > _NECK]
        if len(chosen):
            return [float(value) for value in chosen.mean(0)]
    return [float(value) for value in small.reshape(-1, 3).mean(0)]


def skin_files(engine: str) -> dict[str, bytes]:
    """The script that sets the skin's shader in Blender, for its preset."""
    if engine != "blender":
        return {}
    return {SCRIPT: (package_files("fitme.export") / SCRIPT).read_bytes()}
