"""The person as dlib's face network knows one: the render beside the photo, and the head turned."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fitme.fit.observation import Crops, display
from fitme.fit.session import Session
from fitme.fit.terms.base import Step, Term
from fitme.head.mesh import head_mesh
from fitme.head.view import head_rotation
from fitme.learned import FaceFeatures
from fitme.learned.faces import DLIB
from fitme.learned.perceptual import masked
from fitme.reflectance.generated import generated_materials
from fitme.render import render
from fitme.render.camera import Camera, intrinsics, rigid
from fitme.render.light import Light
from fitme.render.picture import BACKDROP
from fitme.runtime.constants import constant, constant_of

EVERY = 4  # steps: the network takes as long as a third of a step of the inversion
TURNED_DEG = 25.0  # of yaw, to one side and the other
TURNED_PIXELS = 192  # of a turned head's picture; the network reads 150 around the face
SPAN = 1.9  # side of that picture over the span of the landmarks, as of the photos' crops


@dataclass
class _NowAndThen:
    """A loss that is worked out every EVERY steps with as many times the gradient; in between it
    stands at its latest value."""

    steps: int = 0
    latest: Tensor | None = None

    def __call__(self, loss: Callable[[], Tensor]) -> Tensor:
        self.steps += 1
        if self.latest is not None and self.steps % EVERY != 1:
            return self.latest
        value = loss()
        self.latest = value.detach()
        return self.latest + EVERY * (value - self.latest)


@dataclass(frozen=True)
class Likeness:
    """Squared distance of face features between photos and renders, the photo's own pixels where
    no skin is."""

    weight: float
    network: FaceFeatures
    points: Tensor  # [P,478,2] landmarks of the photos, pixels of the crops
    wanted: Tensor  # [P,D] the photos' features
    name: str = "likeness"
    _paced: _NowAndThen = field(default_factory=_NowAndThen)

    def __call__(self, step: Step) -> Tensor:
        return self._paced(lambda: self._loss(step))

    def _loss(self, step: Step) -> Tensor:
        mixed = masked(step.rendered.clamp(0, 1), step.target.clamp(0, 1), step.weight.clamp(0, 1))
        found = self.network.embed(mixed, self.points)
        return self.network.distance(found, self.wanted).mean()


@dataclass(frozen=True)
class TurnedLikeness:
    """Squared distance between the photos' features and those of the head turned to a side, to
    the other at the next time, in a studio's light."""

    weight: float
    network: FaceFeatures
    wanted: Tensor  # [P,D]
    gray: bool  # the photos have no colour
    name: str = "turned"
    _paced: _NowAndThen = field(default_factory=_NowAndThen)

    def __call__(self, step: Step) -> Tensor:
        return self._paced(lambda: self._loss(step))

    def _loss(self, step: Step) -> Tensor:
        side = TURNED_DEG if self._paced.steps // EVERY % 2 else -TURNED_DEG
        head, session = step.session.head, step.session
        vertices = step.vertices if step.vertices is not None else step.state.posed(head)
        vertices = vertices[:1]
        camera = turned_camera(head.landmarks(vertices)[0].detach(), step, side)
        iris = step.state.person.iris
        materials = generated_materials(head, session.regions, step.maps, iris, 64)
        light = _studio(vertices.device)
        whole = vertices.device.type != "cpu"
        out = render(head_mesh(head, vertices), materials, camera, light, whole=whole)
        shown = out.color + (1 - out.alpha) * BACKDROP
        gray = torch.ones_like(shown[:, 0, 0, 0]).bool() if self.gray else None
        found = self.network.embed(
            display(shown, gray).clamp(0, 1), camera.project(head.landmarks(vertices))
        )
        return self.network.distance(found, self.wanted).mean()


@functools.cache
def _studio(device: torch.device) -> Light:
    return Light.preset("studio").to(device)


def turned_camera(points: Tensor, step: Step, yaw_deg: float) -> Camera:
    """Camera before an upright head turned by `yaw_deg`, as far away as the first photo's, with
    landmarks [N,3] in its middle."""
    centre = points.mean(0)
    away = step.session.camera(step.state, step.crops).transform(centre[None, None])[0, 0, 2]
    distance, span = away.detach(), (points.amax(0) - points.amin(0))[:2].max()
    rotation = constant_of(head_rotation, yaw_deg, like=points)
    translation = constant((0.0, 0.0, 1.0), points) * distance - rotation @ centre
    focal: Tensor | float
    if points.device.type == "cpu":  # in double precision; a GPU's host would have to wait
        focal = TURNED_PIXELS * float(distance) / (SPAN * float(span))
    else:
        focal = TURNED_PIXELS * distance / (SPAN * span)
    matrix = intrinsics(focal, TURNED_PIXELS, TURNED_PIXELS).to(points)
    pose = rigid(rotation[None], translation[None])
    return Camera(matrix, pose, TURNED_PIXELS, TURNED_PIXELS)


@torch.no_grad()
def likeness(session: Session, crops: Crops) -> list[Term]:
    """What the settings give a weight, where the network is installed."""
    weights = session.settings.terms
    network = session.models.face_network if weights.likeness or weights.turned else None
    if network is None:
        return []
    points = crops.from_photo(session.landmarks(crops))
    wanted = network.embed(crops.display.clamp(0, 1), points)
    terms: list[Term] = []
    if weights.likeness:
        terms.append(Likeness(weights.likeness, network, points, wanted))
    corners = session.head.landmark_weight[[index for group in DLIB.indices for index in group]]
    if weights.turned and bool((corners > 0).all()):  # other heads may lack some
        gray = bool(crops.gray.all())
        terms.append(TurnedLikeness(weights.turned, network, wanted, gray))
    return terms
