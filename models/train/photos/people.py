"""Random people: a shape, an expression, where they look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fitme.head.model import EYE_LOOK_DEGREES, HeadModel

IDENTITY_SPREAD = 1.15  # standard deviations: a little wider than people are
STRETCH = 0.025  # standard deviation of the log of each axis' scale
BUMPS, BUMP_RADIUS, BUMP_HEIGHT = 10, (0.02, 0.05), 0.0016  # smooth deviations from the model, m
SIDES = ("Left", "Right")

# Archetypes: shape (both sides where it has them) and its mean weight.
MOODS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile": 0.6, "cheekSquint": 0.35, "eyeSquint": 0.25, "mouthUpperUp": 0.15},
    "laugh": {"mouthSmile": 0.85, "cheekSquint": 0.6, "eyeSquint": 0.45, "jawOpen": 0.3,
              "mouthUpperUp": 0.35, "mouthLowerDown": 0.25},
    "talk": {"jawOpen": 0.25, "mouthLowerDown": 0.25, "mouthFunnel": 0.15},
    "rounded": {"mouthFunnel": 0.5, "jawOpen": 0.2},
    "pout": {"mouthPucker": 0.7, "mouthShrugLower": 0.2},
    "surprise": {"browInnerUp": 0.6, "browOuterUp": 0.6, "eyeWide": 0.5, "jawOpen": 0.4},
    "anger": {"browDown": 0.7, "noseSneer": 0.4, "mouthPress": 0.4, "eyeSquint": 0.3},
    "sad": {"browInnerUp": 0.5, "mouthFrown": 0.5, "mouthShrugLower": 0.3},
    "disgust": {"noseSneer": 0.7, "mouthUpperUp": 0.4, "browDown": 0.3},
    "shout": {"jawOpen": 0.75, "mouthStretch": 0.4, "eyeSquint": 0.3},
    "pressed": {"mouthPress": 0.6, "mouthRollLower": 0.4, "mouthRollUpper": 0.4},
}  # fmt: skip
OFTEN = {"neutral": 5.0, "smile": 6.0, "laugh": 4.0, "talk": 3.0}  # the others count once
STRAY = 0.12  # how often any other shape is present, with a mean weight of
STRAY_WEIGHT = 0.2
SHUT = 0.05  # share of closed eyes; of half closed ones as many again


@dataclass(frozen=True)
class Someone:
    """One person in one pose of the face."""

    identity: Tensor  # [1,K]
    expression: Tensor  # [1,E] in 0..1
    gaze: Tensor  # [1,2,2] radians
    vertices: Tensor  # [1,V,3] metres


def draw_someone(head: HeadModel, rng: np.random.Generator, off_model: bool = True) -> Someone:
    """A person; `off_model` adds smooth deviations that no coefficients express."""
    count = head.identity.shape[0]
    identity = torch.from_numpy(
        (IDENTITY_SPREAD * rng.standard_normal((1, count))).clip(-3, 3)
    ).float()
    gaze = draw_gaze(rng)
    expression = draw_expression(head, rng, gaze)
    shape = head.shape(identity, expression)
    if off_model:
        shape = shape + deviation(shape[0], rng)
    return Someone(identity, expression, gaze, head.pose(shape, gaze=gaze))


def deviation(vertices: Tensor, rng: np.random.Generator) -> Tensor:
    """Smooth offsets [V,3] of vertices [V,3], metres: a stretch of each axis and a few bumps."""
    stretch = torch.from_numpy(rng.normal(0, STRETCH, 3)).float()
    offsets = (vertices - vertices.mean(0)) * stretch
    centres = vertices[torch.from_numpy(rng.integers(0, len(vertices), BUMPS))]
    radii = torch.from_numpy(rng.uniform(*BUMP_RADIUS, BUMPS)).float()
    heights = torch.from_numpy(rng.normal(0, BUMP_HEIGHT, (BUMPS, 3))).float()
    mirrored = centres * centres.new_tensor([-1.0, 1.0, 1.0])  # bumps come in pairs
    for middle, sign in ((centres, 1.0), (mirrored, -1.0)):
        near = (-0.5 * (torch.cdist(vertices, middle) / radii) ** 2).exp()
        offsets = offsets + near @ (heights * heights.new_tensor([sign, 1.0, 1.0]))
    return offsets


def draw_gaze(rng: np.random.Generator) -> Tensor:
    """[1,2,2] pitch and yaw of both eyes: at the camera or about, now and then aside."""
    wide = 0.45 if rng.random() < 0.15 else 0.13
    both = rng.normal(0, [0.6 * wide, wide]).clip(-0.5, 0.5)
    each = np.stack([both, both])
    each[:, 1] += np.array([-1.0, 1.0]) * rng.uniform(0, 0.06)  # they meet at a near point
    return torch.from_numpy(each)[None].float()


def draw_expression(head: HeadModel, rng: np.random.Generator, gaze: Tensor) -> Tensor:
    """[1,E] in 0..1: one or two moods, stray shapes, lids that go with the gaze."""
    names = {name: k for k, name in enumerate(head.expression_names)}
    weights = np.zeros(len(names))

    def add(shape: str, amount: float) -> None:
        if shape in names:
            weights[names[shape]] += amount
            return
        lopsided = rng.normal(0, 0.12)
        for side, sign in zip(SIDES, (1, -1), strict=True):
            if shape + side in names:
                weights[names[shape + side]] += amount * (1 + sign * lopsided)

    odds = np.array([OFTEN.get(mood, 1.0) for mood in MOODS])
    for k in range(2 if rng.random() < 0.25 else 1):
        mood = MOODS[str(rng.choice(list(MOODS), p=odds / odds.sum()))]
        strength = rng.gamma(4.0, 0.25) * (1 if k == 0 else 0.5)
        for shape, mean in mood.items():
            add(shape, mean * strength * rng.uniform(0.5, 1.4))
    stray = rng.random(len(weights)) < STRAY
    weights += stray * rng.exponential(STRAY_WEIGHT, len(weights))
    for name in ("tongueOut", "mouthClose"):
        weights[names[name]] = 0.0
    weights[names["cheekPuff"]] *= 0.5
    _close_lids(weights, names, rng, gaze)
    return torch.from_numpy(weights.clip(0, 1))[None].float()


def _close_lids(
    weights: np.ndarray, names: dict[str, int], rng: np.random.Generator, gaze: Tensor
) -> None:
    """Blinks, and the lids that follow a look up or down."""
    chance = rng.random()
    blink = rng.uniform(0.0, 0.15)
    if chance < SHUT:
        blink = rng.uniform(0.9, 1.0)
    elif chance < 2 * SHUT:
        blink = rng.uniform(0.2, 0.8)
    for eye, side in enumerate(SIDES):
        pitch, yaw = (math.degrees(float(value)) for value in gaze[0, eye])
        weights[names["eyeBlink" + side]] = blink * (0.0 if rng.random() < 0.03 else 1.0)
        outward = yaw if eye == 0 else -yaw  # +X is the person's left
        for direction, amount in (("Up", pitch), ("Down", -pitch), ("Out", outward),
                                  ("In", -outward)):  # fmt: skip
            share = max(amount, 0.0) / EYE_LOOK_DEGREES[direction]
            weights[names[f"eyeLook{direction}{side}"]] = min(share, 1.0)
