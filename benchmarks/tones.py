"""Is dark skin found dark and light skin light, whatever the light and the exposure?

    python -m benchmarks.tones --out out/tones [--preset fast] [--people 2] [--set NAME=VALUE ...]

Made people of six tones (individual typology angles of TONES) are photographed under five lights
with shadows, exposed as cameras expose: the face's highlights just below clipping, or the whole
picture's mean at middle gray and half a stop to both sides. Printed: the angle found against the
true one, its slope and spread, by light and by exposure.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.known_heads import SMILES, avatar_of, portrait_camera, room
from benchmarks.measures import typology_angle
from benchmarks.quality import Bench, small
from fitme.avatar.model import Avatar
from fitme.fit.settings import choose_preset, override
from fitme.head.model import HeadModel
from fitme.image.color import linear_to_srgb
from fitme.models.train.synth_parameters import NAMES, draw_parameters
from fitme.models.train.synthesizer import Synthesizer
from fitme.reflectance.regions import AtlasRegions
from fitme.render.light import Light, fibonacci_sphere, sh_basis
from fitme.runtime.memory import keep_large_blocks

TONES = (-40.0, -20.0, 0.0, 20.0, 40.0, 60.0)  # degrees
DARKEST, LIGHTEST = -50.0, 60.0  # of the synthesizer's parameter
MAPS = 512
HIGHLIGHT = 0.93  # linear value of the face's brightest hundredth, just below clipping
MIDDLE_GRAY = 0.18
LIGHTS = ("room", "window", "side", "top", "flash")
EXPOSURES = {"highlight": None, "gray": 0.0, "gray -0.5": -0.5, "gray +0.5": 0.5}  # stops
SMILE = 0.2


@dataclass(frozen=True)
class Toned:
    """One made person of one tone."""

    avatar: Avatar
    posed: Tensor  # [1,V,3]
    diffuse: Tensor  # [R,R,3]


def toned(head: HeadModel, person: int) -> list[Toned]:
    """The same person, details drawn anew, in all tones."""
    draws = torch.Generator().manual_seed(9_100_000 + person)
    parameters = draw_parameters(1, draws).repeat(len(TONES), 1)
    parameters[:, NAMES.index("tone")] = (torch.tensor(TONES) - DARKEST) / (LIGHTEST - DARKEST)
    parameters[:, NAMES.index("scalp_hair")] *= 0.3
    identity = torch.randn(1, len(head.identity), generator=draws)
    regions = AtlasRegions(head, 256)
    neutral = head.shape(identity)
    expression = torch.zeros(len(head.expression_names))
    for name in SMILES:
        expression[head.expression_names.index(name)] = SMILE * float(
            torch.rand((), generator=draws)
        )
    posed = neutral + torch.einsum("e,evc->vc", expression, head.expression)
    synthesizer = Synthesizer(head, MAPS)
    people = []
    for row in parameters:
        maps = synthesizer.render(row[None], torch.randint(2**62, (1,), generator=draws))
        avatar = avatar_of(head, regions, maps, torch.randn(1, 1, generator=draws))
        people.append(Toned(avatar, posed, maps.diffuse_albedo[0]))
    return people


def light_of(name: str, draws: torch.Generator) -> Light:
    """One light of LIGHTS in the axes of the picture: x right, y up, z to the camera."""
    if name == "room":
        return room(draws, 1.0)
    if name == "window":  # a large soft light from one side
        directions = fibonacci_sphere(96)
        side = 1.0 if torch.rand((), generator=draws) < 0.5 else -1.0
        middle = F.normalize(torch.tensor([0.9 * side, 0.25, 0.45]), dim=0)
        glow = 0.12 + 1.6 * ((directions @ middle - 1) * 5).exp()
        return Light(_harmonics(directions, glow), torch.zeros(1, 0, 3), torch.zeros(1, 0, 3))
    towards, ambient = {
        "side": ((0.85, 0.3, 0.45), 0.2), "top": ((0.1, 0.9, 0.4), 0.3),
        "flash": ((0.05, 0.12, 1.0), 0.15),
    }[name]  # fmt: skip
    directions = fibonacci_sphere(96)
    glow = ambient * (1 + 0.4 * directions[:, 1])
    lamp = F.normalize(torch.tensor([towards]), dim=-1)[None]
    return Light(_harmonics(directions, glow), lamp, torch.ones(1, 1, 3))


def _harmonics(directions: Tensor, radiance: Tensor) -> Tensor:
    """[1,9,3] of a gray surround."""
    harmonics = sh_basis(directions).T @ radiance * (4 * math.pi / len(directions))
    return harmonics[None, :, None].expand(1, 9, 3).contiguous()


@torch.no_grad()
def photograph(
    person: Toned, light: Light, stops: float | None, path: Path, draws: torch.Generator
) -> None:
    """An 8-bit JPEG before a wall in the same light; `stops` from middle gray, or None for the
    face's highlights."""
    yaw = 30 * float(torch.rand((), generator=draws)) - 15
    camera = portrait_camera(person.posed, yaw, 0.0, 26.0)
    to_world = camera.world_to_camera[0, :3, :3].T @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    out = person.avatar.render(camera, light.rotated(to_world), person.posed, shadows=True)
    cast = (0.05 * torch.randn((), generator=draws) * torch.tensor([1.0, 0.1, -1.0])).exp()
    wall = float(torch.rand((), generator=draws)) * 0.45 + 0.05
    linear = (out.color[0] + (1 - out.alpha[0]) * wall * light.total()[0]) * cast
    face = out.color[0][out.alpha[0, ..., 0] > 0.99].amax(-1)
    if stops is None:
        linear = linear * (HIGHLIGHT / float(face.quantile(0.99)))
    else:
        linear = linear * (MIDDLE_GRAY * 2**stops / float(linear.mean()))
    linear = linear.clamp(0, 1)
    linear = linear + 0.008 * torch.randn(linear.shape, generator=draws) * linear.sqrt()
    shown = (linear_to_srgb(linear.clamp(0, 1)) * 255).round().to(torch.uint8)
    Image.fromarray(shown.numpy()).save(path, quality=92)


