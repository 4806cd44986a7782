"""A face made by the project is found again from its picture alone, with the shipped generator."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fitme.fit.evidence.covered import uncovered_pixels
from fitme.fit.evidence.scalp import log_mean
from fitme.fit.evidence.trust import trust
from fitme.fit.models import Models
from fitme.fit.observation import Crops, Observation, crop_size, cut
from fitme.fit.pipeline import stages
from fitme.fit.session import Session
from fitme.fit.settings import PRESETS, FitSettings, check_resolutions, override
from fitme.fit.stages.invert import InvertStage
from fitme.fit.stages.maps import finished_maps
from fitme.fit.stages.start import start
from fitme.fit.stages.tune import TuneStage
from fitme.fit.state import FitState
from fitme.fit.visibility import pixels_of
from fitme.head.mesh import head_mesh
from fitme.head.model import HeadModel
from fitme.head.view import View, head_rotation
from fitme.image.color import linear_to_srgb
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.models.stylegan2 import ReflectanceGenerator
from fitme.reflectance.generated import WCode, generated_materials
from fitme.reflectance.regions import AtlasRegions
from fitme.render import RenderOutput, render
from fitme.render.camera import matrix_to_axis_angle
from fitme.render.light import Light
from fitme.runtime.errors import InputError

SETTINGS = override(
    FitSettings(),
    {
        "light.steps": 25, "light.pixels": 128,
        "invert.steps": 25, "invert.pixels": 160, "invert.texels": 128,
        "tune.steps": 8, "tune.pixels": 160, "tune.texels": 256,
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def generator(models: Models) -> ReflectanceGenerator:
    return models.generator


@pytest.fixture(scope="module")
def made(head: HeadModel, generator: ReflectanceGenerator) -> tuple[Observation, torch.Tensor]:
    """A dark-skinned person under side light, and the albedo's mean over the face."""
    view = View(
        matrix_to_axis_angle(head_rotation(0))[None],
        torch.tensor([[0.0, 0.03, 0.9]]), torch.tensor([900.0]), 320, 320,
        torch.zeros(1, len(head.expression_names)), torch.zeros(1, 2, 2),
    )  # fmt: skip
    z = torch.randn(64, generator.config.z_dim, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        ws = generator.map(z)
        tones = generator.synthesize(ws, 64).diffuse_albedo.mean((1, 2, 3))
        maps = generator.synthesize(ws[tones.argmin()][None], 256)
        regions = AtlasRegions(head, 256)
        identity = torch.zeros(1, head.identity.shape[0])
        vertices = view.posed(head, identity)
        materials = generated_materials(head, regions, maps, torch.zeros(1, 1))
        light = Light.ambient(0.5)
        sh = light.sh.clone()
        sh[:, 3] += 0.4  # from +x
        light = Light(sh, light.directions, light.colors)
        out = render(head_mesh(head, vertices), materials, view.camera(), light)
    photo = Photo(Path("made.png"), out.color[0].clamp(0, 1))
    points = view.camera().project(head.landmarks(vertices))[0]
    mask = regions.skin > 0.5
    return Observation(photo, FaceLandmarks(points), view), maps.diffuse_albedo[0][mask].mean(0)


def test_crops_and_photo_agree(made: tuple[Observation, torch.Tensor], head: HeadModel) -> None:
    seen, _ = made
    crops = cut([seen], 128)
    view = seen.view
    camera = crops.camera(view.rotation, view.translation)
    points = head.landmarks(view.posed(head, torch.zeros(1, head.identity.shape[0])))
    inside = torch.cat([camera.project(points), torch.ones(1, len(points[0]), 1)], -1)
    back = (inside @ crops.to_photo.mT)[0, :, :2]
    torch.testing.assert_close(back, seen.face.points, atol=1e-2, rtol=0)
    assert crop_size([seen], 512) % 32 == 0 and crop_size([seen], 160) == 160


def test_face_is_found_again(
    made: tuple[Observation, torch.Tensor], models: Models, head: HeadModel
) -> None:
    seen, albedo = made
    session = Session(models, [seen], SETTINGS)
    state = start(session, torch.zeros(1, head.identity.shape[0]))
    history = {stage.name: stage.run(session, state) for stage in stages(SETTINGS)}
    assert set(history) == {"light", "invert", "tune"}
    assert history["light"]["photometric"][-1] < 0.2 * history["light"]["photometric"][0]
    maps, wrinkles = finished_maps(session, state, 128)
    assert wrinkles is not None and wrinkles.compressed.shape == (1, 128, 128)
    assert maps.diffuse_albedo.shape == (1, 128, 128, 3)
    found = maps.diffuse_albedo[0][AtlasRegions(head, 128).skin > 0.5].mean(0)
    # The product of light and albedo is seen, the parts only by their priors.
    assert (found / albedo).log().abs().max() < 0.5
    with torch.no_grad():
        crops = cut([seen], 160)
        out = session.picture(state, state.posed(head), session.camera(state, crops), maps)
        weight = session.skin(out)
        miss = linear_to_srgb(out.color.clamp(0, 1)) - linear_to_srgb(crops.pixels)
        error = (miss.square().mean(-1) * weight).sum() / weight.sum()
    assert -10 * math.log10(float(error)) > 28
    light = state.frames.light()
    assert light.sh[0, 3].mean() + light.directions[0, 0, 0] * light.colors[0, 0].mean() > 0.1
    assert (state.frames.trusted * weight).sum() / weight.sum() > 0.8


def test_stages_follow_the_settings() -> None:
    assert [stage.name for stage in stages(FitSettings())] == ["light", "invert", "tune"]
    assert [stage.name for stage in stages(PRESETS["fast"])] == ["light", "invert"]


@torch.no_grad()
def started(
    seen: Observation, models: Models, settings: FitSettings = SETTINGS
) -> tuple[Session, FitState, RenderOutput, Crops]:
    """A fit before its first step, with its picture beside the crop of 256 pixels."""
    session = Session(models, [seen], settings)
    state = start(session, torch.zeros(1, models.head.identity.shape[0]))
    crops = session.crops(256, exact=True)
    return session, state, session.view(state, crops), crops


@pytest.mark.parametrize("fringe", [False, True])
def test_fringe_is_seen_as_hair(
    made: tuple[Observation, torch.Tensor], models: Models,
    fringe: bool,
) -> None:  # fmt: skip
    seen, _ = made
    session, state, bald, crops = started(seen, models)
    rows = torch.arange(256)[:, None].expand(256, 256)
    brow = int(rows[pixels_of(bald, session.regions["brows"])[0] > 0.5].min())
    pixels = seen.photo.pixels.clone()
    pixels[pixels.amax(-1) < 1e-3] = 0.4  # a wall
    if fringe:
        at = crops.in_photo(torch.tensor([[[0.0, brow - 6.0]]]))[0, 0, 1]
        strands = 0.02 + 0.02 * torch.rand(
            pixels.shape[1], 1, generator=torch.Generator().manual_seed(0)
        )
        pixels[: int(at)] = strands
    photo = Photo(seen.photo.path, pixels)
    free = uncovered_pixels(Session(models, [replace(seen, photo=photo)]), state)
    forehead = (pixels_of(bald, session.regions.overhung) > 0.9) & (rows < brow - 14)
    assert forehead.sum() > 500
    share = float(free[forehead].mean())
    assert share < 0.1 if fringe else share > 0.85
    for name in ("bare", "beard"):
        area = pixels_of(bald, getattr(session.regions, name)) > 0.9
        assert float(free[area].min()) == 1


@pytest.mark.parametrize("hair", ["bald", "cropped"])
def test_scalp_is_as_dark_as_hair_on_it_or_bald(
    made: tuple[Observation, torch.Tensor], models: Models,
    hair: str,
) -> None:  # fmt: skip
    seen, _ = made
    session, state, out, crops = started(seen, models)
    crown = pixels_of(out, session.regions.crown)[0] > 0.5
    top = crops.in_photo(crown.nonzero().flip(1)[None].float())
    pixels = 3 * seen.photo.pixels  # light skin
    y = top[0, :, 1]
    pixels[: int(y.max()) + 1] *= 0.05  # black hair
    settings = override(SETTINGS, {"hair": hair, "invert.steps": 40})
    session = Session(models, [replace(seen, photo=Photo(seen.photo.path, pixels))], settings)
    InvertStage(settings.invert).run(session, state)
    with torch.no_grad():
        albedo = session.maps(session.w(state), 256).diffuse_albedo
        contrast = log_mean(albedo, session.regions.crown) - log_mean(albedo, session.regions.bare)
    dark, bare = bool((contrast < -1.2).all()), bool((contrast > -0.4).all())
    assert dark if hair == "cropped" else bare


@pytest.mark.parametrize("wplus", [False, True])
def test_tuning_changes_a_copy_of_the_generator_or_wplus(
    made: tuple[Observation, torch.Tensor], models: Models, wplus: bool
) -> None:
    seen, _ = made
    settings = override(SETTINGS, {"tune.steps": 4, "tune.wplus": wplus})
    session, state, *_ = started(seen, models, settings)
    before = [value.clone() for value in models.generator.parameters()]
    history = TuneStage(settings.tune).run(session, state)

    def same(generator: ReflectanceGenerator) -> bool:
        pairs = zip(before, generator.parameters(), strict=True)
        return all(torch.equal(a, b) for a, b in pairs)

    moved = float(state.person.layers.abs().max()) > 0
    assert (same(session.generator), moved) == (wplus, wplus)
    assert same(models.generator)  # serves the next person
    assert history["photometric"][-1] < history["photometric"][0]


GREEN, STEEL = (0.05, 0.40, 0.10), (0.02, 0.02, 0.02)


@pytest.mark.parametrize("covered", [False, True])
def test_painted_lips_are_trusted_and_a_microphone_is_not(
    made: tuple[Observation, torch.Tensor], models: Models,
    covered: bool,
) -> None:  # fmt: skip
    seen, _ = made
    session, _, out, crops = started(seen, models)
    lips = pixels_of(out, session.regions["lips"])[0] > 0.8
    shown = out.color.clone()
    shown[0][lips] = torch.tensor(GREEN)
    if covered:
        rows, columns = lips.nonzero().unbind(1)
        reach = int(rows.max() - rows.min())
        shown[0, rows.min() - reach : rows.max() + reach,
              columns.min() - reach : columns.max() + reach] = torch.tensor(STEEL)  # fmt: skip
    trusted = float(trust(session, out, replace(crops, pixels=shown))[0][lips].mean())
    assert trusted < 0.1 if covered else trusted > 0.9


def test_a_smaller_generator_is_one_line() -> None:
    check_resolutions(FitSettings(), (4, 8, 16, 32, 64, 128, 256, 512, 1024))
    with pytest.raises(InputError, match=r"^tune\.texels=512: .*one of 32, 64, 128, 256$"):
        check_resolutions(FitSettings(), (4, 8, 16, 32, 64, 128, 256))
    check_resolutions(PRESETS["fast"], (4, 8, 16, 32, 64, 128, 256))  # tunes nothing


def test_codes_are_white(generator: ReflectanceGenerator) -> None:
    codes = WCode(generator)
    draws = torch.Generator().manual_seed(0)
    z = torch.randn(4000, generator.config.z_dim, generator=draws)
    with torch.no_grad():
        taught = generator.photo_directions()  # which z does not draw
        w = generator.map(z) + torch.randn(4000, len(taught), generator=draws) @ taught - codes.mean
    found = w @ torch.linalg.pinv(codes.axes)
    covariance = found.T @ found / len(found)
    assert (covariance.diagonal() - 1).abs().max() < 0.25
    assert (covariance - torch.diag(covariance.diagonal())).abs().max() < 0.12
    torch.testing.assert_close(codes.w(codes.zeros())[0], generator.w_mean)
