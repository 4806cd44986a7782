"""Regions lie where their names say, and masks and table give nearly what the strain gives."""

from __future__ import annotations

import pytest
import torch

from fitme.detail.wrinkle_regions import (
    REGIONS,
    blended_amount,
    fold_masks,
    region_masks,
    region_table,
)
from fitme.detail.wrinkles import Wrinkles, fold_weights, strain_maps
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel, load_head
from fitme.head.tension import principal
from fitme.reflectance.atlas import bake_vertex_field, resized
from tests.tiny_head import tiny_head

SMILE = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
COMPRESSED = 0.02  # strain above which the folds below are


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def geometry(head: HeadModel) -> Geometry:
    return Geometry(head, torch.zeros(1, len(head.identity)))


def weights(head: HeadModel, shapes: dict[str, float]) -> torch.Tensor:
    out = torch.zeros(1, len(head.expression_names))
    for name, value in shapes.items():
        out[0, head.expression_index(name)] = value
    return out


def folds_of(geometry: Geometry, shapes: dict[str, float]) -> Wrinkles:
    """Folds across the compression of an expression that completes them, as a fit finds them."""
    posed = geometry.vertices(weights(geometry.head, shapes))
    strain = strain_maps(geometry.head, geometry.vertices(), posed, 128)
    _, smallest, angle = principal(strain)
    fold = fold_weights(angle, (-smallest).clamp_min(COMPRESSED)[..., None])
    fold = fold * (-smallest > COMPRESSED)[..., None]
    height = 1e-4 * resized((-smallest).clamp_min(0)[..., None], 128)[..., 0]
    return Wrinkles(height, torch.zeros_like(height), torch.zeros(1, 128, 128, 3), fold)


class TestMasks:
    def test_soft_and_never_more_than_one(self, head: HeadModel) -> None:
        masks = region_masks(head, 128)
        assert masks.shape == (12, 128, 128) and float(masks.min()) >= 0
        assert float(masks.sum(0).max()) <= 1 + 1e-5
        assert bool((masks.flatten(1).amax(1) > 0.8).all())

    def test_where_they_are(self, head: HeadModel) -> None:
        masks = dict(zip(REGIONS, region_masks(head, 128), strict=True))
        place = bake_vertex_field(head, head.mean, 128)
        at = {
            name: (place * mask[..., None]).sum((0, 1)) / mask.sum() for name, mask in masks.items()
        }
        order = ["forehead", "glabella", "nose", "nasolabial_L", "mouth_corner_L", "chin"]
        heights = [float(at[name][1]) for name in order]
        assert heights == sorted(heights, reverse=True)
        for name in ("crows_feet", "under_eye", "nasolabial", "mouth_corner"):
            left, right = at[f"{name}_L"], at[f"{name}_R"]
            assert float(left[0]) > 0.015  # the person's left is +X
            torch.testing.assert_close(left * torch.tensor([-1.0, 1, 1]), right, atol=3e-3, rtol=0)
        assert float(at["crows_feet_L"][0]) > float(at["under_eye_L"][0])

    def test_a_head_without_landmarks_has_none(self) -> None:
        assert not region_masks(tiny_head(), 16).any()


class TestTable:
    def test_a_smile_is_nearly_what_its_strain_gives(self, geometry: Geometry) -> None:
        head = geometry.head
        folds = folds_of(geometry, SMILE)
        masks = fold_masks(folds, head, 128)
        table = region_table(folds, geometry, masks)
        smile = weights(head, SMILE)
        exact = folds.amount(head, geometry.vertices(), geometry.vertices(smile))
        made = blended_amount(table, masks, smile)
        counts = folds.compressed * (masks.sum(0) > 0.5)
        error = ((made - exact).square() * counts).sum() / (exact.square() * counts).sum()
        assert float(error.sqrt()) < 0.25
        assert not blended_amount(table, masks, torch.zeros_like(smile)).any()

    def test_who_moves_what(self, geometry: Geometry) -> None:
        head = geometry.head
        table = region_table(folds_of(geometry, SMILE), geometry)
        value = {
            region: dict(zip(head.expression_names, row, strict=True))
            for region, row in zip(REGIONS, table.tolist(), strict=True)
        }
        left = value["nasolabial_L"]
        assert left["mouthSmileLeft"] > 0.6 and abs(left["mouthSmileRight"]) < 0.2
        assert max(left, key=left.__getitem__) == "mouthSmileLeft"
        assert left["jawOpen"] < -0.1  # stretches it
