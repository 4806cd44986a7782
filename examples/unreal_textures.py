"""An avatar's textures for Unreal Engine: python examples/unreal_textures.py out/me out/unreal

Unreal's normal maps are DirectX (green is down), ours OpenGL (green is up); its materials take
occlusion, roughness and metalness from the channels of one picture (ORM, linear), and a
"Specular" input of F0 / 0.08 (linear), where ours is F0 with sRGB encoding.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import fitme
from fitme.export.png import encode_png
from fitme.export.textures import encode_albedo, encode_metallic_roughness, encode_normals


def main(folder: Path, out: Path) -> list[Path]:
    """Write T_Head_BaseColor.png (sRGB), T_Head_Normal.png, T_Head_ORM.png, T_Head_Specular.png."""
    avatar = fitme.Avatar.load(folder)
    skin = avatar.materials[avatar.head.part_names.index("head")]
    albedo = skin.diffuse_albedo[0].numpy()
    flat = np.zeros_like(albedo) + np.array([0, 0, 1], np.float32)
    normal = flat if skin.normal is None else skin.normal[0].numpy()
    rough = skin.roughness  # a map or one number
    roughness = rough[0, ..., 0].numpy() if isinstance(rough, torch.Tensor) else rough
    f0 = skin.specular_albedo[0].numpy().mean(-1)
    maps = {
        "BaseColor": encode_albedo(albedo),
        "Normal": encode_normals(normal * np.array([1, -1, 1], np.float32)),
        "ORM": encode_metallic_roughness(np.broadcast_to(roughness, albedo.shape[:2])),
        "Specular": encode_png((255 * np.clip(f0 / 0.08, 0, 1)).round().astype(np.uint8)),
    }
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, data in maps.items():
        written.append(out / f"T_Head_{name}.png")
        written[-1].write_bytes(data)
    return written


if __name__ == "__main__":
    for path in main(Path(sys.argv[1]), Path(sys.argv[2])):
        with Image.open(path) as picture:
            print(path, *picture.size)
