"""One plain-skinned head and its photo, made from known maps."""

from __future__ import annotations

from pathlib import Path

import torch

from fitme.fit.models import Models
from fitme.fit.observation import Crops, Observation, cut
from fitme.fit.session import Session
from fitme.fit.settings import FitSettings, RefineSettings
from fitme.fit.stages.refine import refine
from fitme.fit.state import FitState
from fitme.head.mesh import head_mesh
from fitme.head.model import HeadModel
from fitme.head.view import View, head_rotation
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.models.stylegan2 import ReflectanceMaps, load_generator
from fitme.reflectance.generated import WCode, generated_materials
from fitme.reflectance.regions import AtlasRegions
from fitme.render import RenderOutput, render
from fitme.render.camera import matrix_to_axis_angle

TEXELS, PIXELS = 512, 640
SKIN = (0.45, 0.28, 0.20)


def front(head: HeadModel) -> View:
    """The head from the front, 640 pixels a side."""
    return View(
        matrix_to_axis_angle(head_rotation(0))[None],
        torch.tensor([[0.0, 0.03, 0.9]]), torch.tensor([1800.0]), PIXELS, PIXELS,
        torch.zeros(1, len(head.expression_names)), torch.zeros(1, 2, 2),
    )  # fmt: skip


def known_state(head: HeadModel) -> FitState:
    """The mean head under white light from everywhere."""
    view, identity = front(head), torch.zeros(1, head.identity.shape[0])
    points = view.camera().project(head.landmarks(view.posed(head, identity)))[0]
    black = Photo(Path("made.png"), torch.zeros(PIXELS, PIXELS, 3))
    seen = Observation(black, FaceLandmarks(points), view)
    return FitState.start([seen], identity, WCode(load_generator()))


def plain() -> ReflectanceMaps:
    """Even skin."""
    albedo = torch.tensor(SKIN).expand(1, TEXELS, TEXELS, 3).clone()
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(1, TEXELS, TEXELS, 3).clone()
    return ReflectanceMaps(albedo, torch.full((1, TEXELS, TEXELS, 1), 0.028), normal)


def photographed(
    head: HeadModel, regions: AtlasRegions, state: FitState, maps: ReflectanceMaps
) -> Observation:
    """The head with these maps and the state's eyes, as its photo."""
    view = front(head)
    vertices = view.posed(head, state.person.identity)
    with torch.no_grad():
        materials = generated_materials(
            head, regions, maps, state.person.iris, eye_gain=state.person.eyes
        )
        out = render(head_mesh(head, vertices), materials, view.camera(), state.frames.light())
    points = view.camera().project(head.landmarks(vertices))[0]
    pixels = out.color[0].clamp(0, 1)
    return Observation(Photo(Path("made.png"), pixels), FaceLandmarks(points), view)


def seen_plain(
    head: HeadModel, regions: AtlasRegions, state: FitState, photo: Observation, size: int
) -> tuple[RenderOutput, Crops]:
    """The plain head under the state's light beside the photo's crop of `size` pixels."""
    crops = cut([photo], size)
    camera = crops.camera(state.frames.rotation, state.frames.translation)
    materials = generated_materials(head, regions, plain(), state.person.iris)
    with torch.no_grad():
        out = render(head_mesh(head, state.posed(head)), materials, camera, state.frames.light())
    return out, crops


def refined(
    models: Models, state: FitState, seen: Observation, trusted: float = 1.0, relief: bool = True
) -> ReflectanceMaps:
    """The plain maps with the photo's fine detail, all of it trusted as much."""
    settings = FitSettings(refine=RefineSettings(relief=relief))
    state.frames.trusted = torch.full((1, 160, 160), trusted)
    return refine(Session(models, [seen], settings), state, plain())
