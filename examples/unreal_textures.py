"""An avatar's textures for Unreal Engine: python examples/unreal_textures.py out/me out/unreal

Unreal's normal maps are DirectX (green is down), ours OpenGL (green is up); its materials take
occlusion, roughness and metalness from the channels of one picture (ORM, linear), and a
"Specular" input of F0 / 0.08 (linear), where ours is F0 with sRGB encoding. `fitme export --preset
unreal` also writes the mesh and ambient occlusion.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

import fitme
from fitme.export import packing


def main(folder: Path, out: Path) -> list[Path]:
    """Write T_Head_BaseColor.png (sRGB), T_Head_Normal.png, T_Head_ORM.png, T_Head_Specular.png."""
    avatar = fitme.Avatar.load(folder)
    maps = packing.map_set(avatar.skin, occlusion=None, size=None)
    files = {
        "BaseColor": packing.encode(packing.diffuse_albedo(maps), color=True),
        "Normal": packing.encode(packing.normal_directx(maps), color=False),
        "ORM": packing.encode(packing.occlusion_roughness_metallic(maps), color=False),
        "Specular": packing.encode(packing.unreal_specular(maps), color=False),
    }
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, data in files.items():
        written.append(out / f"T_Head_{name}.png")
        written[-1].write_bytes(data)
    return written


if __name__ == "__main__":
    for path in main(Path(sys.argv[1]), Path(sys.argv[2])):
        with Image.open(path) as picture:
            print(path, *picture.size)
