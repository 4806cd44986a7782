"""Made people with two photos each: at rest, and with an expression that folds their skin.

Both photos show the same neutral shape and the same true maps. The folds of the second are
geometry: normals on the posed mesh and dark cavities, in the photo alone, never in the true
albedo. Skin of 25 to 60 years with little wear, so that a face at rest has few lines of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.fold_light import Metric, cavity_light, interreflected, with_slopes
from benchmarks.folds import person_folds
from benchmarks.kept import Key, keep, kept
from benchmarks.known_heads import (
    KEPT,
    MAPS,
    KnownHead,
    avatar_of,
    drawn_from,
    known_of,
    photograph,
    portrait_camera,
    room,
    seen_of,
    seen_tensors,
    shapes,
)
from fitme.avatar.model import Avatar
from fitme.head.model import HeadModel
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.models.train.synth_parameters import NAMES, draw_parameters
from fitme.models.train.synthesizer import Synthesizer
from fitme.reflectance.regions import AtlasRegions

FORMAT = 1  # of the kept people; one more wherever the same seeds draw others than before
KINDS = REST, SMILE, UNFOLDED = ("rest", "smile", "unfolded")  # a person's photos
YEARS = (25.0, 60.0)
FRESH = -1.5  # "wrinkles" of the synthesizer: two thirds of what the age's skin has on average


@dataclass(frozen=True)
class ExpressivePerson:
    """One person and two photos."""

    name: str
    neutral: KnownHead
    expressive: KnownHead  # with the true maps, as if nothing were folded
    worn: Avatar  # with the folds and their shade, as the expressive photo shows it
    folds: Tensor  # [R,R] mm
    weights: dict[str, float]  # of the expression, by ARKit name

    @property
    def unfolded(self) -> Path:
        """The expressive photo as it would be without folds: what a fit does to it is no folds'
        doing."""
        return self.expressive.photo.with_stem(f"{self.name}_{UNFOLDED}")


def make_people(
    head: HeadModel, folder: Path, count: int, ict: Path | None = None, seed: int = 0
) -> list[ExpressivePerson]:
    """`count` people of evenly spread tones; photos and truth are kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    regions = AtlasRegions(head, 256)
    key: Key = {**drawn_from(head, count, ict, seed), "expressive": FORMAT}
    names = [f"person_{k:02d}" for k in range(count)]
    found = [kept(folder / f"{name}{KEPT}", key) for name in names]
    paths = [folder / f"{name}_{kind}.jpg" for name in names for kind in KINDS]
    whole = [one for one in found if one]
    if len(whole) < count or not all(path.is_file() for path in paths):
        whole = _draw(
            head, regions, folder, names, key, shapes(head, count, ict, folder, 50 + seed)
        )
    return [person_of(head, regions, folder, *both) for both in zip(names, whole, strict=True)]


def person_of(
    head: HeadModel, regions: AtlasRegions, folder: Path, name: str, tensors: Mapping[str, Tensor]
) -> ExpressivePerson:
    """A person from what is kept beside the photos."""
    neutral = known_of(head, regions, folder / f"{name}_{REST}.jpg", tensors)
    camera, light = seen_of(tensors, "smile_")
    path = folder / f"{name}_{SMILE}.jpg"
    posed = tensors["smile_posed"]
    expressive = replace(
        neutral, name=path.stem, photo=path, posed=posed, camera=camera, light=light
    )
    maps = ReflectanceMaps(tensors["worn_diffuse"], tensors["specular"], tensors["worn_normal"])
    worn = avatar_of(head, regions, maps, tensors["iris"])
    weights = {
        shape: float(weight)
        for shape, weight in zip(head.expression_names, tensors["expression"][0], strict=True)
        if weight > 0
    }
    return ExpressivePerson(name, neutral, expressive, worn, tensors["folds"], weights)


