"""Where hair or glasses cover the face, on drawn faces."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch

from fitme.fit.evidence.covered import covers
from fitme.fit.evidence.face_pixels import FacePixels

SIZE = 128
SKIN, HAIR, WALL = (0.78, 0.60, 0.50), (0.16, 0.11, 0.08), (0.55, 0.62, 0.68)


def ellipse(cy: float, cx: float, ry: float, rx: float) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    return (((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1).float()


def drawn(*areas: tuple[torch.Tensor, tuple[float, float, float]]) -> torch.Tensor:
    """A wall, and over it areas of one colour each, with noise [n,n,3]."""
    picture = torch.tensor(WALL).expand(SIZE, SIZE, 3).clone()
    for mask, colour in areas:
        picture = torch.lerp(picture, torch.tensor(colour), mask[..., None])
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    return (picture + 0.015 * noise).clamp(0, 1)


@pytest.fixture(scope="module")
def face() -> FacePixels:
    head, inner = ellipse(64, 64, 50, 36), ellipse(70, 64, 40, 33)
    rows = torch.arange(SIZE)[:, None].expand(SIZE, SIZE)
    columns = (torch.arange(SIZE) - 64).abs().expand(SIZE, SIZE)
    return FacePixels(
        bare=inner * (rows > 60) * (rows < 82) * (columns < 20),
        beard=inner * (rows >= 86) * (columns < 20),
        brows=inner * (rows >= 52) * (rows < 56) * (columns < 24),
        overhung=inner * (rows < 52),
        flanks=inner * (rows >= 56) * (columns > 22),
        spectacles=inner * (rows >= 60) * (rows < 84),
        cheekbones=inner * (rows >= 66) * (rows < 84) * (columns > 6) * (columns < 26),
        bridge=inner * (rows >= 60) * (rows < 72) * (columns < 6),
        scalp=head * (1 - inner) * (rows < 50),
        right_lids=ellipse(66, 49, 6, 9),
        left_lids=ellipse(66, 79, 6, 9),
        lips=ellipse(96, 64, 4, 11),
        head=head,
        chin=112.0,
    )


def share(free: torch.Tensor, area: torch.Tensor) -> float:
    return float((free * area).sum() / area.sum())


class TestUncovered:
    def test_bald_head_is_free(self, face: FacePixels) -> None:
        free = covers(drawn((face.head, SKIN)), face).free
        assert share(free, face.overhung) > 0.99 and share(free, face.flanks) > 0.97

    def test_short_hair_leaves_the_face_free(self, face: FacePixels) -> None:
        free = covers(drawn((face.head, SKIN), (face.scalp, HAIR)), face).free
        assert share(free, face.overhung) > 0.95

    def test_fringe(self, face: FacePixels) -> None:
        fringe = face.head * (torch.arange(SIZE)[:, None] < 46)
        free = covers(drawn((face.head, SKIN), (fringe, HAIR)), face).free
        assert share(free, face.overhung * fringe) < 0.1
        assert share(free, face.overhung * (1 - fringe)) > 0.7
        assert share(free, face.bare) == 1

    @pytest.mark.parametrize("length", [44, 57])
    def test_brows_are_free_unless_hair_falls_over_them(
        self, face: FacePixels, length: int
    ) -> None:
        fringe = face.head * (torch.arange(SIZE)[:, None] < length)
        bald = length < 50
        over = [] if bald else [(fringe, HAIR)]
        picture = drawn((face.head, SKIN), (face.scalp, HAIR), (face.brows, HAIR), *over)
        free = share(covers(picture, face).free, face.brows)
        assert free > 0.9 if bald else free < 0.2

    def test_long_hair_over_one_cheek(self, face: FacePixels) -> None:
        curtain = ellipse(80, 26, 56, 22)
        free = covers(drawn((face.head, SKIN), (face.scalp, HAIR), (curtain, HAIR)), face).free
        assert share(free, face.flanks * curtain) < 0.15
        assert share(free, face.flanks.flip(-1) * curtain.flip(-1)) > 0.95

    def test_a_beard_is_no_hair_of_the_head(self, face: FacePixels) -> None:
        rows = torch.arange(SIZE)[:, None]
        beard = face.head * (rows > 84)
        free = covers(drawn((face.head, SKIN), (face.scalp, HAIR), (beard, HAIR)), face).free
        assert share(free, face.flanks * beard) == 1

    def test_rims_of_glasses_are_found_on_both_sides_only(self, face: FacePixels) -> None:
        y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
        glasses = torch.zeros(SIZE, SIZE)
        for side in (-1, 1):
            radius = ((y - 66) ** 2 + (x - 64 - 15 * side) ** 2).float().sqrt()
            glasses = torch.maximum(glasses, ((radius - 11).abs() < 1.2).float())
        one = glasses * (x < 64)
        shown = glasses * face.spectacles
        free, half = (
            covers(drawn((face.head, SKIN), (mask, (0.1, 0.1, 0.1))), face).free
            for mask in (glasses, one)
        )
        assert share(free, shown) < 0.1 and share(free, face.spectacles) > 0.6
        assert share(half, shown) > 0.95

    def test_half_rims_are_found_by_their_bridge(self, face: FacePixels) -> None:
        rows = torch.arange(SIZE)[:, None]
        columns = (torch.arange(SIZE) - 64).abs()[None]
        bar = ((rows >= 63) & (rows < 65) & (columns < 26)).float()
        gap = bar * (columns > 3)
        free, apart = (
            covers(drawn((face.head, SKIN), (mask, (0.1, 0.1, 0.1))), face).free
            for mask in (bar, gap)
        )
        assert share(free, bar) < 0.1 and share(apart, gap) > 0.95

    def test_a_mole_is_no_rim(self, face: FacePixels) -> None:
        moles = ellipse(74, 50, 2, 2) + ellipse(74, 78, 2, 2)
        free = covers(drawn((face.head, SKIN), (moles, (0.2, 0.1, 0.1))), face).free
        assert share(free, moles) == 1

    @pytest.mark.parametrize("area", [*FacePixels.AREAS, "head"])
    def test_a_face_of_which_an_area_is_not_seen(self, face: FacePixels, area: str) -> None:
        hidden = replace(face, **{area: torch.zeros(SIZE, SIZE)})
        picture = drawn((face.head, SKIN), (face.scalp, HAIR))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            free = covers(picture, hidden).free
        assert bool(((free >= 0) & (free <= 1)).all())

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_black_and_white_pictures_say_nothing(self, face: FacePixels, value: float) -> None:
        found = covers(torch.full((SIZE, SIZE, 3), value), face)
        assert float(found.free.min()) == 1 and not found.notes

    def test_nothing_seen_at_all(self, face: FacePixels) -> None:
        nothing = torch.zeros(SIZE, SIZE)
        empty = FacePixels(**dict.fromkeys(FacePixels.AREAS, nothing), head=nothing, chin=-10.0)
        assert float(covers(drawn((face.head, SKIN)), empty).free.min()) == 1

    def test_same_picture_same_mask(self, face: FacePixels) -> None:
        picture = drawn((face.head, SKIN), (face.scalp, HAIR))
        assert torch.equal(covers(picture, face).free, covers(picture, face).free)


def eyes(iris: float = 3.5) -> list[tuple[torch.Tensor, tuple[float, float, float]]]:
    """Whites and dark irises."""
    both = [(ellipse(66, x, 4, 7), (0.8, 0.78, 0.76)) for x in (49, 79)]
    return [*both, *((ellipse(66, x, iris, iris), (0.1, 0.06, 0.04)) for x in (49, 79))]


def lenses(ry: float, rx: float, colour: tuple[float, float, float] = (0.05, 0.05, 0.06)):
    bar = ellipse(63, 64, 1.5, 12)
    return [(mask, colour) for mask in (ellipse(67, 48, ry, rx), ellipse(67, 80, ry, rx), bar)]


class TestSunglasses:
    @pytest.mark.parametrize("skin", [SKIN, (0.42, 0.28, 0.20)])
    @pytest.mark.parametrize("glint", [False, True])
    def test_are_found_with_their_glints(self, face: FacePixels, skin, glint: bool) -> None:
        shine = [(ellipse(64, x, 3, 3), (0.9, 0.95, 1.0)) for x in (45, 77)]
        over = lenses(10, 13)
        found = covers(drawn((face.head, skin), *eyes(), *over, *(shine if glint else [])), face)
        assert found.notes == ("sunglasses: the eyes are guessed",)
        for mask, _ in over[:2]:
            assert share(found.free, mask) < 0.02
        cheeks = face.bare * (torch.arange(SIZE)[:, None] > 79)
        assert share(found.free, cheeks) > 0.9 and share(found.free, face.lips) == 1

    def test_eyes_in_shade_clear_glasses_and_an_eye_patch_are_none(self, face: FacePixels) -> None:
        shade = [(mask, (0.45, 0.33, 0.27)) for mask, _ in lenses(8, 11)[:2]]  # linear: a third
        assert not covers(drawn((face.head, SKIN), *shade, *eyes()), face).notes
        assert not covers(drawn((face.head, SKIN), *eyes(), lenses(10, 13)[0]), face).notes
        tinted = [(mask, (0.62, 0.47, 0.38)) for mask, _ in lenses(10, 13)]
        assert not covers(drawn((face.head, SKIN), *tinted, *eyes()), face).notes

    def test_a_dark_eye_alone_in_profile_is_none(self, face: FacePixels) -> None:
        profile = replace(face, left_lids=torch.zeros(SIZE, SIZE))
        assert not covers(drawn((face.head, SKIN), lenses(10, 13)[0]), profile).notes

    def test_dark_irises_in_dark_skin_are_none(self, face: FacePixels) -> None:
        assert not covers(drawn((face.head, (0.30, 0.20, 0.15)), *eyes(4)), face).notes


class TestMask:
    CLOTHS = ((0.59, 0.77, 0.87), (0.92, 0.93, 0.93), (0.2, 0.45, 0.3))

    @pytest.mark.parametrize("colour", CLOTHS)
    def test_is_found(self, face: FacePixels, colour: tuple[float, float, float]) -> None:
        cloth = face.head * (torch.arange(SIZE)[:, None] > 77)
        found = covers(drawn((face.head, SKIN), (face.scalp, HAIR), (cloth, colour)), face)
        assert found.notes == ("a mask or a hand over the mouth: mouth and chin are guessed",)
        assert share(found.free, cloth) < 0.05
        above = face.bare * (torch.arange(SIZE)[:, None] < 75)
        assert share(found.free, above) > 0.9

    @pytest.mark.parametrize("colour", [HAIR, (0.6, 0.6, 0.6)])
    def test_beards_are_none(self, face: FacePixels, colour: tuple[float, float, float]) -> None:
        beard = face.head * (torch.arange(SIZE)[:, None] > 84)
        lips = (face.lips, (0.7, 0.42, 0.40))
        assert not covers(drawn((face.head, SKIN), (beard, colour), lips), face).notes

    def test_bare_faces_have_none(self, face: FacePixels) -> None:
        for tone in (SKIN, (0.42, 0.28, 0.20)):
            lips = (face.lips, (0.7, 0.42, 0.40))
            assert not covers(drawn((face.head, tone), lips), face).notes
