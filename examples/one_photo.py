"""One photo to an avatar: python examples/one_photo.py examples/astronaut.png out/astronaut"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

import fitme
from fitme.fit.settings import FitSettings
from fitme.render.picture import render_rgba
from fitme.runtime.progress import TqdmProgress


def main(
    photo: Path, out: Path, preset: str | FitSettings = "default", size: int = 1024
) -> fitme.Avatar:
    """Fit, write the avatar to `out` and a picture from the side to out_side.png."""
    avatar = fitme.fit(photo, preset=preset, size=size, progress=TqdmProgress())
    print(f"landmark error {100 * avatar.photos[0].landmark_error:.2f} % of the eyes' distance")
    avatar.save(out, overwrite=True)
    side = avatar.render_view(yaw=40, light=fitme.Light.preset("studio"), resolution=512)
    Image.fromarray(render_rgba(side)).save(out.with_name(f"{out.name}_side.png"))
    return avatar


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
