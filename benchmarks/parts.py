"""A sheet per person of what people look at first, and what can be measured of it.

    python -m benchmarks.parts --photos ../shared/data/photos --only a1 c1 --out out/parts
    python -m benchmarks.parts --photos ../shared/data/photos --avatars out/a1 out/c1

Per photo `<name>.png`: eyes photo over render at the same scale, lids half shut and shut, mouth
shut, smiling and open, jaw line, ear, nape and neck. It prints the spread of a shut and of a half
shut lid over that of the cheek beside it, how far the iris' colour is off, and how sharp the eyes
are against the photo's. `--avatars` are folders that `fitme fit` wrote of such photos: they are
measured without a new fit.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.eyes_apart import eye_numbers
from benchmarks.quality import Bench, Row, show
from benchmarks.sheets import labelled
from fitme.avatar.model import Avatar
from fitme.avatar.relight import facing_camera, posed_vertices, relit
from fitme.fit.settings import choose_preset, override
from fitme.head.parts import Role
from fitme.image.color import linear_to_lab
from fitme.image.photo import Photo, load_photo
from fitme.render.camera import Camera
from fitme.render.light import Light
from fitme.render.picture import BACKDROP, over, to_bytes
from fitme.report.overlay import photo_window
from fitme.runtime.errors import FitmeError
from fitme.runtime.memory import keep_large_blocks

WIDTH = 1200  # of a sheet, pixels
EYES_M, EYES_HIGH = 0.1, 0.34  # width of what is seen of the eyes; height over width
MOUTH_M, HEAD_M, EAR_M, JAW_M = 0.09, 0.34, 0.1, 0.2
CHEEK_M = 0.020  # below the eyes' middles
LASHES_M = 0.0012  # of a lid beside its edges, which lashes may darken
MEASURED = 480  # pixels of the 6 cm in which lids are measured
SMILE = {
    "mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "mouthUpperUpLeft": 0.4,
    "mouthUpperUpRight": 0.4, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3,
    "jawOpen": 0.1,
}  # fmt: skip


def window(camera: Camera, middle: Tensor, metres: float, width: int, high: float = 1.0) -> Camera:
    """What a camera sees within `metres` around a point [3], `width` pixels wide."""
    point = middle[None, None]
    x, y = camera.project(point)[0, 0].tolist()
    side = float(camera.K[0, 0, 0]) * metres / float(camera.transform(point)[0, 0, 2])
    matrix = camera.K.clone()
    matrix[:, 0, 2] -= x - side / 2
    matrix[:, 1, 2] -= y - side * high / 2
    matrix[:, :2] *= width / side
    return Camera(matrix, camera.world_to_camera, round(width * high), width)


def blink(weight: float) -> dict[str, float]:
    return {"eyeBlinkLeft": weight, "eyeBlinkRight": weight}


class Parts:
    """One avatar and its photo."""

    def __init__(self, avatar: Avatar, photo: Photo, index: int = 0) -> None:
        self.avatar, self.photo, self.index = avatar, photo, index
        self.seen = avatar.photos[index]
        self.rest, self.posed = avatar.neutral(), avatar.posed(index)

    def middle(self, vertices: Tensor, region: str) -> Tensor:
        """[3] of "eyes" or a region of the head."""
        head = self.avatar.head
        if region == "eyes":
            return head.eye_centres(vertices)[0].mean(0) + vertices.new_tensor((0, 0, 0.012))
        return vertices[0, head.regions[region] > 0.5].mean(0)

    def drawn(
        self, middle: Tensor, metres: float, width: int, *, yaw: float = 0.0, pitch: float = 0.0,
        high: float = 1.0, light: str = "studio", expression: Mapping[str, float] | None = None,
    ) -> np.ndarray:  # fmt: skip
        """The avatar around a point of the face at rest, bytes."""
        facing = facing_camera(self.avatar, yaw, pitch, 1024)
        posed = posed_vertices(self.avatar, self.index, expression or {}, True)
        camera = window(facing, middle, metres, width, high)
        return to_bytes(over(relit(self.avatar, camera, posed, Light.preset(light)), BACKDROP))

    def beside(
        self, region: str, metres: float, width: int, high: float = 1.0, drop: float = 0.0
    ) -> list[np.ndarray]:
        """Photo and render around a region of the face as posed, `drop` metres below it."""
        whole = self.seen.view.camera()
        middle = self.middle(self.posed, region) - self.posed.new_tensor((0, drop, 0))
        square = window(whole, middle, metres, width)
        pixels = photo_window(self.photo, whole, square)
        own = over(self.avatar.render(square, self.seen.light, self.posed), pixels)
        top = round(width * (1 - high) / 2)
        return [to_bytes(image)[top : top + round(width * high)] for image in (pixels, own)]

    def sheet(self) -> np.ndarray:
        """[H,WIDTH,3] uint8."""
        eyes, mouth = self.middle(self.rest, "eyes"), self.middle(self.rest, "lips")
        rows = self.beside("eyes", EYES_M, WIDTH, EYES_HIGH)
        for light, weight in (("studio", 0.5), ("studio", 1.0), ("ambient", 1.0)):
            rows.append(
                self.drawn(
                    eyes, EYES_M, WIDTH, high=EYES_HIGH, light=light, expression=blink(weight)
                )
            )
        third = WIDTH // 3
        mouths = [
            self.drawn(mouth, MOUTH_M, third, expression=expression)
            for expression in (SMILE, {"jawOpen": 0.35}, {"jawOpen": 1.0})
        ]
        ambient = self.drawn(mouth, MOUTH_M, third, expression=SMILE, light="ambient")
        below = mouth - mouth.new_tensor((0, 0.035, 0.03))
        ear = self.rest[0, self.avatar.head.regions["ears"] > 0.5]
        ear = ear[ear[:, 0] > 0].mean(0)
        other = ear * ear.new_tensor((-1, 1, 1))
        whole = self.rest[0].mean(0)
        rows += [
            np.concatenate([*self.beside("lips", MOUTH_M, third), ambient], 1),
            np.concatenate(mouths, 1),
            np.concatenate(
                [
                    *self.beside("lips", JAW_M, third, drop=0.035),
                    self.drawn(below, JAW_M, third, yaw=40),
                ],
                1,
            ),
            np.concatenate(
                [
                    self.drawn(ear, EAR_M, third, yaw=80),
                    self.drawn(other, EAR_M, third, yaw=-80),
                    self.drawn(below, JAW_M, third, pitch=20),
                ],
                1,
            ),
            np.concatenate(
                [
                    self.drawn(whole, HEAD_M, third, yaw=180),
                    self.drawn(whole, HEAD_M, third, yaw=140, pitch=-20),
                    self.drawn(whole, HEAD_M, third, yaw=90, pitch=-30),
                ],
                1,
            ),
        ]
        return np.concatenate(rows)

    def numbers(self) -> Row:
        """Lids against cheeks, the worse eye, and what `eye_numbers` says."""
        row = {
            name: max(self.lid_spread(eye, weight) for eye in (0, 1))
            for name, weight in (("shut", 1.0), ("half shut", 0.5))
        }
        return row | eye_numbers(self.avatar, self.photo, self.index)

    def lid_spread(self, eye: int, weight: float) -> float:
        """Lab spread of a lid's skin where the open eye was, its edges left out, over that of a
        patch of the same form on the cheek, under ambient light."""
        head, light = self.avatar.head, Light.preset("ambient")
        middle = head.eye_centres(self.rest)[0, eye] + self.rest.new_tensor((0, 0, 0.012))
        camera = window(facing_camera(self.avatar, 0, 0, 1024), middle, 0.06, MEASURED)
        lids = posed_vertices(self.avatar, self.index, blink(weight), True)
        opened = relit(self.avatar, camera, self.rest, light)
        shut = relit(self.avatar, camera, lids, light)
        balls = [part.index for part in head.parts_with(Role.EYE)]
        skin = torch.isin(opened.part[0], torch.tensor(balls)) & (shut.part[0] == 0)
        reach = round(LASHES_M / 0.06 * MEASURED)
        other = (~skin).float()[None, None]
        skin &= F.max_pool2d(other, 2 * reach + 1, 1, reach)[0, 0] == 0
        if not bool(skin.any()):
            return 0.0
        rows, columns = skin.nonzero().unbind(1)
        color = linear_to_lab(shut.color[0])
        below = (rows + round(CHEEK_M / 0.06 * MEASURED)).clamp_max(MEASURED - 1)
        lid, cheek = color[rows, columns], color[below, columns]
        return float((lid.var(0).sum() / cheek.var(0).sum()).sqrt())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--photos", type=Path, required=True, help="folder of photos, each one subject"
    )
    parser.add_argument("--only", nargs="*", help="stems of the photos to take")
    parser.add_argument("--avatars", type=Path, nargs="*", default=[], help="folders of fits")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, default=Path("out/parts"))
    args = parser.parse_args()
    keep_large_blocks()
    args.out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Row] = {}

    def take(name: str, parts: Parts, more: Row) -> None:
        rows[name] = parts.numbers() | more
        print(f"{name}: {rows[name]}", flush=True)
        Image.fromarray(labelled(parts.sheet(), name)).save(args.out / f"{name}.png")

    for folder in args.avatars:
        avatar = Avatar.load(folder)
        take(folder.name, Parts(avatar, load_photo(args.photos / avatar.photos[0].path)), {})
    if not args.avatars:
        settings = override(choose_preset(args.preset), dict(v.split("=") for v in args.set))
        bench = Bench(settings, 1024, None)
        for path in sorted(args.photos.iterdir()):
            if path.stem.startswith("x_") or (args.only and path.stem not in args.only):
                continue
            try:
                subject = bench.fit([path])
            except FitmeError as problem:
                print(f"{path.stem}: {problem}", flush=True)
                continue
            numbers = subject.photo_numbers()
            take(path.stem, Parts(subject.avatar, subject.photos[0]), {"psnr": numbers["psnr"]})
    if rows:
        show(rows)


if __name__ == "__main__":
    main()
