"""The colour of the hair of the head, out of photos and into W."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fitme.fit.evidence.scalp import DARKEST, scalp_tone
from fitme.fit.observation import Crops, Observation
from fitme.fit.terms.scalp import scalp_loss
from fitme.fit.visibility import pixels_of
from fitme.head.model import HeadModel
from fitme.image.photo import Photo
from fitme.reflectance.regions import AtlasRegions
from fitme.render import RenderOutput
from tests.fit.made_photo import SKIN, TEXELS, known_state, photographed, plain, seen_plain

HAIR = (0.10, 0.06, 0.03)


@pytest.fixture(scope="module")
def crown(regions: AtlasRegions) -> torch.Tensor:
    wide = torch.nn.functional.interpolate(regions.crown[None, None], (TEXELS, TEXELS))
    return wide[0, 0, ..., None]


def shown(head: HeadModel, regions: AtlasRegions, crown: torch.Tensor, hair) -> Observation:
    """A photo of even skin with hair of one albedo on top of the head."""
    maps = plain()
    albedo = torch.lerp(maps.diffuse_albedo, torch.tensor(hair), crown)
    maps = replace(maps, diffuse_albedo=albedo)
    return photographed(head, regions, known_state(head), maps)


def seen_as_skin(
    head: HeadModel, regions: AtlasRegions, photo: Observation
) -> tuple[RenderOutput, Crops, torch.Tensor]:
    """What a state that knows of no hair says of the photo."""
    out, crops = seen_plain(head, regions, known_state(head), photo, 256)
    return out, crops, pixels_of(out, regions.crown)


class TestTone:
    @pytest.mark.parametrize("hair", [HAIR, SKIN])
    def test_is_the_albedo_on_top_of_the_head(self, head, regions, crown, hair) -> None:
        tone = scalp_tone(*seen_as_skin(head, regions, shown(head, regions, crown, hair)))
        assert tone is not None
        assert float((tone - torch.tensor(hair).log()).abs().mean()) < 0.25

    def test_black_and_hats(self, head, regions, crown) -> None:
        black = shown(head, regions, crown, (0.0005, 0.0005, 0.0005))
        tone = scalp_tone(*seen_as_skin(head, regions, black))
        assert tone is not None and bool((tone.exp() < 5 * DARKEST).all())
        hat = shown(head, regions, crown, (0.5, 0.01, 0.01))
        tone = scalp_tone(*seen_as_skin(head, regions, hat))
        assert tone is not None and float(tone.max() - tone.min()) < 2  # of 3.9

    def test_without_colour_the_hue_is_that_of_the_render(self, head, regions, crown) -> None:
        photo = shown(head, regions, crown, HAIR)
        grey = photo.photo.pixels.mean(-1, keepdim=True).expand_as(photo.photo.pixels)
        made = Photo(photo.photo.path, grey.contiguous(), was_gray=True)
        tone = scalp_tone(*seen_as_skin(head, regions, replace(photo, photo=made)))
        assert tone is not None
        skin = torch.tensor(SKIN).log()
        assert torch.allclose(tone - tone.mean(), skin - skin.mean(), atol=0.1)

    def test_nothing_seen_says_nothing(self, head, regions, crown) -> None:
        out, crops, top = seen_as_skin(head, regions, shown(head, regions, crown, HAIR))
        assert scalp_tone(out, crops, top * 0) is None
        dark = replace(crops, pixels=torch.zeros_like(crops.pixels))  # beyond the photo's edge
        assert scalp_tone(out, dark, top) is None


def test_loss_is_least_at_the_contrast_and_says_nothing_of_the_skin() -> None:
    crown, cheeks = torch.zeros(4, 4), torch.zeros(4, 4)
    crown[0], cheeks[2] = 1, 1
    contrast = torch.tensor(HAIR).log() - torch.tensor(SKIN).log()
    right = torch.tensor(SKIN).expand(1, 4, 4, 3).clone()
    bald = right.clone().requires_grad_()
    right[0, 0] = torch.tensor(HAIR)
    loss = scalp_loss(bald, crown, cheeks, contrast)
    loss.backward()
    assert bald.grad is not None
    assert bool((bald.grad[0, 0] > 0).all()) and not bool(bald.grad[0, [1, 3]].any())
    for tone in (1.0, 0.3):
        assert (
            float(scalp_loss(tone * right, crown, cheeks, contrast)) < 1e-6 < float(loss.detach())
        )
