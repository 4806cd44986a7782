"""What a fit estimates: one person, and per photo a frame (view, light, which pixels show skin)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.fields import DeformationFields
from fitme.fit.observation import Observation
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel
from fitme.head.view import View
from fitme.reflectance.generated import WCode
from fitme.render.light import Y0, Light, fibonacci_sphere, sh_diffuse
from fitme.runtime.constants import constant, constant_of

START_LIGHT = 0.7  # mean radiance before anything is known
# What a white card reflects in the mean of `CARDS` where a photo is exposed for the face: cards
# that turn away from the light count as well. With 1 all but the darkest known heads came out 16 to
# 28 degrees (ITA) too dark.
USUAL_STRENGTH = 0.7
AROUND = 48  # directions in which the surround is looked at
# Of the strength: the faintest surround. Below 0 the underside of a chin was black in two channels
# and red in the third.
FAINTEST = 0.02
CARDS = ((0, 0, 1), (0.8, 0, 0.6), (-0.8, 0, 0.6), (0, 0.8, 0.6), (0, -0.8, 0.6))  # normals
# Spreads of the regularizers. ARKit weights, the log of the light's colour (lamps and white balance
# make near-white light) and the log of its strength.
EXPRESSION_SPREAD, TINT_SPREAD, STRENGTH_SPREAD = 0.4, 0.12, 0.35


@dataclass
class Person:
    """What all photos share; the optimiser changes the tensors in place."""

    code: Tensor  # [1,D] of W, see `WCode`
    layers: Tensor  # [1,1 or w_count,w_dim] what W+ adds to it per layer
    iris: Tensor  # [1,1] colour, see `eye_material`
    eyes: Tensor  # [1,2,3] log gain of iris and sclera, likewise
    identity: Tensor  # [1,K]
    deformation: Tensor  # [1,M,3] code, see `DeformationFields`; M is 0 without

    def regularizer(self) -> dict[str, Tensor]:
        """Mean squares by name: all of these are standard normal a priori."""
        return {
            "code": self.code.square().mean(),
            "iris": self.iris.square().mean(),
            "identity": self.identity.square().mean(),
            "deformation": self.deformation.square().sum() / max(self.deformation.numel(), 1),
        }


@dataclass
class Frames:
    """How P photos see the person and what light shines in them. `frames[k]`, `frames[i:j]` are
    those of some photos."""

    expression: Tensor  # [P,E] in 0..1
    gaze: Tensor  # [P,2,2] radians
    rotation: Tensor  # [P,3] axis-angle, world to camera
    translation: Tensor  # [P,3] metres
    gray: Tensor  # [P,9] spherical harmonics of the light before its colour
    tint: Tensor  # [P,3] log colour of the light
    white: Tensor  # [P,3] what the tint is expected to be
    color: Tensor  # [P,9,3] coloured deviations of the harmonics
    lamp: Tensor  # [P,3] one directional light: direction times intensity
    trusted: Tensor  # [P,n,n] in 0..1: which pixels of the crops show skin

    def __len__(self) -> int:
        return len(self.gray)

    def __getitem__(self, index: int | slice) -> Frames:
        """Raises IndexError for a photo that is not there."""
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"frame {index} of {len(self)}")
            index = slice(index % len(self), index % len(self) + 1)
        return Frames(**{item.name: getattr(self, item.name)[index] for item in fields(self)})

    def light(self) -> Light:
        """The P lights."""
        tint = self.tint.exp()[:, None]
        intensity = self.lamp.square().sum(-1, keepdim=True).add(1e-8).sqrt()
        direction = (self.lamp / intensity)[:, None]
        sh = self.gray[..., None] * tint + self.color
        return Light(sh, direction, intensity[:, None] * tint)

    def strength(self) -> Tensor:
        """What a white card in the face's place reflects under each light, [P]: the mean of
        irradiance over pi for cards that face forward, to the sides, up and down."""
        cards = F.normalize(constant(CARDS, self.gray), dim=-1)
        ambient = sh_diffuse(self.gray[:, None, :, None], cards[None])[..., 0]
        lamp = F.relu(self.lamp @ cards.T)
        return (ambient + lamp).mean(-1)

    def surround(self) -> Tensor:
        """What white cards that face all around reflect of each surround, [P,n,3], lamps left out;
        harmonics can make it less than nothing."""
        directions = constant_of(fibonacci_sphere, AROUND, like=self.gray)
        return sh_diffuse(self.light().sh[:, None], directions[None])

    def view(self, index: int, start: View) -> View:
        """How photo `index` sees the head; `start` has the camera's constants."""
        frame = self[index]
        return replace(
            start, rotation=frame.rotation, translation=frame.translation,
            expression=frame.expression.clamp(0, 1), gaze=frame.gaze,
            focal=start.focal.to(frame.rotation),
        )  # fmt: skip

    def regularizer(self) -> dict[str, Tensor]:
        """By name: expressions are small; light is near white, about as bright as exposure makes
        it, smooth (higher harmonics against the strength), of one colour, nowhere fainter than a
        little and not all lamp."""
        strength = self.strength()
        brightness = (strength.clamp_min(0.01) / USUAL_STRENGTH).log()
        faint = FAINTEST - self.surround() / strength.clamp_min(0.05)[:, None, None]
        tint = self.tint - self.white
        chroma = tint - tint.mean(-1, keepdim=True)
        return {
            "expression": (self.expression / EXPRESSION_SPREAD).square().mean(),
            "tint": (chroma / TINT_SPREAD).square().sum(-1).mean(),
            "strength": (brightness / STRENGTH_SPREAD).square().mean(),
            "smooth": _relative(self.gray[:, 1:], strength),
            "color": _relative(self.color, strength),
            "faint": F.relu(faint).square().sum((1, 2)).mean(),
            "lamp": (self.lamp.square().sum(-1) / strength.square()).mean(),
        }


