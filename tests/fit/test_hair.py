"""Hair found in made photos: silhouettes of styles that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitme.fit.hair.beard import CHIN, beard_of
from fitme.fit.hair.evidence import PIXELS, SeenHair, only_of_the_head
from fitme.fit.hair.find import best_style
from fitme.fit.hair.search import Search
from fitme.fit.hair.tone import pigments, wanted_albedo
from fitme.fit.settings import FitSettings, override
from fitme.hair import PRESETS, HairColor, HairStyle, draw_hair
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
