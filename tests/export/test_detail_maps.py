"""Static detail and folds as engines take them; the neutral head keeps neutral maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitme.detail.wrinkle_regions import REGIONS, fold_masks
from fitme.export.bundle import avatar_glb, textures
from fitme.export.detail_maps import DISPLACEMENT_MM, describe_detail, detail_maps
from fitme.export.textures import decode_albedo, decode_normals
from fitme.export.wrinkles import decode_centred
from fitme.image.png import decode_png
from tests.small_avatar import creased, small_avatar

AVATAR = creased(small_avatar())


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return detail_maps(AVATAR)


class TestFiles:
    def test_names(self, files: dict[str, bytes]) -> None:
        masks = [f"wrinkle_masks_{k}.png" for k in range(3)]
        assert sorted(files) == sorted(
            ["displacement.png", "wrinkles_albedo.png", "wrinkles_compressed.png",
             "wrinkles_stretched.png", *masks]
        )  # fmt: skip
        assert list(detail_maps(small_avatar())) == ["displacement.png"]
        head, *rest = small_avatar().materials
        smooth = replace(small_avatar(), materials=(replace(head, normal=None), *rest))
        assert detail_maps(smooth) == {} and describe_detail(smooth) == {}

    def test_displacement_is_16_bits_of_millimetres(self, files: dict[str, bytes]) -> None:
        data = files["displacement.png"]
        assert decode_png(data).dtype == np.uint16 and decode_png(data).shape[2] == 1
        height = decode_centred(data, DISPLACEMENT_MM)
        assert 0.001 < np.abs(height).max() < DISPLACEMENT_MM / 2

    @pytest.mark.parametrize(
        ("name", "amount"), [("wrinkles_compressed.png", 1.0), ("wrinkles_stretched.png", -1.0)]
    )
    def test_normals_are_those_of_the_renderer(
        self, files: dict[str, bytes], name: str, amount: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folds, head = AVATAR.wrinkles, AVATAR.head
        assert folds is not None
        everywhere = torch.full((1, 32, 32), amount)
        monkeypatch.setattr(type(folds), "amount", lambda *_: everywhere)
        worn = folds.on(AVATAR.skin, head, AVATAR.neutral(), AVATAR.neutral())
        assert worn.normal is not None
        np.testing.assert_allclose(decode_normals(files[name]), worn.normal[0], atol=0.012)
        if amount > 0:
            albedo = decode_albedo(files["wrinkles_albedo.png"])
            np.testing.assert_allclose(albedo, worn.diffuse_albedo[0], atol=0.006)

    def test_masks_and_table_go_together(self, files: dict[str, bytes]) -> None:
        told = describe_detail(AVATAR)["wrinkles"]["regions"]
        assert list(told) == list(REGIONS)
        assert AVATAR.wrinkles is not None
        masks = fold_masks(AVATAR.wrinkles, AVATAR.head)
        for mask, entry in zip(masks, told.values(), strict=True):
            pixels = decode_png(files[entry["mask"]])[..., "RGBA".index(entry["channel"])]
            np.testing.assert_allclose(pixels / 255, mask, atol=0.003)
            assert set(entry["shapes"]) <= set(AVATAR.head.expression_names)
        assert max(map(abs, told["nasolabial_L"]["shapes"].values())) <= 2.5


class TestNeutral:
    def test_the_glb_holds_the_maps_of_a_face_at_rest(self) -> None:
        assert textures(AVATAR) == textures(small_avatar())
        assert avatar_glb(AVATAR) == avatar_glb(small_avatar())
