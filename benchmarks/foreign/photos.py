"""Photos of foreign heads whose camera is known: rooms of soft lamps with shadows, real lenses.

A photo is an 8-bit JPEG without EXIF and a JSON file beside it with its camera. The same seed
gives the same photos.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.foreign.heads import FACES, ForeignHead
from fitme.image.color import linear_to_srgb
from fitme.render import render
from fitme.render.camera import Camera, axis_angle_to_matrix, intrinsics, rigid
from fitme.render.light import Light, fibonacci_sphere

WIDTH, HEIGHT = 640, 800  # pixels
LENSES_MM = (24, 35, 50, 85)  # equivalents: the longer side of the picture is 36 mm
LIGHTS = ("studio", "window", "sky", "lamp")
FACE_SHARE = 0.30  # of the picture's height, between the eyes' line and the chin: 0.12 m
EYES_TO_CHIN_M = 0.12
YAW_DEG, PITCH_DEG, ROLL_DEG = 20.0, 10.0, 5.0  # largest turns of the head
LAMPS = 36  # directions of a room's light
MIDDLE_GRAY = 0.20  # linear, the mean of the face after exposure
NOISE = 0.008  # standard deviation at linear 1, grows with the root of the signal


@dataclass(frozen=True)
class ForeignPhoto:
    """A photo and how it was taken; the world is the foreign head's frame."""

    head: str
    index: int  # of the photos of this head
    lens_mm: float
    light: str
    yaw_deg: float
    pitch_deg: float
    focal_px: float
    rotation: list[list[float]]  # [3,3] world to camera
    translation: list[float]  # [3] metres

    @property
    def name(self) -> str:
        return f"{self.head}_{self.index}_{self.lens_mm:.0f}mm_{self.light}"

    def path(self, folder: Path) -> Path:
        return folder / f"{self.name}.jpg"

    def camera(self) -> Camera:
        pose = rigid(torch.tensor(self.rotation)[None], torch.tensor(self.translation)[None])
        return Camera(intrinsics(self.focal_px, HEIGHT, WIDTH), pose, HEIGHT, WIDTH)


