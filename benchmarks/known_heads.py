"""Heads with known geometry, reflectance and light, photographed by the project's renderer.

Faces are synthesizer draws (not samples of the generator), shapes are ICT heads with standard
normal coefficients (beyond the head model's components; without the ICT file, the head model's
own components), lights are rooms of many soft lamps, which the fit's harmonics and one directional
light cannot express. Photos are noisy 8-bit JPEGs with their own exposure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.kept import Key, keep, kept
from fitme.avatar.model import Avatar
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel
from fitme.head.view import head_rotation
from fitme.image.color import linear_to_srgb
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.models.train.synth_parameters import NAMES, draw_parameters
from fitme.models.train.synthesizer import Synthesizer
from fitme.reflectance.generated import generated_materials
from fitme.reflectance.regions import AtlasRegions
from fitme.render.camera import Camera, focal_from_fov, intrinsics, rigid
from fitme.render.light import Light, fibonacci_sphere

FORMAT = 2  # of the kept heads; one more wherever the same seeds draw others than before
KEPT = ".safetensors"
PIXELS = 640
MAPS = 512
LAMPS = 40  # directions of a room's light
UNSEEN = ("side", "top")  # lights for the relit score
SMILES = ("mouthSmileLeft", "mouthSmileRight", "jawOpen", "browInnerUp", "eyeSquintLeft",
          "eyeSquintRight")  # fmt: skip


@dataclass(frozen=True)
class KnownHead:
    """What the photo of a made person shows."""

    name: str
    photo: Path
    avatar: Avatar  # with the true maps; its identity means nothing
    neutral: Tensor  # [1,V,3] metres
    posed: Tensor  # [1,V,3]
    camera: Camera
    light: Light

    def picture(self, light: Light | None = None):
        """The head as the photo saw it, or under another light."""
        return self.avatar.render(self.camera, light or self.light, self.posed, shadows=True)


def room(draws: torch.Generator, strength: float) -> Light:
    """Light of a room: a dim surround, brighter above, with two or three soft windows and lamps."""
    directions = fibonacci_sphere(LAMPS)
    radiance = (0.25 + 0.15 * directions[:, 1:2]).clamp_min(0.05).expand(-1, 3).clone()
    for _ in range(int(torch.randint(2, 4, (), generator=draws))):
        side = torch.randn(3, generator=draws) * torch.tensor([1.0, 0.5, 0.4])
        centre = F.normalize(side + torch.tensor([0.0, 0.5, 0.7]), dim=0)
        width = 2 + 14 * torch.rand((), generator=draws)
        warm = 0.12 * torch.randn((), generator=draws)
        colour = torch.stack([warm, warm * 0.1, -warm]).exp()
        power = (0.3 + torch.rand((), generator=draws)) * width.sqrt()
        radiance += power * ((directions @ centre - 1) * width).exp()[:, None] * colour
    colors = radiance * (4 / LAMPS)  # irradiance / pi of a patch of 4 pi / LAMPS
    front = (colors * directions[:, 2:].clamp_min(0)).sum(0).mean()
    return Light(torch.zeros(1, 9, 3), directions[None], (colors * strength / front)[None])


def shapes(head: HeadModel, count: int, ict: Path | None, work: Path, seed: int) -> Tensor:
    """[count,V,3] neutral heads."""
    draws = np.random.default_rng(1000 + seed)
    if ict is None:
        own = torch.from_numpy(draws.standard_normal((count, len(head.identity)))).float()
        return head.shape(own)
    from fitme.models.train.head import build_template

    _, template, _ = build_template(ict, work)
    modes = template.basis[1:101]
    code = draws.standard_normal((count, len(modes)))
    made = template.basis[0] + np.tensordot(code, modes, 1)
    return torch.from_numpy(made).float()


def make_heads(
    head: HeadModel, folder: Path, count: int, ict: Path | None = None, seed: int = 0
) -> list[KnownHead]:
    """`count` people of evenly spread tones; their photos are written to `folder`. Those that an
    earlier run has drawn there from the same seeds and head model are read back."""
    folder.mkdir(parents=True, exist_ok=True)
    regions = AtlasRegions(head, 256)
    key = drawn_from(head, count, ict, seed)
    paths = [folder / f"known_{k:02d}.jpg" for k in range(count)]
    found = [kept(path.with_suffix(KEPT), key) for path in paths]
    whole = [one for path, one in zip(paths, found, strict=True) if one and path.is_file()]
    if len(whole) == count:
        return [known_of(head, regions, *both) for both in zip(paths, whole, strict=True)]
    draws = torch.Generator().manual_seed(7_000_000 + seed)
    parameters = draw_parameters(count, draws)
    parameters[:, NAMES.index("tone")] = (torch.arange(count) + 0.5) / count
    parameters[:, NAMES.index("scalp_hair")] *= 0.3
    synthesizer = Synthesizer(head, MAPS)
    heads = []
    neutrals = shapes(head, count, ict, folder / "template", seed)
    for k, path in enumerate(paths):
        details = torch.randint(2**62, (1,), generator=draws)
        draw = synthesizer.render(parameters[k : k + 1], details)
        iris = torch.randn(1, 1, generator=draws)
        neutral = neutrals[k : k + 1]
        expression = torch.zeros(1, len(head.expression_names))
        for name in SMILES:
            weight = 0.35 * torch.rand((), generator=draws) ** 2
            expression[0, head.expression_names.index(name)] = weight
        posed = neutral + torch.einsum("be,evc->bvc", expression, head.expression)
        yaw = 50 * float(torch.rand((), generator=draws)) - 25
        pitch = 16 * float(torch.rand((), generator=draws)) - 8
        camera = portrait_camera(
            posed, yaw, pitch, 18 + 20 * float(torch.rand((), generator=draws))
        )
        strength = math.exp(0.2 * float(torch.randn((), generator=draws)))
        light = room(draws, strength)
        tensors = {
            "diffuse": draw.diffuse_albedo, "specular": draw.specular_albedo,
            "normal": draw.normal, "iris": iris, "neutral": neutral, "posed": posed,
            **seen_tensors(camera, light),
        }  # fmt: skip
        known = known_of(head, regions, path, tensors)
        photograph(known, draws)
        keep(path.with_suffix(KEPT), key, tensors)
        heads.append(known)
    return heads


def drawn_from(head: HeadModel, count: int, ict: Path | None, seed: int) -> Key:
    """What kept heads depend on; changes of the synthesizer itself raise FORMAT."""
    return {
        "format": FORMAT, "count": count, "seed": seed, "head": head.fingerprint(),
        "ict": ict is not None, "maps": MAPS, "pixels": PIXELS,
    }  # fmt: skip


def seen_tensors(camera: Camera, light: Light, prefix: str = "") -> dict[str, Tensor]:
    """How a photo was taken, as `seen_of` reads it."""
    return {
        f"{prefix}K": camera.K, f"{prefix}world_to_camera": camera.world_to_camera,
        f"{prefix}directions": light.directions, f"{prefix}colors": light.colors,
    }  # fmt: skip


def seen_of(tensors: Mapping[str, Tensor], prefix: str = "") -> tuple[Camera, Light]:
    """The inverse of `seen_tensors`: a square camera of PIXELS, and a room's light."""
    matrix, pose, directions, colors = (
        tensors[prefix + name] for name in ("K", "world_to_camera", "directions", "colors")
    )
    dark = torch.zeros(1, 9, 3)
    return Camera(matrix, pose, PIXELS, PIXELS), Light(dark, directions, colors)


