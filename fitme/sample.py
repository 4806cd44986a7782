"""Random avatars: reflectance sampled from the generator on heads sampled from the head model.

Everything is drawn from one seed, avatar after avatar: the first N of a larger set are the set
of N, and a smaller `size` shows the same people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.export.bundle import textures
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel, load_head
from fitme.head.view import head_rotation
from fitme.image.png import encode_png
from fitme.models import weight_path
from fitme.models.stylegan2 import ReflectanceGenerator, load_generator
from fitme.models.stylegan2.maps import F0_MAX
from fitme.reflectance.atlas import averaged
from fitme.reflectance.generated import generated_materials
from fitme.reflectance.regions import AtlasRegions
from fitme.render.camera import Camera, focal_from_fov, intrinsics, rigid
from fitme.render.light import PRESETS, Light
from fitme.render.picture import BACKDROP, render_rgba, to_bytes
from fitme.runtime.errors import InputError, show_path
from fitme.runtime.files import atomic_directory, atomic_write_bytes, check_output_dir, write_json
from fitme.runtime.progress import Progress, SilentProgress

IDENTITY_SPREAD = 0.8  # of the identity coefficients; at 1 too many heads are unusual
MAX_COUNT = 1000  # avatars are numbered with three digits
EYE_TEXELS = 256
MASK_TEXELS = 256  # of the regions that roughness follows
FOV = 21.0  # degrees
RENDER_PX = 512
TILE_PX = 256  # of a sheet
SHEET_YAW = 45.0


@dataclass(frozen=True)
class Sample:
    """What one avatar is made from."""

    w: Tensor  # [1, w_dim]
    identity: Tensor  # [1, K]
    iris: Tensor  # [1, 1], see `fitme.reflectance.eyes.eye_material`
    noise_seed: int  # of hairs and pores


def draw_samples(
    generator: ReflectanceGenerator, head: HeadModel, count: int, seed: int, truncation: float = 1.0
) -> list[Sample]:
    """`count` random people; their w are drawn towards the mean where `truncation` < 1."""
    draws = torch.Generator().manual_seed(seed)
    samples = []
    for _ in range(count):
        z = torch.randn(1, generator.config.z_dim, generator=draws)
        identity = torch.randn(1, head.identity.shape[0], generator=draws)
        iris = torch.randn(1, 1, generator=draws)
        noise_seed = int(torch.randint(2**62, (), generator=draws))
        with torch.no_grad():
            w = generator.map(z, truncation)
            w = w + truncation * _photo_part(generator, noise_seed)
        samples.append(Sample(w, IDENTITY_SPREAD * identity, iris, noise_seed))
    return samples


def _photo_part(generator: ReflectanceGenerator, noise_seed: int) -> Tensor:
    """What the mapping network does not draw, [1, w_dim]: the directions of W that photos taught.
    From a seed of their own, so that the rest of a sample does not depend on them."""
    directions = generator.photo_directions()
    draws = torch.Generator().manual_seed(noise_seed ^ 1)
    return torch.randn(1, len(directions), generator=draws).to(directions) @ directions


@torch.no_grad()
def sample_avatar(
    generator: ReflectanceGenerator, head: HeadModel, regions: AtlasRegions, sample: Sample,
    size: int,
) -> Avatar:  # fmt: skip
    """The avatar of a sample with maps of `size` texels."""
    noise = torch.Generator().manual_seed(sample.noise_seed)
    maps = generator.synthesize(sample.w, size, noise="random", generator=noise)
    materials = generated_materials(head, regions, maps, sample.iris, EYE_TEXELS)
    return Avatar(Geometry(head, sample.identity), tuple(materials))


def portrait_camera(head: HeadModel, height: int, width: int, yaw: float = 0.0) -> Camera:
    """A camera that has the mean head in full; a positive yaw, in degrees, turns the nose to the
    image's right."""
    low, high = head.mean.amin(0), head.mean.amax(0)
    centre = (low + high) / 2
    distance = 0.57 * float((high - low).max()) / math.tan(math.radians(FOV / 2))
    rotation = head_rotation(yaw)
    translation = torch.tensor([0.0, 0.0, distance]) - rotation @ centre.cpu()
    pose = rigid(rotation[None], translation[None])
    lens = intrinsics(focal_from_fov(FOV, height), height, width).reshape(1, 3, 3)
    return Camera(lens, pose, height, width)


