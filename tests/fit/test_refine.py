"""The last refinement: what make-up may do and what skin may not; the eyes' colours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.evidence.eyes import BELIEF, SPREAD, USUAL, eye_gain, light_tint
from fitme.fit.models import Models
from fitme.fit.observation import Crops, Observation, cut
from fitme.fit.stages.refine import limited, mirrored
from fitme.fit.state import FitState
from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.reflectance.regions import AtlasRegions
from fitme.render import RenderOutput
from tests.fit.made_photo import (
    PIXELS,
    TEXELS,
    known_state,
    photographed,
    plain,
    refined,
    seen_plain,
)


class TestLimited:
    def test_small_detail_stays(self) -> None:
        fine = torch.tensor([[-0.03, -0.02, -0.04], [0.01, 0.02, 0.015]])
        full = torch.ones(2)
        torch.testing.assert_close(limited(fine, full, full), fine, atol=2e-3, rtol=0)

    def test_marks_may_be_darker_and_paint_of_any_colour(self) -> None:
        dark, red = torch.full((1, 3), -2.0), torch.tensor([[0.6, -0.4, -0.2]])
        none, full = torch.zeros(1), torch.ones(1)
        assert float(limited(dark, none, none).amin()) > -0.61
        assert float(limited(dark, full, none).amax()) < -1.2
        skin, lips = (limited(red, full, mask) for mask in (none, full))
        assert float(skin[0, 0] - skin[0, 1]) < 0.5 * float(lips[0, 0] - lips[0, 1])
        assert float(lips[0, 0] - lips[0, 1]) > 0.8

    def test_highlights_are_no_pigment(self) -> None:
        shine = torch.full((1, 3), 1.5)
        assert float(limited(shine, torch.ones(1), torch.ones(1)).amax()) < 0.151


class TestMirrored:
    def test_the_other_side_stands_in_where_nothing_is_seen(self) -> None:
        detail = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(0))
        seen = torch.ones(4, 6)
        seen[:, :2] = 0
        found = mirrored(detail, seen, torch.ones_like(seen))
        torch.testing.assert_close(found[:, 2:], detail[:, 2:])
        torch.testing.assert_close(found[:, :2], detail.flip(1)[:, :2])

    def test_bare_skin_shares_its_grain_and_not_its_moles(self) -> None:
        detail, seen = torch.full((1, 2, 3), -0.01), torch.tensor([[0.0, 1.0]])
        seen, none = seen.repeat(2, 1), torch.zeros(2, 2)
        detail = torch.cat([detail, torch.full((1, 2, 3), -0.6)])
        found = mirrored(detail, seen, none)[:, 0, 0]
        assert float(found[0]) == pytest.approx(-0.01, abs=1e-3)
        assert float(found[1]) > -0.1

    def test_what_neither_side_shows_stays(self) -> None:
        detail, seen = torch.ones(4, 6, 3), torch.ones(4, 6)
        seen[:, [0, 5]] = 0
        assert float(mirrored(detail, seen, torch.ones_like(seen))[:, [0, 5]].abs().max()) == 0

    def test_fades_from_one_into_the_other(self) -> None:
        detail, seen = torch.ones(1, 4, 3), torch.tensor([[0.25, 1.0, 1.0, 1.0]])
        detail[:, 3] = 3.0
        assert float(mirrored(detail, seen, torch.ones_like(seen))[0, 0, 0]) == pytest.approx(
            0.25 + 0.75 * 3
        )


def at_texels(mask: Tensor) -> Tensor:
    return F.interpolate(mask[None, None], (TEXELS, TEXELS), mode="bilinear")[0, 0]


def test_lipstick_comes_through_and_a_bruise_of_its_colour_half(
    models: Models, head: HeadModel, regions: AtlasRegions
) -> None:
    state = known_state(head)
    change = torch.tensor([0.1, -0.9, -0.5])
    lips = at_texels(regions["lips"])
    cheek = torch.zeros_like(lips)
    cheek[260:290, 130:160] = at_texels(regions.skin)[260:290, 130:160]
    painted = plain().diffuse_albedo * (change * torch.maximum(lips, cheek)[..., None]).exp()
    seen = photographed(head, regions, state, replace(plain(), diffuse_albedo=painted))
    found = refined(models, state, seen, relief=False)
    got = (found.diffuse_albedo / plain().diffuse_albedo).log()[0]
    spread = (got[..., 0] - got[..., 1]) / (change[0] - change[1])
    shown = lips * (at_texels(regions.skin) > 0.5) > 0.9
    assert float(spread[shown].quantile(0.7)) > 0.7
    assert float(spread[265:285, 135:155].median()) < 0.6


def eyes_seen(
    head: HeadModel, regions: AtlasRegions, state: FitState, seen: Observation
) -> tuple[RenderOutput, Crops, Tensor]:
    """Picture of the plain head under the state's light, the photo's crop, and where eyes are."""
    out, crops = seen_plain(head, regions, state, seen, PIXELS)
    eyes = [(out.part == part.index).float() for part in head.parts_with(Role.EYE)]
    return out, crops, torch.stack(eyes).sum(0)


@pytest.mark.parametrize("iris", [(-0.5, 0.0, 0.4), (-0.4, -0.4, -0.4)])
def test_eyes_take_the_photos_colours(
    head: HeadModel, regions: AtlasRegions, iris: tuple[float, float, float]
) -> None:
    state = known_state(head)
    state.person.eyes = torch.tensor([[iris, (-0.3, -0.3, -0.3)]])
    seen = photographed(head, regions, state, plain())
    out, crops, eyes = eyes_seen(head, regions, state, seen)
    found = eye_gain(out, crops, eyes)[0]
    torch.testing.assert_close(found, state.person.eyes[0], atol=0.15, rtol=0)
    assert torch.equal(eye_gain(out, crops, 0 * eyes), torch.zeros(1, 2, 3))


def test_whites_of_the_eyes_tell_red_light(head: HeadModel, regions: AtlasRegions) -> None:
    red, usual = torch.tensor([0.3, -0.1, -0.2]), torch.tensor(USUAL)
    state = known_state(head)
    state.frames.tint[:] = red
    seen = photographed(head, regions, state, plain())
    state.frames.tint[:] = 0
    out, crops, eyes = eyes_seen(head, regions, state, seen)
    found = light_tint(out, crops, eyes)[0]
    wanted = BELIEF * (red - usual) * (1 - SPREAD / (red - usual).norm())
    torch.testing.assert_close(found, wanted, atol=0.06, rtol=0)
    state.frames.tint[:] = usual + 0.03
    seen = photographed(head, regions, state, plain())
    slight = light_tint(out, cut([seen], PIXELS), eyes)
    assert float(slight.abs().max()) < 0.02
    nothing = torch.zeros(1, 3)
    assert torch.equal(light_tint(out, crops, 0 * eyes), nothing)
    grey = replace(crops, gray=torch.ones(1, dtype=torch.bool))
    assert torch.equal(light_tint(out, grey, eyes), nothing)
