"""Masks of heads that lack some of the template's regions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fitme.fit.evidence.face_pixels import FacePixels
from fitme.fit.stages.refine import _bare
from fitme.head.model import load_head, save_head
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.generated import roughness
from fitme.reflectance.regions import REGIONS, AtlasRegions
from tests.tiny_head import tiny_head

NAMES = (*FacePixels.AREAS, "crown", "skin", "painted", "marked", "marked_or_lids")


@pytest.mark.parametrize("missing", [*((name,) for name in REGIONS), REGIONS])
def test_every_mask_is_a_mask(missing: tuple[str, ...]) -> None:
    head = load_head()
    kept = {name: field for name, field in head.regions.items() if name not in missing}
    regions = AtlasRegions(replace(head, regions=kept), 64)
    for name in NAMES:
        mask = getattr(regions, name)
        assert mask.shape == (64, 64) and bool(((mask >= 0) & (mask <= 1)).all()), name
    if {"brows", "lips"} & set(missing):
        assert not bool(regions.bare.any() or regions.flanks.any() or regions.beard.any())
    if "face" in missing:
        assert not bool(regions.scalp.any() or regions.skin.any())


def test_a_head_file_without_regions(tmp_path) -> None:
    save_head(tiny_head(), tmp_path / "tiny.safetensors")
    regions = AtlasRegions(load_head(tmp_path / "tiny.safetensors"), 32)
    for name in NAMES:
        assert bool(getattr(regions, name).isfinite().all()), name
    flat = torch.zeros(1, 64, 64, 3)
    maps = ReflectanceMaps(flat + 0.3, flat[..., :1] + 0.03, flat + torch.tensor([0.0, 0.0, 1.0]))
    assert bool(roughness(regions, maps.diffuse_albedo).isfinite().all())
    assert not bool(_bare(maps, regions).any())
