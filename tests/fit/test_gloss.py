"""Highlights of made photos turn the lamp and raise the specular albedo where they are."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F

from fitme.fit.evidence.lamps import aim_lamps, towards
from fitme.fit.models import Models
from fitme.fit.session import Session
from fitme.fit.stages.gloss import MOST, lacking, shine
from fitme.fit.stages.light import expose
from fitme.fit.state import FitState
from fitme.reflectance.atlas import resized
from fitme.render.light import Y0
from tests.fit.made_photo import TEXELS, known_state, photographed, plain

SHINY = 4.0  # times the specular albedo that the fit has


def flash(models: Models, direction: tuple[float, float, float]) -> FitState:
    """The mean head under a lamp in the dark."""
    state = known_state(models.head)
    state.frames.gray[:] = 0
    state.frames.gray[:, 0] = 0.15 / Y0
    state.frames.lamp[:] = 0.8 * F.normalize(torch.tensor(direction), dim=-1)
    state.frames.trusted = torch.ones(1, 64, 64)
    return state


class TestLamps:
    def test_turned_at_most_so_far(self) -> None:
        old, new = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]])
        assert torch.allclose(towards(old, old, 0.5), old)
        angle = (towards(old, new, 0.5) * old).sum().acos()
        assert 0.3 < float(angle) < 0.55
        assert torch.allclose(towards(old, new, 2.0), new, atol=1e-6)

    def test_a_highlight_says_where_it_is(self, models: Models) -> None:
        true = flash(models, (0.0, 0.3, 1.0))
        oily = replace(plain(), specular_albedo=SHINY * plain().specular_albedo)
        seen = photographed(models.head, models.regions, true, oily)
        session, state = Session(models, [seen]), flash(models, (0.5, 0.3, 1.0))
        session.maps = lambda w, texels: plain()  # type: ignore[method-assign]
        strength, lamp = state.frames.strength(), state.frames.lamp.clone()
        aim_lamps(session, state)
        off = [F.cosine_similarity(x, true.frames.lamp).acos() for x in (lamp, state.frames.lamp)]
        assert float(off[1]) < 0.5 * float(off[0])
        assert torch.allclose(state.frames.lamp.norm(), lamp.norm())
        assert torch.allclose(state.frames.strength(), strength, rtol=0.1)

    def test_matt_skin_turns_nothing(self, models: Models) -> None:
        true = flash(models, (0.0, 0.3, 1.0))
        seen = photographed(models.head, models.regions, true, plain())
        session, state = Session(models, [seen]), flash(models, (0.0, 0.3, 1.0))
        session.maps = lambda w, texels: plain()  # type: ignore[method-assign]
        lamp = state.frames.lamp.clone()
        aim_lamps(session, state)
        assert torch.allclose(state.frames.lamp, lamp, atol=1e-5)


class TestShine:
    def test_a_glossy_forehead(self, models: Models) -> None:
        state = flash(models, (0.0, 0.3, 1.0))
        oily = replace(plain(), specular_albedo=SHINY * plain().specular_albedo)
        seen = photographed(models.head, models.regions, state, oily)
        found = shine(Session(models, [seen]), state, plain())
        factor = found.specular_albedo / plain().specular_albedo
        assert torch.equal(found.diffuse_albedo, plain().diffuse_albedo)
        assert 1.5 < float(factor.max()) <= MOST + 1e-4
        lips = resized(models.regions.lips[None, ..., None], TEXELS) > 0.99
        assert float((factor[lips] - 1).abs().max()) < 0.05

    def test_skin_like_its_render_stays(self, models: Models) -> None:
        state = flash(models, (0.0, 0.3, 1.0))
        seen = photographed(models.head, models.regions, state, plain())
        found = shine(Session(models, [seen]), state, plain())
        assert torch.allclose(found.specular_albedo, plain().specular_albedo, rtol=0.02)

    def test_what_shows_no_highlight_is_as_it_was(self) -> None:
        sums = torch.zeros(64, 64, 3)
        sums[20:24, 28:36] = torch.tensor([0.02, 0.01, 1.0])
        found = lacking(sums)
        assert float(found[22, 31]) > 0.1
        assert float(found[60, 5]) == 0

    def test_a_highlight_elsewhere_raises_nothing(self, models: Models) -> None:
        """The lamp of the fit is not where the photo's is: gloss would brighten the wrong skin."""
        true, state = flash(models, (0.9, 0.3, 0.3)), flash(models, (-0.9, 0.3, 0.3))
        oily = replace(plain(), specular_albedo=SHINY * plain().specular_albedo)
        seen = photographed(models.head, models.regions, true, oily)
        session = Session(models, [seen])
        found = shine(session, state, plain())
        assert float((found.specular_albedo / plain().specular_albedo).mean()) < 1.05


def test_light_is_made_as_bright_as_the_photo(models: Models) -> None:
    true = known_state(models.head)
    seen = photographed(models.head, models.regions, true, plain())
    session, state = Session(models, [seen]), known_state(models.head)
    state.frames.gray *= 1.8
    crops = session.crops(128, exact=True)
    camera = session.camera(state, crops)
    out = session.picture(state, state.posed(models.head), camera, plain())
    expose(session, state, crops, out, torch.ones(1, 128, 128))
    assert math.isclose(float(state.frames.gray[0, 0]), float(true.frames.gray[0, 0]), rel_tol=0.05)
