"""Steps, sizes, rates and loss weights of a fit: one dataclass, three presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from fitme.runtime.errors import InputError


@dataclass(frozen=True)
class FitPreset:
    """Everything a user may override. Sizes are pixels or texels a side."""

    # steps and sizes
    light_steps: int = 50
    light_pixels: int = 160
    light_texels: int = 128
    invert_steps: int = 90
    invert_pixels: int = 256
    invert_texels: int = 256
    tune_steps: int = 30
    tune_pixels: int = 384
    tune_texels: int = 512
    refine: bool = True  # last texel refinement from the photo's fine detail
    relief: bool = True  # which also takes what of it is shading into the normals
    wplus: bool = False  # tune W+ (Abdal et al. 2019) instead of the generator's weights
    # parts that can be left out, to see what they contribute
    specular: bool = True
    normals: bool = True  # the generator's; without them the mesh's own
    mask: bool = True  # of what is not skin
    hair: bool = True  # the scalp carries the head's hair, cropped; without, it is made bald
    whites: bool = True  # of the eyes tell the light's colour
    lamp_share: float = 0.3  # of the light's first harmonics that becomes a directional light
    # losses
    photometric: float = 60.0
    photometric_scale: float = 0.12  # display colour at which the loss bends
    tune_scale: float = 0.25
    structure: float = 1.5
    chromaticity: float = 0.2  # while tuning
    lpips: float = 0.3  # where its network is there, see `fitme models`
    recognition: float = 0.2  # cosine distance of face features, likewise
    landmark: float = 0.3
    landmark_sigma: float = 0.025  # interocular distances
    scalp: float = 0.1  # of hair's colour on top of the head
    opening: float = 0.5  # of lips and lids
    opening_sigma: float = 0.012  # interocular distances
    # priors
    code: float = 0.2
    identity: float = 0.04
    expression: float = 0.15
    tint: float = 0.05
    color: float = 2.0
    strength: float = 0.04
    smooth: float = 0.05
    lamp: float = 0.02
    iris: float = 0.004
    # rates
    shape_rate: float = 0.08  # of the identity, per step of the inversion
    tune_rate: float = 2e-3
    wplus_rate: float = 0.02
    mirror: float = 4.0
    pivot: float = 2.0
    hue: float = 1.5  # skin's hue stays as W has it at the scale at which coloured light varies


PRESETS: dict[str, FitPreset] = {
    "fast": FitPreset(
        light_steps=28, invert_steps=40, invert_pixels=192, invert_texels=128, tune_steps=0
    ),
    "default": FitPreset(),
    "best": FitPreset(
        light_steps=60, invert_steps=160, tune_steps=60, tune_pixels=512, tune_texels=1024
    ),
}


def choose_preset(preset: str | FitPreset) -> FitPreset:
    """A preset by name, or the given one. Raises InputError for an unknown name."""
    if isinstance(preset, FitPreset):
        return preset
    if preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}; choose {', '.join(PRESETS)}")
    return PRESETS[preset]


def override(preset: FitPreset, changes: Mapping[str, str]) -> FitPreset:
    """`preset` with fields replaced by values read from text, as in `--set tune_steps=60`.

    Raises InputError for an unknown field or a value of the wrong kind.
    """
    known = {item.name: getattr(preset, item.name) for item in fields(preset)}
    values: dict[str, Any] = {}
    for name, text in changes.items():
        if name not in known:
            raise InputError(f"unknown setting {name!r}; `fitme presets` lists them")
        values[name] = _read(name, text, known[name])
    return replace(preset, **values)


def _read(name: str, text: str, like: float | bool) -> float | bool:
    """`text` as a value of the type of `like`."""
    if isinstance(like, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise InputError(f"{name}={text}: give true or false")
    try:
        value = type(like)(text)
    except ValueError:
        kind = "a whole number" if isinstance(like, int) else "a number"
        raise InputError(f"{name}={text}: give {kind}") from None
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{name}={text}: give a finite number of at least 0")
    return value