def _relative(bands: Tensor, strength: Tensor) -> Tensor:
    """Mean square of harmonics [P,...] over the mean light [P]."""
    return (bands / strength.clamp_min(0.05).reshape(-1, *[1] * (bands.ndim - 1))).square().mean()


@dataclass
class FitState:
    """The current estimate of everything."""

    person: Person
    frames: Frames
    fields: DeformationFields | None = None  # what the deformation's code means; None: no layer

    @staticmethod
    def start(observations: Sequence[Observation], identity: Tensor, codes: WCode) -> FitState:
        """From aligned views and an identity [1,K]: the mean reflectance in gray ambient light."""
        views = [seen.view for seen in observations]
        count = len(views)
        identity = identity.to(codes.mean)
        gray = identity.new_zeros(count, 9)
        gray[:, 0] = START_LIGHT / Y0

        def each(name: str) -> Tensor:
            return torch.cat([getattr(view, name) for view in views]).to(identity).clone()

        person = Person(
            codes.zeros(), identity.new_zeros(1, 1, codes.axes.shape[1]),
            identity.new_zeros(1, 1), identity.new_zeros(1, 2, 3), identity.clone(),
            identity.new_zeros(1, 0, 3),
        )  # fmt: skip
        frames = Frames(
            each("expression"), each("gaze"), each("rotation"), each("translation"),
            gray, identity.new_zeros(count, 3), identity.new_zeros(count, 3),
            identity.new_zeros(count, 9, 3), identity.new_zeros(count, 3),
            identity.new_ones(count, 1, 1),
        )  # fmt: skip
        return FitState(person, frames)

    def tensors(self) -> dict[str, Tensor]:
        """All unknowns by name."""
        parts = (self.person, self.frames)
        return {item.name: getattr(part, item.name) for part in parts for item in fields(part)}

    def geometry(self, head: HeadModel) -> Geometry:
        """The person's shape."""
        if self.fields is None:
            return Geometry(head, self.person.identity)
        return Geometry(
            head, self.person.identity, (self.fields.deformation(self.person.deformation),)
        )

    def posed(self, head: HeadModel) -> Tensor:
        """Vertices [P,V,3] with each photo's expression and gaze."""
        frames = self.frames
        return self.geometry(head).vertices(frames.expression.clamp(0, 1), frames.gaze)

    def regularizer(self) -> dict[str, Tensor]:
        """Of person and frames, by name; see `PriorSettings` for the weights."""
        return self.person.regularizer() | self.frames.regularizer()
