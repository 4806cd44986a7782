"""Draw an avatar under three lights: python examples/relight.py out/astronaut relit"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

import fitme
from fitme.render.picture import render_rgba


def relight(folder: Path, out: Path, resolution: int = 512) -> list[Path]:
    """Write out/studio.png, out/rim.png and out/sunset.png, the head turned by 20 degrees."""
    avatar = fitme.Avatar.load(folder)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name in ("studio", "rim", "sunset"):
        light = fitme.Light.preset(name)
        picture = avatar.render_view(yaw=20, light=light, resolution=resolution)
        Image.fromarray(render_rgba(picture)).save(out / f"{name}.png")
        written.append(out / f"{name}.png")
    return written


if __name__ == "__main__":
    for path in relight(Path(sys.argv[1]), Path(sys.argv[2])):
        print(path)