def sample_avatars(
    out: Path,
    *,
    count: int = 8,
    seed: int = 0,
    size: int = 1024,
    truncation: float = 1.0,
    lights: Sequence[str] = ("studio",),
    shadows: bool = True,
    sheet: bool = False,
    weights: Path | None = None,
    head: HeadModel | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[Sample]:
    """Write `count` random avatars to `out`, whole or not at all; the same bytes for one seed.

    out/fitme_sample.json and per avatar 000/textures/*.png and 000/render_LIGHT.png; with `sheet`
    sheet.png instead of folders. `lights` are names of presets; `shadows`: the head
    shades itself from them. Raises InputError or OutputError.
    """
    _check(count, truncation, lights)
    check_output_dir(out, overwrite)
    generator = _load(weights)
    sizes = generator.config.resolutions
    if size not in sizes:
        raise InputError(f"--size {size} is no size of the generator; choose one of "
                         f"{', '.join(map(str, sizes))}")  # fmt: skip
    head = load_head() if head is None else head
    regions = AtlasRegions(head, MASK_TEXELS)
    samples = draw_samples(generator, head, count, seed, truncation)
    names = list(dict.fromkeys(lights))
    rows = []
    with (
        atomic_directory(out, overwrite) as folder,
        (progress or SilentProgress()).stage("sample", count) as stage,
    ):
        for index, sample in enumerate(samples):
            avatar = sample_avatar(generator, head, regions, sample, size)
            if sheet:
                rows.append(sheet_row(avatar, names, shadows=shadows))
            else:
                _write_avatar(avatar, names, folder / f"{index:03d}", shadows)
            stage.step()
        if sheet:
            atomic_write_bytes(folder / "sheet.png", encode_png(np.concatenate(rows)))
        about = {"seed": seed, "size": size, "truncation": truncation, "lights": names}
        people = [{"identity": s.identity[0], "iris": float(s.iris)} for s in samples]
        write_json(folder / "fitme_sample.json", {**about, "avatars": people})
    return samples


def sheet_row(
    avatar: Avatar, lights: Sequence[str], tile: int = TILE_PX, *, shadows: bool = True
) -> np.ndarray:
    """The maps, the front under each light, the head turned under the first of them: uint8
    [tile, (4 + L) tile, 3]."""
    panels = map_panels(avatar, tile)
    for light, yaw in [(light, 0.0) for light in lights] + [(lights[0], SHEET_YAW)]:
        panels.append(portrait(avatar, light, tile, yaw, shadows=shadows))
    return np.concatenate(panels, axis=1)


def map_panels(avatar: Avatar, tile: int) -> list[np.ndarray]:
    """Diffuse albedo, specular albedo (F0 0.16 is white), normals: uint8 [tile, tile, 3] each."""
    skin = avatar.skin
    assert skin.normal is not None
    specular = skin.specular_albedo.expand(-1, -1, -1, 3) / F0_MAX
    images = (skin.diffuse_albedo, specular, skin.normal)
    maps = [averaged(image, tile)[0] for image in images]
    normal = F.normalize(maps[2], dim=-1) * 127.5 + 128
    return [to_bytes(maps[0]), to_bytes(maps[1]), normal.to(torch.uint8).numpy()]


def portrait(
    avatar: Avatar, light: str, size: int, yaw: float = 0.0, *, shadows: bool = True
) -> np.ndarray:
    """The head on grey under a preset of light: uint8 [size, size, 3]."""
    camera = portrait_camera(avatar.head, size, size, yaw)
    shown = avatar.render(camera, Light.preset(light), shadows=shadows)
    return to_bytes(shown.color[0] + (1 - shown.alpha[0]) * BACKDROP)


def _write_avatar(avatar: Avatar, lights: Sequence[str], folder: Path, shadows: bool) -> None:
    (folder / "textures").mkdir(parents=True)
    for name, data in textures(avatar).items():
        atomic_write_bytes(folder / "textures" / name, data)
    camera = portrait_camera(avatar.head, RENDER_PX, RENDER_PX)
    for light in lights:
        shown = render_rgba(avatar.render(camera, Light.preset(light), shadows=shadows))
        atomic_write_bytes(folder / f"render_{light}.png", encode_png(shown))


def _check(count: int, truncation: float, lights: Sequence[str]) -> None:
    if not 1 <= count <= MAX_COUNT:
        raise InputError(f"--count {count} is outside 1 to {MAX_COUNT}; choose a number between")
    if not 0 <= truncation <= 2:
        raise InputError(
            f"--truncation {truncation:g} is outside 0 to 2; 1 samples all people, 0 the mean one"
        )
    unknown = [light for light in lights if light not in PRESETS]
    if unknown or not lights:
        wrong = f"--light {show_path(unknown[0])} is unknown" if unknown else "no light is given"
        raise InputError(f"{wrong}; choose from {', '.join(PRESETS)}")


def _load(weights: Path | None) -> ReflectanceGenerator:
    path = weight_path("reflectance.safetensors") if weights is None else weights
    if not path.is_file():
        cure = "reinstall fitme, or pass --weights FILE" if weights is None else "check --weights"
        raise InputError(f"{show_path(path)}: no such file of generator weights; {cure}")
    try:
        return load_generator(path)
    except InputError as error:
        cure = "reinstall fitme" if weights is None else "pass another file as --weights"
        raise InputError(f"{error}; {cure}") from error
