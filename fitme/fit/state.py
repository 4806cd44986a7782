"""What a fit estimates: one person, and per photo a view and a light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.observation import Observation
from fitme.head.model import HeadModel
from fitme.head.view import View
from fitme.reflectance.generated import WCode
from fitme.render.light import Y0, Light, sh_diffuse

START_LIGHT = 0.7  # mean radiance before anything is known
CARDS = ((0, 0, 1), (0.8, 0, 0.6), (-0.8, 0, 0.6), (0, 0.8, 0.6), (0, -0.8, 0.6))  # normals


@dataclass
class FitState:
    """The current estimate of everything, P photos; the optimiser changes the tensors in place."""

    code: Tensor  # [1,D] of W, see `WCode`
    layers: Tensor  # [1,1 or w_count,w_dim] what W+ adds to it per layer
    iris: Tensor  # [1,1] colour, see `eye_material`
    eyes: Tensor  # [1,2,3] log gain of iris and sclera, likewise
    identity: Tensor  # [1,K]
    expression: Tensor  # [P,E] in 0..1
    gaze: Tensor  # [P,2,2] radians
    rotation: Tensor  # [P,3] axis-angle, world to camera
    translation: Tensor  # [P,3] metres
    grey: Tensor  # [P,9] spherical harmonics of the light before its colour
    tint: Tensor  # [P,3] log colour of the light
    white: Tensor  # [P,3] what the tint is expected to be
    color: Tensor  # [P,9,3] coloured deviations of the harmonics
    lamp: Tensor  # [P,3] one directional light: direction times intensity
    trusted: Tensor  # [P,n,n] in 0..1: which pixels of the crops show skin

    @staticmethod
    def start(observations: Sequence[Observation], identity: Tensor, codes: WCode) -> FitState:
        """From aligned views: the mean reflectance in grey ambient light."""
        views = [seen.view for seen in observations]
        count = len(views)
        identity = identity.to(codes.mean)
        grey = identity.new_zeros(count, 9)
        grey[:, 0] = START_LIGHT / Y0

        def each(name: str) -> Tensor:
            return torch.cat([getattr(view, name) for view in views]).to(identity).clone()

        return FitState(
            codes.zeros(), identity.new_zeros(1, 1, codes.axes.shape[1]),
            identity.new_zeros(1, 1), identity.new_zeros(1, 2, 3), identity.clone(),
            each("expression"), each("gaze"), each("rotation"), each("translation"),
            grey, identity.new_zeros(count, 3), identity.new_zeros(count, 3),
            identity.new_zeros(count, 9, 3), identity.new_zeros(count, 3),
            identity.new_ones(count, 1, 1),
        )  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def light(self) -> Light:
        """The P lights."""
        colour = self.tint.exp()[:, None]
        intensity = self.lamp.square().sum(-1, keepdim=True).add(1e-8).sqrt()
        direction = (self.lamp / intensity)[:, None]
        sh = self.grey[..., None] * colour + self.color
        return Light(sh, direction, intensity[:, None] * colour)

    def strength(self) -> Tensor:
        """What a white card in the face's place reflects under each light, [P]: the mean of
        irradiance over pi for cards that face forward, to the sides, up and down."""
        cards = F.normalize(self.grey.new_tensor(CARDS), dim=-1)
        ambient = sh_diffuse(self.grey[:, None, :, None], cards[None])[..., 0]
        lamp = F.relu(self.lamp @ cards.T)
        return (ambient + lamp).mean(-1)

    def posed(self, head: HeadModel) -> Tensor:
        """Vertices [P,V,3] with each photo's expression and gaze."""
        count = len(self.expression)
        shape = head.shape(self.identity.expand(count, -1), self.expression.clamp(0, 1))
        return head.pose(shape, gaze=self.gaze)

    def view(self, index: int, start: View) -> View:
        """How photo `index` sees the head; `start` has the camera's constants."""
        at = slice(index, index + 1)
        return replace(
            start, rotation=self.rotation[at], translation=self.translation[at],
            expression=self.expression[at].clamp(0, 1), gaze=self.gaze[at],
            focal=start.focal.to(self.rotation),
        )  # fmt: skip

    def light_of(self, index: int) -> Light:
        """The light [1] of photo `index`."""
        light, at = self.light(), slice(index, index + 1)
        return Light(light.sh[at], light.directions[at], light.colors[at])
