"""Materials from maps: what follows from the diffuse albedo."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fitme.head.model import load_head
from fitme.reflectance.generated import HAIR_ROUGHNESS, roughness
from fitme.reflectance.regions import ASIDE_ROUGHNESS, LIP_ROUGHNESS, AtlasRegions

SKIN = (0.45, 0.28, 0.20)


@pytest.fixture(scope="module")
def regions() -> AtlasRegions:
    return AtlasRegions(load_head(), 256)


def even(size: int = 256) -> torch.Tensor:
    return torch.tensor(SKIN).expand(1, size, size, 3).clone()


class TestRoughness:
    def test_bald_heads_have_that_of_skin_and_lips(self, regions: AtlasRegions) -> None:
        rough = roughness(regions, even())
        assert torch.equal(rough, regions.roughness(256))
        assert (
            LIP_ROUGHNESS - 0.01 < float(rough.min()) < float(rough.max()) < ASIDE_ROUGHNESS + 0.01
        )

    @pytest.mark.parametrize("size", [64, 256, 512])
    def test_dark_hair_on_the_scalp_is_rough_and_a_beard_is_not_changed(
        self, regions: AtlasRegions, size: int
    ) -> None:
        crown, beard = (
            F.interpolate(mask[None, None], (size, size), mode="area")[0, 0]
            for mask in (regions.crown, regions.beard)
        )
        albedo = even(size) * (1 - 0.85 * torch.maximum(crown, beard))[None, ..., None]
        rough = roughness(regions, albedo)[0, ..., 0]
        assert float((rough[crown > 0.99] - HAIR_ROUGHNESS).abs().median()) < 0.01
        within = beard > 0.99
        assert torch.allclose(rough[within], regions.roughness(size)[0, ..., 0][within], atol=0.02)

    def test_people_are_told_apart(self, regions: AtlasRegions) -> None:
        dark = even() * (1 - 0.85 * regions.crown[None, ..., None])
        both = roughness(regions, torch.cat([even(), dark]))
        assert both.shape == (2, 256, 256, 1)
        assert torch.equal(both[:1], roughness(regions, even()))
        assert float((both[1] - both[0]).max()) > 0.2
