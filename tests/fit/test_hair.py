"""Hair found in made photos: silhouettes of styles that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitme.fit.hair.beard import CHIN, beard_of
from fitme.fit.hair.evidence import PIXELS, SeenHair, only_of_the_head
from fitme.fit.hair.find import best_style
from fitme.fit.hair.fringe import fringe_of
from fitme.fit.hair.line import own_line
from fitme.fit.hair.locks import with_locks
from fitme.fit.hair.match import matched
from fitme.fit.hair.outline import with_outline
from fitme.fit.hair.parting import parting
from fitme.fit.hair.search import Found, Search
from fitme.fit.hair.short import ShortHair, curled, messy, short_hair, tousled
from fitme.fit.hair.tone import pigments, wanted_albedo
from fitme.fit.hair.waves import with_waves
from fitme.fit.hair.worn import Worn
from fitme.fit.settings import FitSettings, override
from fitme.hair import PRESETS, HairColor, HairStyle, draw_hair, grow
from fitme.hair.hairline import KNOTS
from fitme.hair.locks import ALONG, SIDE
from fitme.hair.outline import PLACES
from fitme.hair.scalp import scalp_of
from fitme.head.model import HeadModel, load_head
from fitme.head.view import head_rotation
from fitme.render.camera import Camera
from fitme.render.light import Light
from fitme.runtime.errors import InputError
from fitme.segment.labels import Label


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def camera() -> Camera:
    pose = torch.eye(4)
    pose[:3, :3] = head_rotation(12.0, 0.0)
    pose[:3, 3] = torch.tensor([0.0, 0.0, 1.0])
    matrix = torch.tensor([[380.0, 0, PIXELS / 2], [0, 380.0, PIXELS / 2], [0, 0, 1]])
    return Camera(matrix[None], pose[None], PIXELS, PIXELS)


def photo_of(head: HeadModel, camera: Camera, style: HairStyle) -> tuple[SeenHair, Search]:
    """A style as labels would show it, and a search that looks at it."""
    labels = np.zeros((len(Label), PIXELS, PIXELS), np.float32)
    plain = np.zeros((PIXELS, PIXELS, 3), np.float32)
    seen = SeenHair(camera, plain, labels, plain[..., 0] + 1, plain[..., :2])
    bare = Search(head, [head.mean.numpy()], [seen])
    drawn = next(bare.drawn(style))
    labels[Label.HAIR] = drawn.alpha
    labels[Label.SKIN] = bare.stages[0].head * (1 - drawn.alpha)
    labels[Label.BACKGROUND] = 1 - labels.sum(0)
    seen = replace(seen, labels=labels, course=drawn.course)
    return seen, Search(head, [head.mean.numpy()], [seen], most=60)


class TestSearch:
    @pytest.mark.parametrize(
        ("name", "fall"), [("fringe_bob", 0.01), ("crop", 0.0), ("swept_back", 0.0)]
    )
    def test_a_known_style(self, head: HeadModel, camera: Camera, name: str, fall: float) -> None:
        style = replace(PRESETS[name], volume=1.5 * PRESETS[name].volume)
        seen, search = photo_of(head, camera, style)
        found = best_style(search, fall)
        assert (found.style.sides > 0.1) == (style.sides > 0.1)
        alpha = next(search.drawn(found.style)).alpha
        both = np.minimum(alpha, seen.hair).sum() / np.maximum(alpha, seen.hair).sum()
        assert both > 0.85


class TestOwn:
    def test_a_known_hairline(self, head: HeadModel, camera: Camera) -> None:
        offsets = np.zeros((2, KNOTS))
        offsets[:, :6] = 0.02
        style = replace(PRESETS["buzz"], hairline=tuple(offsets.ravel().tolist()), fade=0.0)
        seen, search = photo_of(head, camera, style)
        depths = [search.stages[0].depth]
        line = own_line(scalp_of(head), search.vertices, [seen], depths, long=False)
        found = np.array(line).reshape(2, KNOTS)
        # a buzz cut begins thinly
        assert found[:, :4].min() > 0.012 and found[:, :4].max() < 0.041
        assert np.abs(found[:, 9:]).max() < 0.008

    @pytest.mark.parametrize("part", [0.02, -0.01])
    def test_a_known_parting(self, head: HeadModel, camera: Camera, part: float) -> None:
        seen, search = photo_of(head, camera, PRESETS["long_straight"])
        top = torch.tensor([[[part, 0.125, 0.06]]])
        right = np.arange(PIXELS) + 0.5 > float(camera.project(top)[0, 0, 0])
        course = np.zeros_like(seen.course)
        course[..., 1] = np.where(right, 0.9, -0.9)  # down to either side
        seen = replace(seen, course=course)
        found = parting(scalp_of(head), (0.0,) * (2 * KNOTS), search.vertices, [seen])
        assert found == pytest.approx(part, abs=0.011)

    def test_hair_combed_forward_has_no_parting(self, head: HeadModel, camera: Camera) -> None:
        seen, search = photo_of(head, camera, PRESETS["fringe_crop"])
        assert parting(scalp_of(head), (0.0,) * (2 * KNOTS), search.vertices, [seen]) is None

    @pytest.mark.parametrize("sweep", [0.9, -0.9])
    def test_a_known_fringe(self, head: HeadModel, camera: Camera, sweep: float) -> None:
        style = replace(PRESETS["fringe_bob"], fringe=0.065, fringe_sweep=sweep)
        seen, search = photo_of(head, camera, style)
        found = fringe_of(scalp_of(head), search.vertices, [seen], [search.stages[0].depth])
        assert found is not None
        assert found.length == pytest.approx(0.065, abs=0.025) and found.width > 30
        assert np.sign(found.sweep) == np.sign(sweep)
        # hair that is parted is combed away from the parting
        search.fringe = found
        parted = [one.style for one in search.presets(["short_bob"])]
        assert parted
        assert all((one.part or 0) * sweep < 0 < one.fringe_sweep * sweep for one in parted)

    @pytest.mark.parametrize(("level", "across"), [(0.6, 1.0), (-0.3, 0.0)])
    def test_a_level_fringe_goes_across_the_forehead(
        self, head: HeadModel, camera: Camera, level: float, across: float
    ) -> None:
        seen, search = photo_of(head, camera, replace(PRESETS["fringe_bob"], fringe=0.065))
        course = np.zeros_like(seen.course)
        course[..., 0], course[..., 1] = level, 0.5
        depths = [search.stages[0].depth]
        seen = replace(seen, course=course)
        found = fringe_of(scalp_of(head), search.vertices, [seen], depths)
        assert found is not None and found.across == across
        search.fringe = found
        best = search.presets(["short_bob"])[0].style
        assert best.fringe_across == across

    @pytest.mark.parametrize("wavy", [True, False])
    def test_waves_are_laid_over_hair_that_shows_some(
        self, head: HeadModel, camera: Camera, wavy: bool
    ) -> None:
        _, search = photo_of(head, camera, PRESETS["short_bob"])
        search.waves = [(0.25 if wavy else 0.0, 1.0)]
        found = with_waves(search, Found(PRESETS["short_bob"], 0.0, "short_bob"))
        assert (found.style.curl_radius > 0) == wavy

    @pytest.mark.parametrize("name", ["crop", "swept_back", "long_straight"])
    def test_hair_that_leaves_the_forehead_free(
        self, head: HeadModel, camera: Camera, name: str
    ) -> None:
        seen, search = photo_of(head, camera, PRESETS[name])
        depths = [search.stages[0].depth]
        assert fringe_of(scalp_of(head), search.vertices, [seen], depths) is None

    def test_a_known_outline(self, head: HeadModel, camera: Camera) -> None:
        wide = tuple(np.where(PLACES > 0, 0.02, 0.0).tolist())
        _, search = photo_of(head, camera, replace(PRESETS["bob"], outline=wide))
        plain = Found(PRESETS["bob"], search.cost(PRESETS["bob"]), "bob")
        found = with_outline(search, plain)
        assert found.cost < 0.6 * plain.cost and found.style.outline is not None
        sides = [np.mean(found.style.outline[k : k + 3]) for k in (4, 13)]
        assert sides[1] > sides[0] + 0.008


class TestEvidence:
    def test_other_hair_says_nothing(self) -> None:
        labels = np.zeros((len(Label), 60, 60), np.float32)
        labels[Label.HAIR, 5:20, 15:45] = 1
        labels[Label.SKIN, 20:40, 18:42] = 1
        labels[Label.HAIR, 20:50, 15:17] = 1  # falls down one side
        labels[Label.HAIR, 5:40, 56:60] = 1  # another person
        labels[Label.CLOTHES, 48:, 18:] = 1
        labels[Label.CLOTHES, 52:56, 25:35], labels[Label.HAIR, 52:56, 25:35] = 0, 1  # knitwear
        kept = only_of_the_head(labels)
        assert kept[Label.HAIR, 45, 15] == 1 and kept[Label.HAIR, 10, 30] == 1
        assert not kept[Label.HAIR, :, 56:].any() and not kept[Label.HAIR, 52:].any()
        assert kept[Label.OTHER, 54, 30] == 1


class TestTone:
    @pytest.mark.parametrize(
        "color",
        [HairColor(8, 0.4), HairColor(2.2, 0.6), HairColor(0.4, 0.2), HairColor(4, 0.2, 1.0)],
    )
    def test_a_known_colour(self, head: HeadModel, camera: Camera, color: HairColor) -> None:
        seen, search = photo_of(head, camera, PRESETS["bob"])
        strands, light = search.strands(PRESETS["bob"]), Light.preset("studio")
        drawn = draw_hair(strands, color, camera, light)
        albedo = wanted_albedo(replace(seen, pixels=drawn.radiance), strands, light)
        assert albedo is not None
        again = draw_hair(strands, pigments([albedo]), camera, light)
        where = drawn.alpha > 0.9
        ratio = np.log(again.radiance[where].mean(0) / drawn.radiance[where].mean(0))
        assert np.abs(ratio).max() < 0.3

    def test_known_bands(self, head: HeadModel, camera: Camera) -> None:
        seen, search = photo_of(head, camera, PRESETS["long_straight"])
        strands, light = search.strands(PRESETS["long_straight"]), Light.preset("studio")
        dark_roots = (0.7, 0.7, 0.7, 0.9, 0.9, 0.9, 1.2, 1.2, 1.2, 1.3, 1.3, 1.3)
        drawn = draw_hair(strands, HairColor(1.5, 0.5, bands=dark_roots), camera, light)
        photo = Worn(replace(seen, pixels=drawn.radiance), strands, light)
        color = matched([HairColor(1.5, 0.5).plain()], [photo])
        assert color.bands is not None and color.bands[1] < 0.75 * color.bands[-2]
        again = draw_hair(strands, color, camera, light)
        where = drawn.alpha > 0.9
        ratio = np.log(again.radiance[where].mean(0) / drawn.radiance[where].mean(0))
        assert np.abs(ratio).max() < 0.15

    def test_known_locks(self, head: HeadModel, camera: Camera) -> None:
        """Stripes of light and dark hair over the head are found where they are."""
        seen, search = photo_of(head, camera, PRESETS["bob"])
        strands, light = search.strands(PRESETS["bob"]), Light.preset("studio")
        stripes = 0.5 * np.sin(np.arange(SIDE) * 0.8)[:, None, None]
        true = stripes + np.zeros((SIDE, SIDE, ALONG))
        plain = HairColor(1.5, 0.5)
        told = replace(plain, locks=tuple(true.ravel().tolist()))
        drawn = draw_hair(strands, told, camera, light)
        photo = Worn(replace(seen, pixels=drawn.radiance), strands, light)
        where = (drawn.alpha > 0.95) & (seen.hair > 0.9)
        color = with_locks(plain, [photo], [where])
        misses = [
            np.log(draw_hair(strands, own, camera, light).radiance[where].mean(-1) + 1e-3)
            - np.log(drawn.radiance[where].mean(-1) + 1e-3)
            for own in (plain, color)
        ]
        assert misses[1].std() < 0.5 * misses[0].std()

    def test_green_hair_is_dyed(self) -> None:
        color = pigments([np.array([0.05, 0.3, 0.1])])
        assert color.dyed == 1 and color.dye is not None and color.dye[1] == pytest.approx(0.3)


class TestBeard:
    def test_only_what_hangs(self, head: HeadModel, camera: Camera) -> None:
        seen, _ = photo_of(head, camera, PRESETS["crop"])
        chin = np.array(CHIN)
        assert beard_of([seen], [chin]) is None
        row = int(camera.project(torch.tensor(CHIN)[None, None])[0, 0, 1])
        seen.labels[Label.BEARD, row - 15 : row + 20] = 1
        beard = beard_of([seen], [chin])
        assert beard is not None and 0.04 < beard.chin < 0.08


class TestSettings:
    def test_choices(self) -> None:
        assert override(FitSettings(), {"hair": "bob"}).hair == "bob"
        with pytest.raises(InputError, match="choose fit, cropped, bald, buzz"):
            override(FitSettings(), {"hair": "mullet"})


class TestShortHair:
    def test_height_bounds_the_length(self, head, camera) -> None:
        heights = []
        for name in ("buzz", "quiff"):
            seen, search = photo_of(head, camera, PRESETS[name])
            found = short_hair(head, search.vertices, [seen], search.stages)
            heights.append(found.crown)
        assert 0 <= heights[0] < 0.012 < heights[1] < 0.06
        shorn = ShortHair(heights[0], float("nan"), 0.0, 0.0)
        assert shorn.too_long(PRESETS["buzz"]) < 0.02 < shorn.too_long(PRESETS["side_part"])
        assert replace(shorn, combed=1.0).too_long(PRESETS["side_part"]) == 0

    def test_only_short_uncombed_hair_is_messy(self, head, camera) -> None:
        style, short = PRESETS["side_part"], ShortHair(0.03, 0.01, 0.25, 0.0)
        assert messy(style, short).mess == pytest.approx(0.75)
        for kept, own in ((PRESETS["buzz"], short), (PRESETS["bob"], short), (style, None)):
            assert messy(kept, own).mess == 0
        combed, loose = (
            grow(head, replace(style, part=None, mess=mess), 0, 400) for mess in (0.0, 1.0)
        )
        assert (combed.triangle == loose.triangle).all()
        top = combed.points[:, 0, 1] > 0.11
        way = [one.points[top, -1] - one.points[top, 0] for one in (combed, loose)]
        way = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in way]
        assert np.median((way[0] * way[1]).sum(1)) < np.cos(np.radians(15))

    def test_curls_are_as_small_as_hair_is_short(self) -> None:
        short, longer = curled(PRESETS["buzz"]), curled(PRESETS["side_part"])
        assert 0 < short.curl_radius < longer.curl_radius
        loose = tousled(PRESETS["side_part"])
        assert loose.part is None and loose.curl_radius == 0
        assert longer.top == loose.top == PRESETS["side_part"].top
