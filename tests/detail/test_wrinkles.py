"""Folds that come and go with the expression."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from fitme.detail.prior import load_usual_folds
from fitme.detail.wrinkles import DEEPEST, Wrinkles, dressed, fold_weights, strain_maps
from fitme.head.model import HeadModel, load_head
from fitme.head.tension import principal
from fitme.render import Material
from fitme.runtime.errors import ModelError

SIDE = 64


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def posed(head: HeadModel, **weights: float) -> Tensor:
    expression = torch.zeros(1, len(head.expression_names))
    for name, weight in weights.items():
        expression[0, head.expression_index(name)] = weight
    return head.shape(torch.zeros(1, len(head.identity)), expression)


def smiling(head: HeadModel, amount: float = 1.0) -> Tensor:
    return posed(head, mouthSmileLeft=amount, mouthSmileRight=amount)


@pytest.fixture(scope="module")
def folds(head: HeadModel) -> Wrinkles:
    """Folds across the compression of a smile, complete where it is in full."""
    strain = strain_maps(head, head.mean[None], smiling(head), 32)[0]
    _, least, angle = principal(strain)
    fold = fold_weights(angle, (-least).clamp_min(0.02)[..., None]) * (least < -0.05)[..., None]
    draw = torch.Generator().manual_seed(2)
    height = 1e-4 * torch.randn(1, SIDE, SIDE, generator=draw)
    shade = -0.2 * torch.rand(1, SIDE, SIDE, 3, generator=draw)
    return Wrinkles(height, -0.5 * height, shade, fold[None])


@pytest.fixture(scope="module")
def skin() -> Material:
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(1, SIDE, SIDE, 3)
    albedo = torch.full((1, SIDE, SIDE, 3), 0.4)
    return Material(albedo, torch.full((1, SIDE, SIDE, 1), 0.03), normal)


class TestAmount:
    def test_nothing_at_rest_all_in_the_smile_half_in_half_of_it(
        self, head: HeadModel, folds: Wrinkles
    ) -> None:
        rest, half, full = (
            folds.amount(head, head.mean[None], smiling(head, k)) for k in (0.0, 0.5, 1.0)
        )
        there = folds.fold.abs().sum(-1) > 0
        assert float(rest.abs().max()) < 1e-5
        torch.testing.assert_close(full[there], torch.ones_like(full[there]), atol=1e-3, rtol=0)
        torch.testing.assert_close(half[there], 0.5 * full[there], atol=1e-3, rtol=0)

    def test_never_deeper_than_deepest(self, head: HeadModel, folds: Wrinkles) -> None:
        assert float(folds.amount(head, head.mean[None], smiling(head, 3.0)).max()) == DEEPEST

    def test_compression_along_a_fold_does_not_make_it(
        self, head: HeadModel, folds: Wrinkles
    ) -> None:
        strain = strain_maps(head, head.mean[None], smiling(head), 32)[0]
        angle = principal(strain)[2] + torch.pi / 2
        turned = Wrinkles(
            folds.compressed, folds.stretched, folds.shade,
            (fold_weights(angle, 0.1) * (folds.fold[0].abs().sum(-1, keepdim=True) > 0))[None],
        )  # fmt: skip
        ahead = folds.amount(head, head.mean[None], smiling(head)).clamp_min(0).sum()
        aside = turned.amount(head, head.mean[None], smiling(head)).clamp_min(0).sum()
        assert float(aside) < 0.5 * float(ahead)

    def test_a_jaw_that_opens_does_not_fold_the_forehead(
        self, head: HeadModel, folds: Wrinkles
    ) -> None:
        amount = folds.amount(head, head.mean[None], posed(head, browInnerUp=1.0))
        assert float(amount[0, 20:].abs().max()) < 0.2  # mouth and chin, under raised brows


class TestOn:
    def test_at_rest_the_material_is_the_neutral_one(
        self, head: HeadModel, folds: Wrinkles, skin: Material
    ) -> None:
        worn = folds.on(skin, head, head.mean[None], head.mean[None])
        assert skin.normal is not None and worn.normal is not None
        torch.testing.assert_close(worn.diffuse_albedo, skin.diffuse_albedo)
        torch.testing.assert_close(worn.normal, skin.normal)

    def test_a_smile_darkens_and_tilts_where_it_compresses(
        self, head: HeadModel, folds: Wrinkles, skin: Material
    ) -> None:
        worn = folds.on(skin, head, head.mean[None], smiling(head))
        change = (worn.diffuse_albedo - skin.diffuse_albedo).sum(-1)[0]
        assert worn.normal is not None and skin.normal is not None
        turned = (worn.normal - skin.normal).norm(dim=-1)[0]
        assert float(change.min()) < -0.05 and float(turned.max()) > 0.02
        assert float(change[4:14, 20:44].abs().max()) < 0.01  # the forehead

    def test_a_face_without_normals_gets_some(
        self, head: HeadModel, folds: Wrinkles, skin: Material
    ) -> None:
        bare = Material(skin.diffuse_albedo, skin.specular_albedo)
        worn = folds.on(bare, head, head.mean[None], smiling(head))
        assert worn.normal is not None and worn.normal.shape == (1, SIDE, SIDE, 3)

    def test_only_the_skin_is_dressed(
        self, head: HeadModel, folds: Wrinkles, skin: Material
    ) -> None:
        materials = [skin] * len(head.part_names)
        shown = dressed(folds, materials, head, head.mean[None], smiling(head))
        changed = [one is not skin for one in shown]
        assert changed == [part.is_skin for part in head.parts]
        assert dressed(None, materials, head, head.mean[None], smiling(head)) == materials


class TestSizes:
    def test_resized_keeps_fold_and_scales_maps(self, folds: Wrinkles) -> None:
        small = folds.resized(32)
        assert small.compressed.shape == (1, 32, 32) and small.shade.shape == (1, 32, 32, 3)
        assert small.fold is folds.fold and folds.resized(SIDE) is folds
        assert folds.to("cpu").shade.shape == folds.shade.shape


class TestUsualFolds:
    def test_the_file_of_the_package(self, head: HeadModel) -> None:
        usual = load_usual_folds()
        assert float(usual.compressed.min()) > -3e-3 and float(usual.compressed.max()) < 1e-3
        forehead = 1e3 * usual.compressed[:, 60:120, 200:310].flatten(1)
        deep = -forehead.quantile(0.01, 1)  # of moving skin: at rest 0.07 to 0.22 mm
        assert float(deep.min()) > 0.3 and float(deep.max()) < 1.5
        brows = strain_maps(head, head.mean[None], posed(head, browInnerUp=1.0), 128)[0]
        weights = fold_weights(usual.angle, usual.complete[..., None])
        amount = (brows * weights).sum(-1)
        lines = usual.compressed[0, 60:120, 200:310].abs().amax(0).max()
        assert float(lines) > 1e-4  # the forehead has lines, and raised brows make them
        assert float(amount[15:30, 55:72].median()) > 0.6

    def test_no_such_file(self, tmp_path: Path) -> None:
        bad = tmp_path / "folds.safetensors"
        bad.write_bytes(b"nothing")
        with pytest.raises(ModelError, match=r"folds\.safetensors.*reinstall"):
            load_usual_folds(bad)