def avatar_of(
    head: HeadModel, regions: AtlasRegions, maps: ReflectanceMaps, iris: Tensor
) -> Avatar:
    """A head with these maps; its identity means nothing."""
    materials = tuple(generated_materials(head, regions, maps, iris))
    return Avatar(Geometry(head, torch.zeros(1, len(head.identity))), materials)


def known_of(
    head: HeadModel, regions: AtlasRegions, path: Path, tensors: Mapping[str, Tensor]
) -> KnownHead:
    """A head from what is kept beside its photo `path`."""
    maps = ReflectanceMaps(tensors["diffuse"], tensors["specular"], tensors["normal"])
    avatar = avatar_of(head, regions, maps, tensors["iris"])
    seen = seen_of(tensors)
    return KnownHead(path.stem, path, avatar, tensors["neutral"], tensors["posed"], *seen)


def portrait_camera(vertices: Tensor, yaw: float, pitch: float, fov: float) -> Camera:
    """The whole head in a square picture."""
    low, high = vertices[0].amin(0), vertices[0].amax(0)
    centre = (low + high) / 2
    distance = 0.62 * float((high - low).max()) / math.tan(math.radians(fov / 2))
    rotation = head_rotation(yaw, pitch)
    translation = torch.tensor([0.0, 0.0, distance]) - rotation @ centre
    lens = intrinsics(focal_from_fov(fov, PIXELS), PIXELS, PIXELS).reshape(1, 3, 3)
    return Camera(lens, rigid(rotation[None], translation[None]), PIXELS, PIXELS)


@torch.no_grad()
def photograph(known: KnownHead, draws: torch.Generator) -> None:
    """An 8-bit JPEG over a wall, with sensor noise."""
    out = known.picture()
    wall = torch.rand(3, generator=draws) * 0.3 + 0.1
    linear = out.color[0] + (1 - out.alpha[0]) * wall
    noise = 0.01 * torch.randn(linear.shape, generator=draws) * linear.clamp_min(0).sqrt()
    pixels = (linear_to_srgb((linear + noise).clamp(0, 1)) * 255).round().to(torch.uint8)
    Image.fromarray(pixels.numpy()).save(known.photo, quality=92)