def _draw(
    head: HeadModel, regions: AtlasRegions, folder: Path, names: list[str], key: Key,
    neutrals: Tensor,
) -> list[dict[str, Tensor]]:  # fmt: skip
    """Draw people, write their photos, and keep their truth."""
    seed, count = int(key["seed"]), len(names)
    draws = torch.Generator().manual_seed(9_000_000 + seed)
    parameters = draw_parameters(count, draws)
    age = (torch.tensor(YEARS) - 18) / (85 - 18)  # the synthesizer's unit
    fixed = {
        "tone": (torch.arange(count) + 0.5) / count,
        "age": age[0] + (age[1] - age[0]) * parameters[:, NAMES.index("age")],
        "wrinkles": torch.full((count,), FRESH),
        "scalp_hair": 0.3 * parameters[:, NAMES.index("scalp_hair")],
        "beard": 0.55 * parameters[:, NAMES.index("beard")],  # hides few of the folds
    }
    for name, values in fixed.items():
        parameters[:, NAMES.index(name)] = values
    synthesizer = Synthesizer(head, MAPS)
    made = []
    for k, name in enumerate(names):
        numbers = np.random.default_rng([9, seed, k])
        draw = synthesizer.render(
            parameters[k : k + 1], torch.randint(2**62, (1,), generator=draws)
        )
        weights = expression_weights(numbers, k)
        code = torch.zeros(1, len(head.expression_names))
        for shape, weight in weights.items():
            code[0, head.expression_index(shape)] = weight
        rest = neutrals[k : k + 1]
        posed = rest + torch.einsum("be,evc->bvc", code, head.expression)
        yaw, pitch, fov = numbers.uniform(-20, 20), numbers.uniform(-7, 7), numbers.uniform(18, 36)
        strength = math.exp(0.2 * numbers.normal())
        light = room(draws, strength)
        other = room(draws, strength * math.exp(0.15 * numbers.normal())) if k % 2 else light
        cameras = (
            portrait_camera(rest, yaw, pitch, fov),
            portrait_camera(
                posed, yaw + numbers.uniform(-9, 9), pitch + numbers.uniform(-4, 4), fov
            ),
        )
        maps = ReflectanceMaps(draw.diffuse_albedo, draw.specular_albedo, draw.normal)
        folds = person_folds(synthesizer.anatomy, weights, 1000 * seed + k)
        worn = fold_maps(head, maps, folds, posed)
        tensors = {
            "diffuse": maps.diffuse_albedo, "specular": maps.specular_albedo,
            "normal": maps.normal, "iris": torch.randn(1, 1, generator=draws),
            "worn_diffuse": worn.diffuse_albedo, "worn_normal": worn.normal, "folds": folds,
            "neutral": rest, "posed": rest, "smile_posed": posed, "expression": code,
            **seen_tensors(cameras[0], light), **seen_tensors(cameras[1], other, "smile_"),
        }  # fmt: skip
        person = person_of(head, regions, folder, name, tensors)
        photograph(person.neutral, draws)
        same = torch.Generator().set_state(draws.get_state())  # of wall and noise
        photograph(replace(person.expressive, photo=person.unfolded), same)
        photograph(replace(person.expressive, avatar=person.worn), draws)
        keep(folder / f"{name}{KEPT}", key, tensors)
        made.append(tensors)
    return made


def expression_weights(draws: np.random.Generator, index: int) -> dict[str, float]:
    """A smile with squeezed eyes, no side quite like the other; of four people one raises the
    brows too, one wrinkles the nose, and one draws the brows down."""
    both: dict[str, float] = {
        "mouthSmile": draws.uniform(0.6, 0.9), "cheekSquint": draws.uniform(0.4, 0.9),
        "eyeSquint": draws.uniform(0.2, 0.6), "browDown": 0.0, "noseSneer": 0.0,
    }  # fmt: skip
    single = {"jawOpen": max(0.0, draws.uniform(-0.15, 0.2)), "browInnerUp": 0.0}
    kind = index % 4
    if kind == 1:
        single["browInnerUp"] = draws.uniform(0.5, 0.9)
    elif kind == 2:
        both["noseSneer"] = draws.uniform(0.4, 0.8)
    elif kind == 3:
        both["browDown"] = draws.uniform(0.5, 0.9)
    sided = {
        f"{name}{side}": weight * draws.uniform(0.92, 1.08)
        for name, weight in both.items()
        for side in ("Left", "Right")
    }
    return {name: min(weight, 1.0) for name, weight in (sided | single).items() if weight > 0}


def fold_maps(
    head: HeadModel, maps: ReflectanceMaps, folds: Tensor, posed: Tensor
) -> ReflectanceMaps:
    """What the photo of folds [R,R] mm on posed vertices [1,V,3] is drawn with: normals with
    their slopes, and the diffuse albedo darkened by as much light as does not reach it."""
    metric = Metric.of(head, posed[0], len(folds))
    normal = with_slopes(maps.normal[0], *metric.slopes(folds))
    light = cavity_light(folds, metric)[..., None]
    shade = interreflected(light, maps.diffuse_albedo[0])
    return replace(
        maps, normal=normal[None].contiguous(), diffuse_albedo=maps.diffuse_albedo * shade[None]
    )
