"""Portraits whose skin was rated by eye, in more lights and exposures than they were taken in.

Synthetic photos say nothing of how whites of eyes lie in the shade of real lids, how cameras render
contrast, or which hair goes with which skin. What was rated is how light a skin looks, as an
individual typology angle, good to about 8 degrees; its hue is the usual one of that angle among the
skins learned from. Ratings are a JSON file of names and degrees and no part of the project.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.image.color import individual_typology_angle, srgb_to_linear
from fitme.image.photo import load_photo
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.landmarks.select import select_face
from fitme.models.encoder.weights import TrainedEncoder
from fitme.segment.frame import Frame
from fitme.segment.labels import Label
from fitme.segment.tone import PIXELS, Tone, tone_features

LIGHTS = 12  # of each portrait; the first is its own
RAMP, BOWL = 2.7, 4.5  # deviations of light from a side and from the middle, log per half crop
BRIGHTER, DARKER = 1.2, -2.5  # log, how far a made light changes a portrait
CONTRAST, MIDDLE = 0.15, 0.3  # deviation of the log contrast; what stays as it is
CAST, GREEN = 0.06, 0.02  # deviations of the light's log colour, warm to cold and green to magenta
TOP = 0.95  # share of the skin below its brightest
FACE, PICTURE = (0.3, 1.1), (0.1, 0.7)  # linear values of that as cameras expose for either
BIN, RARE = 10.0, 8.0  # degrees; rare tones count up to so many times


@dataclass(frozen=True)
class Rated:
    """N crops of rated people."""

    features: Tensor  # [N,SIZE]
    tone: Tensor  # [N,3], see `Tone`
    weight: Tensor  # [N] so that tones count about alike


def usual_tone(albedo: Tensor) -> Tensor:
    """[4,3]: the numbers of `Tone` as cubic polynomials of angle / 50, over albedos [N,3]."""
    powers = _powers(individual_typology_angle(albedo))
    return torch.linalg.lstsq(powers.double(), Tone.of(albedo).double()).solution.float()


def _powers(angle: Tensor) -> Tensor:
    return (angle[:, None] / 50) ** torch.arange(4).to(angle)


def rarity(angle: Tensor) -> Tensor:
    """Weights [N] that make up for how many people have an angle [N] like it, 1 on average."""
    place = (angle / BIN).floor().long()
    place = place - place.min()
    count = torch.bincount(place).to(angle)
    weight = (count.max() / count[place]).clamp(max=RARE)
    return weight / weight.mean()


def relit(linear: Tensor, skin: Tensor, number: int, draws: torch.Generator) -> Tensor:
    """A crop [3,n,n] as if in another light and exposure, `number` of LIGHTS; skin [n,n] bool."""
    if number == 0:
        return linear

    def normal() -> float:
        return float(torch.randn((), generator=draws))

    def within(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=draws))

    if number % 2:
        places = (torch.arange(linear.shape[-1]) + 0.5) / (linear.shape[-1] / 2) - 1
        y, x = torch.meshgrid(places, places, indexing="ij")
        turn, slope = within(0, 2 * math.pi), RAMP * abs(normal())
        light = slope * (x * math.cos(turn) + 0.6 * y * math.sin(turn))
        light = light + BOWL * normal() * (x.square() + y.square()).clamp_max(0.25)
        linear = linear * light.clamp(DARKER, BRIGHTER).exp()
    linear = MIDDLE * (linear / MIDDLE).clamp_min(1e-4) ** (1 + CONTRAST * normal())
    warm, green = CAST * normal(), GREEN * normal()
    cast = torch.tensor([warm + 0.3 * green, 0.1 * warm - green, 0.3 * green - warm])
    linear = linear * cast.exp()[:, None, None]
    if number % 3:
        level = within(*(FACE if number % 3 == 1 else PICTURE))
        brightest = linear.amax(0)
        top = brightest[skin].quantile(TOP) if bool(skin.any()) else brightest.max()
        linear = linear * (level / float(top.clamp_min(0.02)))
    return linear.clamp(0, 1)


@torch.no_grad()
def look_at_rated(
    trained: TrainedEncoder, ratings: Path, portraits: Path, usual: Tensor, draws: torch.Generator
) -> Rated:
    """The portraits of a folder that a file rates, in LIGHTS lights each; `usual` as `usual_tone`
    gives it."""
    degrees: dict[str, float] = json.loads(ratings.read_text())
    provider = MediaPipeLandmarks()
    rows, angles = [], []
    for name, angle in sorted(degrees.items()):
        path = portraits / f"{name}.jpg"
        photo = load_photo(path)
        frame = Frame.around(select_face(provider.detect(photo), None, path).box)
        crop = frame.cut(photo, trained.network.config.size)[None]
        labels = F.interpolate(trained.network(crop).labels.softmax(1), (PIXELS, PIXELS))[0]
        linear = srgb_to_linear(F.interpolate(crop, (PIXELS, PIXELS), mode="area")[0])
        inside = frame.inside(photo, PIXELS)
        skin = labels[Label.SKIN] > 0.8
        for number in range(LIGHTS):
            shown, sure, within = relit(linear, skin, number, draws), labels, inside
            if torch.rand((), generator=draws) < 0.5:
                shown, sure, within = shown.flip(-1), sure.flip(-1), within.flip(-1)
            rows.append(tone_features(shown, sure, within))
            angles.append(float(angle))
    told = torch.tensor(angles)
    return Rated(torch.stack(rows), _powers(told) @ usual, rarity(told))
