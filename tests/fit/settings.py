"""Settings for tests in which only the way matters and not the goal."""

from __future__ import annotations

from fitme.fit.settings import FitSettings, override

QUICK = override(
    FitSettings(),
    {
        "light.steps": 2, "light.pixels": 64,
        "invert.steps": 2, "invert.pixels": 160, "invert.texels": 128,
        "tune.steps": 2, "tune.pixels": 160, "tune.texels": 128, "hair": "crop",
    },
)  # fmt: skip
