"""Highlights that no render has, on made photos: shine is found, and pigment is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fitme.fit.evidence.highlights import dull_pixels
from fitme.fit.models import Models
from fitme.fit.observation import Crops
from fitme.fit.state import FitState
from fitme.image.color import srgb_to_linear
from fitme.render import RenderOutput
from tests.fit.made_photo import known_state, photographed, plain, seen_plain

SIZE = 256
CHEEK = (slice(136, 148), slice(84, 104))  # rows and columns of the crop
INSIDE = (slice(138, 146), slice(86, 102))


@pytest.fixture(scope="module")
def shown(models: Models) -> tuple[FitState, RenderOutput, Crops]:
    """A plain head's photo beside its render."""
    state = known_state(models.head)
    seen = photographed(models.head, models.regions, state, plain())
    return state, *seen_plain(models.head, models.regions, state, seen, SIZE)


def dull(models: Models, out: RenderOutput, crops: Crops, change: Tensor) -> Tensor:
    """[n,n] of the photo with a patch of a cheek changed, linear [3]."""
    pixels = crops.pixels.clone()
    pixels[0][CHEEK] += change
    face = (out.part == 0).float()
    return dull_pixels(models.regions, out, replace(crops, pixels=pixels), face)[0]


class TestDullPixels:
    def test_a_photo_like_its_render_has_none(
        self, models: Models, shown: tuple[FitState, RenderOutput, Crops]
    ) -> None:
        found = dull(models, *shown[1:], torch.zeros(3))
        assert float(found.min()) > 0.95

    def test_white_shine_does_not_count(
        self, models: Models, shown: tuple[FitState, RenderOutput, Crops]
    ) -> None:
        found = dull(models, *shown[1:], torch.full((3,), 0.25))
        assert float(found[INSIDE].max()) < 0.05
        far = found.clone()
        far[118:166, 66:122] = 1
        assert float(far.min()) > 0.9

    @pytest.mark.parametrize("share", [1.3, 0.6])
    def test_lighter_and_darker_skin_counts(
        self, models: Models, shown: tuple[FitState, RenderOutput, Crops], share: float
    ) -> None:
        _, out, crops = shown
        found = dull(models, out, crops, (share - 1) * out.color[0, 142, 94])
        assert float(found[CHEEK].min()) > 0.9

    def test_white_says_nothing(
        self, models: Models, shown: tuple[FitState, RenderOutput, Crops]
    ) -> None:
        _, out, crops = shown
        white = srgb_to_linear(torch.tensor([1.0, 0.99, 0.99]))
        found = dull(models, out, crops, white - crops.pixels[0][CHEEK])
        assert float(found[INSIDE].max()) < 0.05

    def test_a_photo_without_colour_tells_clipping_only(
        self, models: Models, shown: tuple[FitState, RenderOutput, Crops]
    ) -> None:
        _, out, crops = shown
        gray = replace(crops, gray=torch.ones(1, dtype=torch.bool))
        assert float(dull(models, out, gray, torch.full((3,), 0.25)).min()) > 0.9
