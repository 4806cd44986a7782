"""How much of the shading of folds a fit has painted into the albedo, and how much of their height
it has found. Maps are [R,R] over the atlas."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from benchmarks.atlas_band import AtlasBand
from fitme.image.color import luminance

DEEP_MM = 0.05  # band-passed height beyond which a texel lies in a fold
DARK = 1e-3  # linear albedo or radiance below which a logarithm says nothing


@dataclass(frozen=True)
class Folds:
    """What folds did to one photo, on the texels that it shows."""

    band: AtlasBand
    height: Tensor  # mm, band-passed
    shading: Tensor  # log of the photo with the folds over that without, band-passed
    weight: Tensor  # 1 in folds that the photo shows

    @staticmethod
    def of(positions: Tensor, height: Tensor, shading: Tensor, seen: Tensor) -> Folds:
        """positions [R,R,3] mm; height in mm; log shading; seen in 0..1."""
        band = AtlasBand(positions, seen)
        deep = band(height)
        return Folds(band, deep, band(shading), seen * (deep.abs() > DEEP_MM))

    def share_in_albedo(self, fitted: Tensor, truth: Tensor) -> float:
        """Coefficient of the albedo's log error (luminance, band-passed) on the folds' shading,
        least squares through zero: 0 where none of it is in the albedo, 1 where all is.
        Albedos [R,R,3] linear."""
        error = self.band(log_luminance(fitted) - log_luminance(truth))
        return _slope(self.shading, error, self.weight)

    def albedo_error(self, fitted: Tensor, truth: Tensor) -> float:
        """Mean absolute band-passed log error of the albedo's luminance inside the folds, whatever
        caused it. Albedos [R,R,3] linear."""
        error = self.band(log_luminance(fitted) - log_luminance(truth))
        return float((self.weight * error.abs()).sum() / self.weight.sum().clamp_min(1e-9))

    def height_correlation(self, found: Tensor) -> float:
        """Correlation of a fitted displacement [R,R] (any unit, grooves negative) with the true
        height, both band-passed, inside the folds."""
        a, b = self.band(found), self.height
        total = self.weight.sum().clamp_min(1e-9)
        a, b = (x - (x * self.weight).sum() / total for x in (a, b))
        both = (self.weight * a * a).sum() * (self.weight * b * b).sum()
        return float((self.weight * a * b).sum() / both.sqrt().clamp_min(1e-12))


def log_luminance(linear: Tensor) -> Tensor:
    """[...,3] -> [...]."""
    return luminance(linear).clamp_min(DARK).log()


def _slope(x: Tensor, y: Tensor, weight: Tensor) -> float:
    x, y, weight = x.double(), y.double(), weight.double()
    return float((weight * x * y).sum() / (weight * x * x).sum().clamp_min(1e-12))
