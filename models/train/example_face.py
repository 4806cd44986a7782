"""The picture that `fitme doctor` looks for a face in: the mean head with the mean skin.

    python -m fitme.models.train.example_face

writes fitme/landmarks/example_face.jpg and prints where the eyes lie in it, for
`fitme.landmarks.example`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from fitme.head.model import load_head
from fitme.landmarks.face import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS
from fitme.models.stylegan2 import load_generator
from fitme.reflectance.regions import AtlasRegions
from fitme.sample import MASK_TEXELS, draw_samples, portrait, portrait_camera, sample_avatar

OUT = Path(__file__).resolve().parents[2] / "fitme" / "landmarks" / "example_face.jpg"
SIDE = 256
QUALITY = 88
TEXELS = 512


def main() -> None:
    head, generator = load_head(), load_generator()
    (sample,) = draw_samples(generator, head, 1, seed=0, truncation=0.0)
    sample.identity.zero_()
    sample.iris.zero_()
    avatar = sample_avatar(generator, head, AtlasRegions(head, MASK_TEXELS), sample, TEXELS)
    Image.fromarray(portrait(avatar, "studio", SIDE)).save(OUT, quality=QUALITY)
    camera = portrait_camera(head, SIDE, SIDE)
    points = camera.project(head.landmarks(head.mean[None]))[0]
    for name, corners in (("right", RIGHT_EYE_CORNERS), ("left", LEFT_EYE_CORNERS)):
        x, y = points[list(corners)].mean(0).tolist()
        print(f"{name} eye: ({x:.1f}, {y:.1f})")


if __name__ == "__main__":
    with torch.no_grad():
        main()
