"""The share of a fold's shading in the albedo, on errors of known size; kept tensors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.atlas_band import AtlasBand
from benchmarks.fold_measures import Folds
from benchmarks.kept import keep, kept

SIZE, TEXEL_MM = 64, 1.0


def plane() -> Tensor:
    """Positions [64,64,3] of a flat atlas, mm."""
    texels = torch.arange(SIZE) * TEXEL_MM
    y, x = torch.meshgrid(texels, texels, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)], -1)


def groove() -> Tensor:
    """Height [64,64] in mm of a fold 1 mm deep across the atlas."""
    return -torch.exp(-0.5 * ((plane()[..., 0] - 31) / 2.0) ** 2)


def shading() -> Tensor:
    """Log shading of the groove under light from the side: bright and dark walls."""
    height = groove()
    return (0.8 * torch.gradient(height, dim=1)[0] + 0.3 * height).contiguous()


@pytest.fixture(scope="module")
def folds() -> Folds:
    return Folds.of(plane(), groove(), shading(), torch.ones(SIZE, SIZE))


class TestShareInAlbedo:
    truth = torch.tensor([0.5, 0.35, 0.25]).expand(SIZE, SIZE, 3)

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_made_error(self, folds: Folds, share: float) -> None:
        fitted = self.truth * (share * shading()).exp()[..., None]
        assert folds.share_in_albedo(fitted, self.truth) == pytest.approx(share, abs=1e-4)

    def test_error_in_folds(self, folds: Folds) -> None:
        painted = [self.truth * (share * shading()).exp()[..., None] for share in (0.0, 0.2, 0.4)]
        errors = [folds.albedo_error(fitted, self.truth) for fitted in painted]
        assert errors[0] == 0 and errors[2] == pytest.approx(2 * errors[1], rel=1e-3)

    def test_tone_and_slow_changes_are_none_of_it(self, folds: Folds) -> None:
        slow = (0.2 + 0.1 * torch.sin(plane()[..., 0] / 40)).exp()[..., None]
        assert folds.share_in_albedo(self.truth * slow, self.truth) == pytest.approx(0, abs=0.01)

    def test_unseen_texels_do_not_count(self) -> None:
        seen = (plane()[..., 1] < 32).float()
        folds = Folds.of(plane(), groove(), shading(), seen)
        painted = shading() * torch.where(plane()[..., 1] < 32, 0.3, 5.0)
        fitted = self.truth * painted.exp()[..., None]
        assert folds.share_in_albedo(fitted, self.truth) == pytest.approx(0.3, abs=1e-4)


class TestHeightCorrelation:
    def test_up_to_scale_and_sign(self, folds: Folds) -> None:
        assert folds.height_correlation(1e-3 * groove() + 0.01) == pytest.approx(1, abs=1e-4)
        assert folds.height_correlation(-groove()) == pytest.approx(-1, abs=1e-4)
        assert folds.height_correlation(torch.zeros(SIZE, SIZE)) == 0


class TestAtlasBand:
    def test_only_sizes_between_pass(self) -> None:
        band = AtlasBand(plane(), torch.ones(SIZE, SIZE))

        def passed(wave_mm: float) -> float:
            wave = torch.sin(2 * torch.pi * plane()[..., 0] / wave_mm)
            return float(band(wave)[:, 20:44].std() / wave[:, 20:44].std())

        assert passed(16) > 0.75
        assert passed(2.5) < 0.25 and passed(90) < 0.25

    def test_millimetres_not_texels(self) -> None:
        """The same pattern in space on texels half as wide."""
        narrow = plane() * torch.tensor([0.5, 1.0, 1.0])
        wave = lambda at: torch.sin(2 * torch.pi * at[..., 0] / 10)  # noqa: E731
        gain = [
            float(AtlasBand(at, torch.ones(SIZE, SIZE))(wave(at))[:, 24:40].std())
            for at in (plane(), narrow)
        ]
        assert gain[0] == pytest.approx(gain[1], rel=0.15)


class TestKept:
    def test_bit_by_bit_with_the_same_key(self, tmp_path: Path) -> None:
        path, key = tmp_path / "a.safetensors", {"format": 1, "seed": 3, "ict": False}
        maps = {"maps": torch.randn(2, 3), "half": torch.randn(4).half()}
        maps["same"] = maps["maps"]  # as two photos may share their light
        keep(path, key, maps)
        found = kept(path, dict(reversed(key.items())))
        assert found is not None and set(found) == set(maps)
        for name, value in maps.items():
            assert found[name].dtype == value.dtype and torch.equal(found[name], value)
        assert kept(path, {**key, "seed": 4}) is None

    def test_missing_or_damaged(self, tmp_path: Path) -> None:
        path = tmp_path / "a.safetensors"
        assert kept(path, {}) is None
        path.write_bytes(b"no tensors")
        assert kept(path, {}) is None
