"""Lids, eyes, neck and nape: drawn parts that must not change what the photo shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fitme.detail.wrinkles import Wrinkles
from fitme.fit.evidence.catchlights import catchlights, with_catchlight
from fitme.fit.faces import as_aligned
from fitme.fit.models import Models
from fitme.fit.session import Session
from fitme.fit.settings import FitSettings
from fitme.fit.stages.backs import draw_backs
from fitme.fit.stages.lids import draw_lids
from fitme.fit.state import FitState
from fitme.head.lids import BLINKS, lid_seams
from fitme.head.parts import Role
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import bake_vertex_field, resized
from fitme.render import Material
from fitme.render.light import Light, fibonacci_sphere, sh_diffuse
from tests.fit.made_photo import SKIN, TEXELS, known_state, photographed, plain, seen_plain

Known = tuple[Session, FitState]


@pytest.fixture(scope="module")
def known(models: Models) -> Known:
    """A plain head with open eyes."""
    state = known_state(models.head)
    state.frames.trusted = torch.ones(1, 64, 64)
    seen = photographed(models.head, models.regions, state, plain())
    return Session(models, [seen], FitSettings()), state


@pytest.fixture(scope="module")
def upper(models: Models) -> Tensor:
    """Skin of the upper lids [R,R], without the lashes at their edge."""
    head = models.head
    index = [head.expression_index(name) for name in BLINKS]
    down = bake_vertex_field(head, -head.expression[index].sum(0)[:, 1:2], TEXELS)[..., 0]
    return (down > 0.003) & (down < 0.006)


def folds() -> Wrinkles:
    zero = torch.zeros(1, TEXELS, TEXELS)
    return Wrinkles(zero, zero, zero[..., None].expand(-1, -1, -1, 3), torch.zeros(1, 128, 128, 3))


def made_up(upper: Tensor) -> ReflectanceMaps:
    """Plain skin with black upper lids."""
    albedo = plain().diffuse_albedo.clone()
    albedo[0, upper] *= 0.1
    return replace(plain(), diffuse_albedo=albedo)


class TestLids:
    def test_liner_of_open_eyes_stays_and_goes_with_a_blink(
        self, known: Known, upper: Tensor
    ) -> None:
        session, state = known
        painted = made_up(upper)
        maps, moving = draw_lids(session, state, painted, folds())
        assert moving is not None
        inner = (
            upper
            & (resized(upper.float()[None, ..., None], 128) > 0.9)
            .repeat_interleave(4, 1)
            .repeat_interleave(4, 2)[0, ..., 0]
        )
        open_ = maps.diffuse_albedo[0, inner].mean()
        assert float(open_) < 0.25 * sum(SKIN) / 3
        geometry = state.geometry(session.head)
        blink = torch.zeros(1, len(session.head.expression_names))
        blink[:, [session.head.expression_index(name) for name in BLINKS]] = 1.0
        skin = Material(maps.diffuse_albedo, maps.specular_albedo, maps.normal, 0.5)
        for weight in (1.0, 0.6):
            posed = geometry.vertices(weight * blink)
            shut = moving.on(skin, session.head, geometry.vertices(), posed)
            found = shut.diffuse_albedo[0, inner].mean(-1)
            assert float(found.median()) == pytest.approx(sum(SKIN) / 3, rel=0.2)

    def test_a_shut_lid_ends_in_a_line_of_lashes(self, known: Known, models: Models) -> None:
        session, state = known
        head, geometry = session.head, state.geometry(session.head)
        maps, moving = draw_lids(session, state, plain(), folds())
        assert moving is not None
        blink = torch.zeros(1, len(head.expression_names))
        blink[:, [head.expression_index(name) for name in BLINKS]] = 1.0
        shut = geometry.vertices(blink)
        skin = Material(maps.diffuse_albedo, maps.specular_albedo, maps.normal, 0.5)
        look = moving.on(skin, head, geometry.vertices(), shut).diffuse_albedo[0].mean(-1)
        upper, weights = lid_seams(head)[0].margin
        line = (weights @ shut[0][upper])[8:-8]
        place = bake_vertex_field(head, shut[0], TEXELS)
        apart = torch.cdist(place.reshape(-1, 3), line).amin(1).view(TEXELS, TEXELS)
        down = bake_vertex_field(head, -geometry.expression_offsets()[
            [head.expression_index(name) for name in BLINKS]
        ].sum(0)[:, 1:2], TEXELS)[..., 0]  # fmt: skip
        lashes = (down > 0.004) & (apart < 0.0004)
        lid = (down > 0.004) & (apart > 0.002) & (apart < 0.005)
        assert float(look[lashes].median()) < 0.6 * float(look[lid].median())

    def test_elsewhere_nothing_changes(self, known: Known, upper: Tensor) -> None:
        session, state = known
        maps, _ = draw_lids(session, state, plain(), folds())
        away = resized(session.regions.lids[None, ..., None], TEXELS)[0, ..., 0] == 0
        same = maps.diffuse_albedo[0] - plain().diffuse_albedo[0]
        assert float(same[away].abs().max()) < 1e-3


class TestAsAligned:
    def test_lids_stay_where_alignment_put_them(self, known: Known, models: Models) -> None:
        session, state = known
        head, one = models.head, session.observations[0]
        expression = one.view.expression.clone()
        expression[:, [seam.blink for seam in lid_seams(head)]] = 0.3
        one = replace(one, view=replace(one.view, expression=expression))
        (found,) = as_aligned([one], head, state.person.identity)
        before = head.shape(state.person.identity, expression)[0]
        after = state.geometry(head).vertices(found.view.expression)[0]
        for seam in lid_seams(head):
            upper, weights = seam.margin
            apart = (weights @ (after - before)[upper])[9:-9, 1]
            assert float(apart.abs().max()) < 0.0005


class TestBacks:
    def test_seam_and_streaks_go_and_the_face_stays(self, known: Known) -> None:
        session, state = known
        face = resized(session.regions["face"][None, ..., None], TEXELS)[0, ..., 0]
        albedo = plain().diffuse_albedo.clone()
        albedo[:, ::2] *= 0.8  # rows: streaks around the back of the head
        albedo[:, :, :3] *= 1.5
        albedo[:, :, -3:] *= 1.5
        found = draw_backs(session, state, replace(plain(), diffuse_albedo=albedo)).diffuse_albedo
        assert torch.allclose(found[0, face > 0.999], albedo[0, face > 0.999], atol=1e-4)
        side = found[0, 200:400, :12].mean(-1)
        assert float((side[::2] - side[1::2]).abs().mean() / side.mean()) < 0.05
        assert float(side[:, :3].mean() / side[:, 6:].mean()) == pytest.approx(1, abs=0.08)


class TestCatchlights:
    def test_a_lamp_that_eyes_mirror_is_found(self, models: Models) -> None:
        head, regions, state = models.head, models.regions, known_state(models.head)
        lamp = torch.nn.functional.normalize(torch.tensor([0.25, 0.2, 1.0]), dim=0)
        state.frames.gray *= 0.6
        state.frames.lamp[:] = 0.4 * lamp
        seen = photographed(head, regions, state, plain())
        state.frames.lamp[:] = 0
        session = Session(models, [seen], FitSettings())
        out, crops = seen_plain(head, regions, state, seen, 640)
        eyes = [part.index for part in head.parts_with(Role.EYE)]
        where = torch.isin(out.part, torch.tensor(eyes)).float()
        (found,) = catchlights(session, state, out, crops, where)
        assert found is not None
        assert float(found @ lamp / found.norm()) > 0.95

    def test_skin_keeps_its_light(self) -> None:
        light = Light.ambient((0.7, 0.6, 0.5))
        lit = with_catchlight(light, torch.tensor([0.0, 0.06, 0.08]))
        assert with_catchlight(light, None) is light and lit.directions.shape == (1, 1, 3)
        towards = fibonacci_sphere(64)

        def received(given: Light) -> Tensor:
            lamps = (towards @ given.directions[0].T).clamp_min(0) @ given.colors[0]
            return sh_diffuse(given.sh, towards[None])[0] + lamps

        torch.testing.assert_close(received(lit), received(light), atol=0.012, rtol=0)
