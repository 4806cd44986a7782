"""How well head and hair of fits fill the person's outline in photos, and a sheet for the eye.

    python -m benchmarks.hair --photos ../shared/data/photos --out out/hair --preset fast

Fits each photo into OUT/NAME, or takes what an earlier run left there. Prints the intersection
over union of the drawn silhouette with MediaPipe's mask of persons, of what is above the chin and
no clothes within the square that the encoder sees: with hair, and of the bare head beside it. The
sheets show photo, mask, the avatar in the photo, and the neutral head under studio light from the
front, at 35 and 90 degrees.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.segmenters import person_mask
from fitme.avatar.model import Avatar
from fitme.avatar.relight import facing_camera, posed_vertices, relit
from fitme.fit.api import FitRequest
from fitme.fit.hair.evidence import window_camera
from fitme.fit.pipeline import fit_request
from fitme.image.photo import Photo, load_photo
from fitme.render.camera import Camera
from fitme.render.light import Light
from fitme.render.picture import over, to_bytes
from fitme.runtime.errors import FitmeError
from fitme.segment.encoder import FaceEncoder
from fitme.segment.frame import Frame
from fitme.segment.labels import Label

TILE = 320  # pixels a side of a sheet's pictures, and of the masks that are compared
YAWS = (0.0, 35.0, 90.0)
BACKDROP = 0.1  # linear grey
CHIN = (0.0, -0.083, 0.075)  # metres on the mean head


def fitted(photo: Path, folder: Path, preset: str) -> Avatar:
    """The avatar of a photo, from `folder` if it is there, else fitted and saved there."""
    if not (folder / "fit.json").exists():
        fit_request(FitRequest.of(photo, preset=preset)).avatar.save(folder)
    return Avatar.load(folder)


def window(avatar: Avatar) -> Frame:
    """The square of the photo that the encoder would look at."""
    points = avatar.head.landmarks(avatar.posed(0))
    return Frame.around_points(avatar.photos[0].view.camera().project(points)[0])


def above_chin(avatar: Avatar, camera: Camera) -> Tensor:
    """[n,n] bool: pixels that are not lower than the chin, seen along the head's own axis."""
    near = (avatar.head.mean - avatar.head.mean.new_tensor(CHIN)).norm(dim=-1).argmin()
    chin = avatar.posed(0)[0, near]
    points = torch.stack([chin, chin + chin.new_tensor([0, 0.05, 0])])
    low, high = camera.project(points[None])[0]
    axis = torch.arange(camera.height) + 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return ((torch.stack([x, y], -1) - low) @ (high - low)) > 0


def overlap(found: Tensor, truth: Tensor, where: Tensor) -> float:
    """IoU of two masks within a third."""
    both = (found & truth & where).sum()
    return float(both / ((found | truth) & where).sum().clamp_min(1))


def measure(avatar: Avatar, photo: Photo, encoder: FaceEncoder) -> tuple[float, float, np.ndarray]:
    """IoU with hair, IoU of the bare head, and the sheet's row [TILE, 6 * TILE, 3]."""
    frame, seen = window(avatar), avatar.photos[0]
    camera = window_camera(seen.view.camera(), frame, TILE)
    mask = torch.from_numpy(person_mask(photo, frame, TILE))
    axis = torch.arange(TILE) + 0.5
    x = frame.left + axis * frame.side / TILE
    y = frame.top + axis * frame.side / TILE
    inside = ((y > 0) & (y < photo.height))[:, None] & ((x > 0) & (x < photo.width))[None]
    clothes = encoder.encode(photo, frame).labels[[Label.CLOTHES, Label.OTHER]].sum(0)
    worn = F.interpolate(clothes[None, None], (TILE, TILE), mode="bilinear")[0, 0] > 0.5
    where = above_chin(avatar, camera) & inside & ~worn
    posed = avatar.posed(0)
    drawn = avatar.render(camera, seen.light, posed)
    bare = avatar.render(camera, seen.light, posed, hair=False)
    scores = [overlap(out.alpha[0, ..., 0] > 0.5, mask, where) for out in (drawn, bare)]
    pixels = photo.crop(frame.left, frame.top, frame.side, frame.side, (TILE, TILE)).pixels
    shown = torch.stack([mask * where, drawn.alpha[0, ..., 0] * where, mask.float()], -1).float()
    tiles = [to_bytes(pixels), to_bytes(shown), to_bytes(over(drawn, pixels))]
    neutral = posed_vertices(avatar, neutral=True)
    for yaw in YAWS:
        view = facing_camera(avatar, yaw, 0.0, TILE)
        tiles.append(to_bytes(over(relit(avatar, view, neutral, Light.preset("studio")), BACKDROP)))
    return scores[0], scores[1], np.concatenate(tiles, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--out", type=Path, default=Path("out/hair"))
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--only", nargs="*", help="names of photos, without their ending")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    scores, encoder = [], FaceEncoder.load()
    for path in sorted(options.photos.glob("*.jpg")):
        if options.only and path.stem not in options.only:
            continue
        try:
            avatar = fitted(path, options.out / path.stem, options.preset)
        except FitmeError as error:
            print(f"{path.stem}: {error}")
            continue
        haired, bare, row = measure(avatar, load_photo(path), encoder)
        Image.fromarray(row).save(options.out / f"{path.stem}.png")
        scores.append((haired, bare))
        said = [note["text"] for note in avatar.run.notes if note["kind"] == "hair"]
        print(f"{path.stem:12} {haired:.3f}  bare {bare:.3f}  {' '.join(said)}", flush=True)
    if scores:
        for name, values in zip(("hair", "bare"), np.array(scores).T, strict=True):
            print(f"{name}: median {np.median(values):.3f}, worst {values.min():.3f}")


if __name__ == "__main__":
    main()
