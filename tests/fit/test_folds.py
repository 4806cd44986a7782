"""What of a photo's detail goes into folds, and what of tuning's detail stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fitme.detail.displacement import bounded, slopes
from fitme.detail.wrinkles import Wrinkles, strain_maps
from fitme.fit.models import Models
from fitme.fit.session import Session
from fitme.fit.settings import FitSettings
from fitme.fit.stages.fold_shading import averaged_along, cavity, crease_hue, heights_of
from fitme.fit.stages.folds import fold_out
from fitme.fit.stages.unseen import settle_unseen
from fitme.fit.state import FitState
from fitme.fit.visibility import feathered
from fitme.head.tension import principal
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import resized
from tests.fit.made_photo import SKIN, TEXELS, known_state, photographed, plain

SMILE = ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight")


@pytest.fixture(scope="module")
def smiling(models: Models) -> tuple[Session, FitState]:
    """A plain head that smiles."""
    state = known_state(models.head)
    for name in SMILE:
        state.frames.expression[0, models.head.expression_index(name)] = 0.8
    state.frames.trusted = torch.ones(1, 64, 64)
    seen = photographed(models.head, models.regions, state, plain())
    return Session(models, [seen], FitSettings()), state


@pytest.fixture(scope="module")
def pressed(models: Models, smiling: tuple[Session, FitState]) -> tuple[Tensor, Tensor]:
    """Compression [R,R] of the smile and the angle across its folds."""
    neutral, posed = models.head.mean[None], smiling[1].posed(models.head)
    _, least, angle = principal(strain_maps(models.head, neutral, posed, 128)[0])
    return resized(-least[None, ..., None], TEXELS)[0, ..., 0], angle


def painted(dark: Tensor) -> ReflectanceMaps:
    """Plain skin, darker by the log `dark` [R,R]."""
    maps = plain()
    albedo = maps.diffuse_albedo * (-dark)[None, ..., None].exp()
    return replace(maps, diffuse_albedo=albedo)


def disc(row: int, column: int, radius: float) -> Tensor:
    """[R,R] in 0..1."""
    y, x = torch.meshgrid(*[torch.arange(TEXELS).float()] * 2, indexing="ij")
    distance = torch.hypot(y - row, x - column)
    return torch.sigmoid((radius - distance) / 0.5)


def left(maps: ReflectanceMaps, where: Tensor) -> float:
    """Log darkness of the albedo against plain skin, mean over `where` [R,R]."""
    dark = (torch.tensor(SKIN).log() - maps.diffuse_albedo[0].log()).mean(-1)
    return float((dark * where).sum() / where.sum())


class TestFoldOut:
    def test_a_dark_fold_of_the_smile_leaves_the_albedo_and_comes_back(
        self, smiling: tuple[Session, FitState], pressed: tuple[Tensor, Tensor]
    ) -> None:
        session, state = smiling
        fold = torch.zeros(TEXELS, TEXELS)
        fold[275:345, 190:194] = 1.0  # beside the nose, two millimetres wide
        where = fold * (pressed[0] > 0.12)
        assert int(where.sum()) > 60
        maps = painted(0.3 * fold)
        kept, wrinkles = fold_out(session, state, maps, plain())
        assert left(maps, where) == pytest.approx(0.3, abs=0.02)
        assert left(kept, where) < 0.12
        materials = session.models.head.mean[None], state.posed(session.head)
        worn = wrinkles.on(skin_of(kept), session.head, *materials)
        back = ReflectanceMaps(worn.diffuse_albedo, kept.specular_albedo, kept.normal)
        assert left(back, where) + relief(wrinkles, where) > left(kept, where) + 0.05

    def test_a_deep_and_sharp_crease_leaves_nothing(
        self, smiling: tuple[Session, FitState], pressed: tuple[Tensor, Tensor]
    ) -> None:
        session, state = smiling
        rows, columns = torch.meshgrid(*[torch.arange(TEXELS).float()] * 2, indexing="ij")
        bend = 191 - 0.004 * (rows - 310).square()  # lines average badly where they bend
        crease = ((columns - bend).abs() < 1.2) * (rows > 275) * (rows < 345)
        kept, _ = fold_out(session, state, painted(0.6 * crease.float()), plain())
        inner = crease * (rows > 285) * (rows < 335) * (pressed[0] > 0.12)
        assert int(inner.sum()) > 40
        assert left(kept, inner) < 0.15

    def test_a_mole_and_what_the_smile_does_not_fold_stay(
        self, smiling: tuple[Session, FitState], pressed: tuple[Tensor, Tensor]
    ) -> None:
        session, state = smiling
        mole, brow = disc(300, 180, 3.0), disc(95, 256, 12.0)
        kept, _ = fold_out(session, state, painted(0.5 * mole + 0.3 * brow), plain())
        assert left(kept, (mole > 0.9).float()) > 0.3
        assert left(kept, (brow > 0.9).float()) == pytest.approx(0.3, abs=0.02)

    def test_a_face_at_rest_keeps_its_maps(self, models: Models) -> None:
        state = known_state(models.head)
        state.frames.trusted = torch.ones(1, 64, 64)
        session = Session(models, [photographed(models.head, models.regions, state, plain())])
        maps = painted(0.3 * disc(300, 190, 6.0))
        kept, wrinkles = fold_out(session, state, maps, plain())
        torch.testing.assert_close(kept.diffuse_albedo, maps.diffuse_albedo, atol=1e-4, rtol=0)
        assert float(wrinkles.compressed.abs().max()) > 1e-4  # the usual ones

    def test_a_forehead_smooth_with_brows_a_little_up_folds_less(self, models: Models) -> None:
        depths = []
        for weight in (0.0, 0.2):
            state = known_state(models.head)
            state.frames.expression[0, models.head.expression_index("browInnerUp")] = weight
            state.frames.trusted = torch.ones(1, 64, 64)
            session = Session(models, [photographed(models.head, models.regions, state, plain())])
            _, wrinkles = fold_out(session, state, plain(), plain())
            forehead = wrinkles.compressed[0, 60:120, 200:310]
            depths.append(float(-forehead.flatten().quantile(0.01)))
        assert depths[0] > 1e-4 and 0.3 * depths[0] < depths[1] < 0.9 * depths[0]


def skin_of(maps: ReflectanceMaps):
    from fitme.render import Material

    return Material(maps.diffuse_albedo, maps.specular_albedo, maps.normal)


def relief(wrinkles: Wrinkles, where: Tensor) -> float:
    """Mean steepness of the folds where `where`."""
    metres = torch.full((*wrinkles.compressed.shape[1:], 2), 0.5e-3)
    steep = bounded(slopes(wrinkles.compressed, metres)).norm(dim=-1)[0]
    return float((steep * where).sum() / where.sum())


class TestFoldShading:
    def test_a_groove_under_light_from_the_side_is_found(self) -> None:
        at = torch.arange(128).float()
        true = -2.0 * (-0.5 * ((at - 64) / 1.5).square()).exp()  # texels
        height = true[None].expand(128, 128)
        tilt = -torch.gradient(height, dim=1)[0]
        response = torch.zeros(128, 128, 2)
        response[..., 0] = 0.8
        found = heights_of(0.8 * tilt, response, torch.ones(128, 128))
        seen, wanted = found - found.mean(), height - height.mean()
        likeness = (seen * wanted).sum() / (seen.norm() * wanted.norm())
        assert float(likeness) > 0.8
        assert 0.5 < float(found.amin() / height.amin()) < 1.5

    def test_grooves_are_dark_and_ridges_are_not_bright(self) -> None:
        at = torch.arange(128).float()
        groove = -2.0 * (-0.5 * ((at - 64) / 5).square()).exp()[None, None].expand(1, 128, 128)
        dark = cavity(groove)[0, 64]
        assert float(dark[64]) < -0.02 and float(dark.max()) == 0
        assert float(cavity(-groove)[0, 64, 64]) == 0

    def test_creases_are_as_red_as_light_that_bounces_in_them(self) -> None:
        skin, visible = torch.tensor([0.5, 0.35, 0.25]), torch.tensor([[0.8], [0.5], [0.2]])
        light = (visible / (1 - (1 - visible) * skin)).log()
        grey = light.mean(-1, keepdim=True)
        found = crease_hue(grey.expand(3, 3), skin)
        torch.testing.assert_close(found.mean(-1, keepdim=True), grey)
        torch.testing.assert_close(found, light, atol=0.02, rtol=0)
        green = grey + torch.tensor([-0.2, 0.3, -0.1])
        torch.testing.assert_close(crease_hue(green, skin), found)

    def test_ridges_and_grey_skin_have_no_hue(self) -> None:
        ridge = torch.full((1, 3), 0.2)
        torch.testing.assert_close(crease_hue(ridge, torch.tensor([0.5, 0.35, 0.25])), ridge)
        crease = torch.full((1, 3), -0.7)
        torch.testing.assert_close(crease_hue(crease, torch.full((3,), 0.4)), crease)

    def test_lines_stay_and_spots_go(self) -> None:
        metres = torch.full((TEXELS, TEXELS, 2), 0.5e-3)
        line = torch.zeros(1, TEXELS, TEXELS, 1)
        line[:, :, 100:104] = 1.0
        spot = disc(256, 300, 2.5)[None, ..., None]
        found = averaged_along(line + spot, metres)[0, 256, :, 0]
        assert float(found[101]) > 0.95 and float(found[300]) < 0.5


class TestSettleUnseen:
    def test_made_up_spots_go_where_nothing_is_seen_and_stay_where_skin_is(
        self, models: Models
    ) -> None:
        state = known_state(models.head)
        trusted = torch.ones(1, 128, 128)
        trusted[:, :52] = 0  # a hat
        state.frames.trusted = trusted
        session = Session(models, [photographed(models.head, models.regions, state, plain())])
        hidden, shown = disc(70, 256, 4.0), disc(290, 200, 4.0)
        maps = settle_unseen(session, state, painted(0.4 * (hidden + shown)), plain())
        assert left(maps, (hidden > 0.9).float()) < 0.1
        assert left(maps, (shown > 0.9).float()) > 0.35

    def test_the_tone_of_what_is_seen_is_carried_on(self, models: Models) -> None:
        state = known_state(models.head)
        trusted = torch.ones(1, 128, 128)
        trusted[:, :52] = 0
        state.frames.trusted = trusted
        session = Session(models, [photographed(models.head, models.regions, state, plain())])
        maps = settle_unseen(session, state, painted(torch.full((TEXELS, TEXELS), 0.2)), plain())
        assert left(maps, disc(80, 256, 6.0)) == pytest.approx(0.2, abs=0.05)

    def test_edges_are_soft(self) -> None:
        trusted = torch.ones(1, 64, 64)
        trusted[:, :, :32] = 0
        soft = feathered(trusted)[0, 32]
        assert float(soft[31]) == 0 and float(soft[40]) == 1 and 0 < float(soft[33]) < 1
