"""Rated portraits as examples of tones."""

from __future__ import annotations

import torch

from fitme.image.color import individual_typology_angle
from fitme.models.train.encoder.rated import LIGHTS, RARE, rarity, relit, usual_tone
from fitme.models.train.encoder.rated import _powers as powers
from fitme.reflectance.skin import skin_albedo
from fitme.segment.tone import Tone


class TestRelit:
    def test_the_first_is_the_photo_and_all_are_pictures(self) -> None:
        linear = torch.full((3, 32, 32), 0.4)
        skin = torch.zeros(32, 32, dtype=torch.bool)
        skin[8:24, 8:24] = True
        draws = torch.Generator().manual_seed(1)
        made = [relit(linear, skin, number, draws) for number in range(LIGHTS)]
        assert torch.equal(made[0], linear)
        for picture in made[1:]:
            assert picture.min() >= 0 and picture.max() <= 1
        levels = torch.stack([picture[:, skin].mean() for picture in made])
        assert levels.max() > 2 * levels.min()  # exposures differ


class TestRated:
    def test_the_usual_tone_has_the_angle(self) -> None:
        melanin = torch.linspace(-2, 1.5, 60)[:, None]
        albedo = skin_albedo(melanin, torch.zeros(60, 1))
        angle = individual_typology_angle(albedo)
        found = powers(angle) @ usual_tone(albedo)
        again = individual_typology_angle(Tone(found, found).albedo())
        assert (again - angle).abs().max() < 6

    def test_rare_tones_count_more_but_not_without_bound(self) -> None:
        weight = rarity(torch.tensor([41.0] * 40 + [42.0] * 40 + [-12.0] * 4))
        assert torch.isclose(weight.mean(), torch.tensor(1.0))
        assert torch.isclose(weight[-1] / weight[0], torch.tensor(RARE))
