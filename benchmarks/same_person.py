"""Photos of one person, each fitted alone: how alike are the albedos, the neutral shapes and the
tones, beside those of different people. A photo's name is its person's letter and a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from torch import Tensor

from benchmarks.measures import typology_angle
from benchmarks.neutral_head import aligned
from benchmarks.quality import Bench, Subject
from fitme.fit.visibility import texel_weights
from fitme.head.model import HeadModel
from fitme.reflectance.atlas import averaged, resized
from fitme.runtime.errors import FitmeError

PEOPLE = "abcde"  # of the development photos, those with several
TEXELS = 256
SEEN = 0.2  # weight from which a photo shows a texel
LEAST_SHARED = 0.15  # of the skin; pairs that show less in common say nothing


@dataclass(frozen=True)
class Portrait:
    """What is compared of one fit."""

    name: str
    albedo: Tensor  # [R,R,3]
    seen: Tensor  # [R,R] bool
    neutral: Tensor  # [1,V,3] metres
    angle: float  # individual typology angle of the bare skin, degrees


def portrait(name: str, subject: Subject) -> Portrait:
    """Albedo and shape of a fit from one photo."""
    avatar, regions = subject.avatar, subject.session.regions
    view = avatar.photos[0].view
    crops = subject.session.crops(TEXELS, exact=True)
    camera = subject.session.camera(subject.state, crops)
    trusted = subject.trusted(0, TEXELS)[None]
    posed = avatar.geometry.vertices(view.expression, view.gaze)
    weight = texel_weights(avatar.head, posed, camera, trusted, TEXELS)[0]
    skin = resized(regions.skin[None, ..., None], TEXELS)[0, ..., 0]
    albedo = averaged(avatar.skin.diffuse_albedo, TEXELS)[0]
    bare = resized(regions.bare[None, ..., None], TEXELS)[0, ..., 0]
    angle = typology_angle(albedo, bare)
    return Portrait(name, albedo, weight * skin > SEEN, avatar.neutral(), angle)


def albedo_difference(a: Portrait, b: Portrait) -> float:
    """Mean |ln ratio| over skin that both photos show, after one scale per channel; NaN where
    that is too little."""
    both = a.seen & b.seen
    if both.sum() < LEAST_SHARED * max(a.seen.sum(), b.seen.sum()):
        return float("nan")
    ratio = (a.albedo[both].clamp_min(1e-3) / b.albedo[both].clamp_min(1e-3)).log()
    return float((ratio - ratio.median(0).values).abs().mean())


def compare(portraits: Sequence[Portrait], head: HeadModel) -> dict[str, dict[str, list[float]]]:
    """Measure -> "one person" or "different people" -> a number per pair of photos."""
    face = head.regions["face"] > 0.5
    found: dict[str, dict[str, list[float]]] = {
        measure: {"one person": [], "different people": []}
        for measure in ("albedo", "shape mm", "tone deg")
    }
    for a, b in combinations(portraits, 2):
        who = "one person" if a.name[0] == b.name[0] else "different people"
        miss = (aligned(a.neutral, b.neutral, head) - b.neutral)[0, face].norm(dim=-1)
        found["shape mm"][who].append(1000 * float(miss.mean()))
        found["tone deg"][who].append(abs(a.angle - b.angle))
        difference = albedo_difference(a, b)
        if np.isfinite(difference):
            found["albedo"][who].append(difference)
    return found


def compare_photos(bench: Bench, folder: Path, only: Sequence[str] | None) -> None:
    """Fit the photos of PEOPLE in a folder, print what they differ by, pair by pair and as
    ratios."""
    portraits = []
    for path in sorted(folder.iterdir()):
        if path.stem[0] not in PEOPLE or not path.stem[1:].isdigit():
            continue
        if only and path.stem not in only and path.stem[0] not in only:
            continue
        try:
            fitted = bench.fit([path])
            portraits.append(portrait(path.stem, fitted))
            seconds = sum(fitted.log.seconds.values())
            print(f"{path.stem}: {portraits[-1].angle:.0f} degrees, {seconds:.0f} s", flush=True)
        except FitmeError as problem:
            print(f"{path.stem}: {problem}", flush=True)
    for measure, pairs in compare(portraits, bench.models.head).items():
        same, other = (np.array(pairs[who]) for who in ("one person", "different people"))
        if not len(same) or not len(other):
            print(f"{measure}: too few pairs", flush=True)
            continue
        print(
            f"{measure:10s} one person {same.mean():.4f} ({len(same)} pairs), different people "
            f"{other.mean():.4f} ({len(other)}), ratio {same.mean() / other.mean():.3f}",
            flush=True,
        )
    for letter in PEOPLE:
        group = [one for one in portraits if one.name[0] == letter]
        values = compare(group, bench.models.head)
        if len(group) > 1:
            line = [f"{measure} {np.mean(by['one person']):.4f}" for measure, by in values.items()]
            print(f"  {letter}: {len(group)} photos, " + ", ".join(line), flush=True)