def take_photos(
    heads: Sequence[ForeignHead], folder: Path, count: int, seed: int = 0
) -> list[ForeignPhoto]:
    """`count` photos of each head, in turns of lens and light; those in `folder` are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    photos = []
    for number, head in enumerate(heads):
        for index in range(count):
            plan = plan_photo(head.name, index, seed)
            photos.append(plan)
            path = plan.path(folder)
            made = path.with_suffix(".json")
            if path.exists() and made.exists() and json.loads(made.read_text()) == asdict(plan):
                continue
            draws = torch.Generator().manual_seed(_seed(head.name, index, seed) + 1)
            _photograph(head, plan, path, draws)
            made.write_text(json.dumps(asdict(plan)))
            print(f"photo {number * count + index + 1} of {len(heads) * count}", flush=True)
    return photos


def _seed(name: str, index: int, seed: int) -> int:
    """The same for a head whichever others are asked for."""
    return 1_000_003 * seed + 1009 * index + zlib.crc32(name.encode()) % 1_000_000


def plan_photo(name: str, index: int, seed: int) -> ForeignPhoto:
    """Lens, light and place of a head's photo; nothing is drawn yet."""
    draws = torch.Generator().manual_seed(_seed(name, index, seed))
    uniform = (2 * torch.rand(5, generator=draws, dtype=torch.double) - 1).tolist()
    # Two photos of a head take neighbours of the turn, so that all four come as often.
    turn = 2 * (FACES.index(name) if name in FACES else 0) + index + seed
    lens = LENSES_MM[turn % len(LENSES_MM)]
    light = LIGHTS[(turn + turn // len(LENSES_MM)) % len(LIGHTS)]
    yaw, pitch, roll = YAW_DEG * uniform[0], PITCH_DEG * uniform[1], ROLL_DEG * uniform[2]
    focal = lens / 36 * max(WIDTH, HEIGHT)
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    rotation = upright
    for axis_deg in ((0.0, 0.0, roll), (0.0, yaw, 0.0), (-pitch, 0.0, 0.0)):
        vector = torch.deg2rad(torch.tensor(axis_deg, dtype=torch.double)).float()
        rotation = rotation @ axis_angle_to_matrix(vector)
    distance = EYES_TO_CHIN_M * focal / (FACE_SHARE * HEIGHT)
    place = torch.tensor([0.05 * uniform[3] * WIDTH, 0.05 * uniform[4] * HEIGHT]) / focal * distance
    middle = torch.tensor([0.0, -0.03, 0.0])  # below the eyes: the middle of the face
    translation = torch.tensor([*place.tolist(), distance]) - rotation @ middle
    return ForeignPhoto(
        name, index, lens, light, yaw, pitch, focal, rotation.tolist(), translation.tolist()
    )


def light_of(name: str, draws: torch.Generator) -> Light:
    """One of LIGHTS in the frame of the camera (+X right, +Y up, +Z towards it)."""
    if name == "studio":
        return Light.preset("studio")
    directions = fibonacci_sphere(LAMPS)
    side = 1.0 if float(torch.rand((), generator=draws)) < 0.5 else -1.0
    up = directions[:, 1:2]
    if name == "window":  # a soft window at the side of a room with light walls
        radiance = 0.30 + 0.10 * up
        radiance = radiance.expand(-1, 3) + _lobe(directions, (side, 0.25, 0.55), 5.0, 1.8)
    elif name == "sky":  # blue above, the ground's brown below, a veiled sun
        blue, brown = torch.tensor([0.75, 0.9, 1.1]), torch.tensor([0.28, 0.24, 0.2])
        radiance = torch.lerp(brown, blue, ((up + 0.2) / 0.6).clamp(0, 1))
        sun = _lobe(directions, (0.5 * side, 0.8, 0.5), 12.0, 2.5)
        radiance = radiance + sun * torch.tensor([1.1, 1.0, 0.85])
    else:  # a warm lamp above and to the side in a dim room
        warm = torch.tensor([1.15, 0.95, 0.7])
        radiance = 0.22 * warm + _lobe(directions, (0.6 * side, 0.6, 0.75), 16.0, 4.0) * warm
    colors = radiance.clamp_min(0) * (4 / LAMPS)  # irradiance / pi of a patch of 4 pi / LAMPS
    return Light(torch.zeros(1, 9, 3), directions[None], colors[None])


def _lobe(
    directions: Tensor, towards: tuple[float, float, float], width: float, power: float
) -> Tensor:
    """Radiance [N,1] that is `power` in one direction and falls off around it."""
    centre = F.normalize(torch.tensor(towards), dim=0)
    return (power * ((directions @ centre - 1) * width).exp())[:, None]


@torch.no_grad()
def _photograph(head: ForeignHead, plan: ForeignPhoto, path: Path, draws: torch.Generator) -> None:
    camera = plan.camera()
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    to_world = (upright @ camera.world_to_camera[0, :3, :3]).T
    light = light_of(plan.light, draws).rotated(to_world)
    out = render(head.mesh, head.materials, camera, light, shadows=True)
    exposure = MIDDLE_GRAY / float(out.color.sum() / 3 / out.alpha.sum())
    wall = (
        0.05 + 0.4 * torch.rand(3, generator=draws).mean() + 0.08 * torch.rand(3, generator=draws)
    )
    rows = torch.linspace(-1, 1, HEIGHT)[:, None, None]
    columns = torch.linspace(-1, 1, WIDTH)[None, :, None]
    slope = torch.rand(2, generator=draws) - 0.5
    backdrop = wall * (1 + 0.5 * slope[0] * rows + 0.5 * slope[1] * columns)
    linear = out.color[0] * exposure + (1 - out.alpha[0]) * backdrop
    noise = NOISE * torch.randn(linear.shape, generator=draws) * linear.clamp_min(0).sqrt()
    pixels = (linear_to_srgb((linear + noise).clamp(0, 1)) * 255).round().to(torch.uint8)
    Image.fromarray(pixels.numpy()).save(path, quality=90)
