"""A FLAME head of your own: python examples/flame_head.py generic_model.pkl out/flame [JPG JSON]

FLAME comes from flame.is.tue.mpg.de under its own licence. What works with another head than the
one of fitme: converting, rendering, expressions, GLB export and, when you also give a JSON file
with the 478 MediaPipe points on the model (`fitme head convert --landmarks` describes it), its
shape and pose from a photo's landmarks. What does not: `fitme fit`, which paints the skin, since
the reflectance generator was trained in the texture layout of fitme's own head.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image

import fitme
from fitme.fit.align import Aligner
from fitme.head.formats import convert_head
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel
from fitme.image.photo import load_photo
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.landmarks.select import select_face
from fitme.reflectance.skin import MeanReflectance, Tone
from fitme.render.picture import render_rgba


def plain_avatar(head: HeadModel, identity: torch.Tensor, texture: int = 256) -> fitme.Avatar:
    """An avatar of a medium skin without details; `identity` [1, K] are the model's own."""
    materials = MeanReflectance(head, texture).materials(Tone.zeros())
    return fitme.Avatar(Geometry(head, identity), tuple(materials))


def shape_of_photo(head: HeadModel, photo_file: Path) -> torch.Tensor:
    """Identity coefficients [1, K] of the largest face in a photo, from its landmarks."""
    photo = load_photo(photo_file)
    face = select_face(MediaPipeLandmarks().detect(photo), None, photo_file)
    found = Aligner(head).align(face, photo.width, photo.height, photo.focal_px)
    print(f"landmarks lie {100 * found.error:.1f} % of the distance between the eyes away")
    return found.identity


def main(model: Path, out: Path, photo: Path | None = None, landmarks: Path | None = None) -> None:
    """Write out/head.safetensors, out/avatar (GLB and textures) and two pictures."""
    out.mkdir(parents=True, exist_ok=True)
    head = convert_head(model, out / "head.safetensors", landmarks=landmarks, overwrite=True)
    if photo is None:
        identity = 0.7 * torch.randn(1, len(head.identity), generator=torch.manual_seed(0))
    else:
        identity = shape_of_photo(head, photo)
    avatar = plain_avatar(head, identity)
    # Read it with Avatar.load(folder, head), or `fitme render FOLDER --head head.safetensors`.
    avatar.save(out / "avatar", overwrite=True)
    for name, weights in (("neutral", {}), ("open", {"jawOpen": 1.0})):
        picture = avatar.render_view(yaw=25, resolution=512, expression=weights)
        Image.fromarray(render_rgba(picture)).save(out / f"{name}.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