def cases() -> list[tuple[str, str]]:
    """Light and exposure: every light for its highlights, one in all exposures."""
    return [(light, "highlight") for light in LIGHTS] + [
        ("room", name) for name in EXPOSURES if name != "highlight"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--only", nargs="*", help="lights to take")
    parser.add_argument("--out", type=Path, default=Path("out/tones"))
    args = parser.parse_args()
    keep_large_blocks()
    args.out.mkdir(parents=True, exist_ok=True)
    settings = override(choose_preset(args.preset), dict(item.split("=") for item in args.set))
    bench = Bench(settings, MAPS, None)
    bare = None
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for person in range(args.people):
        people = toned(bench.models.head, person)
        for light_name, exposure in cases():
            if args.only and light_name not in args.only:
                continue
            for tone, made in zip(TONES, people, strict=True):
                draws = torch.Generator().manual_seed(int(person * 1000 + tone + 500))
                name = f"{person}_{light_name}_{exposure}_{tone:g}".replace(" ", "")
                path = args.out / f"{name}.jpg"
                light = light_of(light_name, draws)
                photograph(made, light, EXPOSURES[exposure], path, draws)
                subject = bench.fit([path])
                if bare is None:
                    regions = subject.session.regions
                    areas = torch.stack([regions.skin, regions.marked])[:, None]
                    skin, marked = F.interpolate(areas, (MAPS, MAPS))[:, 0]
                    bare = skin * (1 - marked)
                found = small(subject.avatar.materials[0].diffuse_albedo, MAPS)
                pair = typology_angle(made.diffuse, bare), typology_angle(found, bare)
                rows.setdefault((light_name, exposure), []).append(pair)
                print(f"{name:32s} true {pair[0]:6.1f} found {pair[1]:6.1f}", flush=True)
    print(f"{'':24s}{'slope':>8s}{'mean off':>10s}{'median':>8s}{'worst':>8s}")
    for (light_name, exposure), pairs in rows.items():
        print(f"{light_name + ', ' + exposure:24s}" + line(pairs))
    print(f"{'all':24s}" + line([pair for pairs in rows.values() for pair in pairs]))


def line(pairs: list[tuple[float, float]]) -> str:
    """Slope of the found angle over the true one, mean error, median and worst absolute error."""
    true, found = np.array(pairs).T
    off = found - true
    slope = np.polyfit(true, found, 1)[0]
    return f"{slope:8.2f}{off.mean():10.1f}{np.median(abs(off)):8.1f}{abs(off).max():8.1f}"


if __name__ == "__main__":
    main()
