"""Skin colour from melanin and blood: a two-layer spectral model in linear sRGB.

Light crosses the epidermis (melanin), is returned by the dermis (diffusion theory, blood) and
crosses the epidermis again. Melanin is clumped, so some light slips between: Beer-Lambert is
averaged over gamma-distributed columns, which keeps dark skin from turning orange, as does the
little light that the epidermis itself scatters back. Both strengths (CLUMPING, BACKSCATTER) were
set so that (L*, a*, b*) runs through measured facial skin, about (70, 9, 16) at an individual
typology angle of 50 degrees, (54, 13, 20) at 10, (37, 11, 13) at -45. The specular surface
reflection is not part of the colour.

Sources:
- melanin and background absorption: S. L. Jacques, "Skin optics", OMLC News, 1998: a melanosome
  has mu_a = 6.6e11 lambda^-3.33 /cm, bloodless skin 0.244 + 85.3 exp(-(lambda - 154) / 66.2) /cm
  (lambda in nm);
- reduced scattering of skin 46 (lambda/500)^-1.421 /cm: S. L. Jacques, "Optical properties of
  biological tissues: a review", Phys. Med. Biol. 58 (2013) R37;
- haemoglobin: S. Prahl's tabulation, omlc.org/spectra/hemoglobin, every 10 nm, 150 g/l;
- total diffuse reflectance of a half space: H. W. Jensen et al., "A practical model for
  subsurface light transport", SIGGRAPH 2001;
- colour matching: C. Wyman, P.-P. Sloan, P. Shirley, JCGT 2(2), 2013, multi-lobe fit; CIE D65.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.image.color import individual_typology_angle

WAVELENGTHS = torch.arange(400.0, 701.0, 10.0)  # nm
# Molar extinction of oxy- and deoxyhaemoglobin, cm^-1/(mol/l), at WAVELENGTHS.
_OXY = (
    266232, 466840, 480360, 246072, 102580, 62816, 44480, 33209, 26629, 23684, 20933, 20035, 24202,
    39957, 53236, 43016, 32613, 44496, 50104, 14401, 3200, 1506, 942, 610, 442, 368, 320, 294, 278,
    276, 290,
)  # fmt: skip
_DEOXY = (
    223296, 303956, 407560, 528600, 413280, 103292, 23389, 16156, 14550, 16684, 20862, 25774, 31590,
    39036, 46592, 53412, 53788, 45072, 37020, 28324, 14677, 9444, 6510, 5149, 4345, 3750, 3227,
    2795, 2408, 2052, 1794,
)  # fmt: skip
_D65 = (
    82.75, 91.49, 93.43, 86.68, 104.86, 117.01, 117.81, 114.86, 115.92, 108.81, 109.35, 107.80,
    104.79, 107.69, 104.41, 104.05, 100.0, 96.33, 95.79, 88.69, 90.01, 89.60, 87.70, 83.29, 83.70,
    80.03, 80.21, 82.28, 78.28, 69.72, 71.61,
)  # fmt: skip
_XYZ_TO_RGB = (
    (3.2406, -1.5372, -0.4986),
    (-0.9689, 1.8758, 0.0415),
    (0.0557, -0.2040, 1.0570),
)

EPIDERMIS_CM = 0.0060  # living epidermis of the face
PATH_FACTOR = 1.8  # mean path of diffuse light through a thin layer over its thickness
CLUMPING = 0.9  # variance of the melanin column over its squared mean
BACKSCATTER = 0.03
MELANIN = (0.001, 0.95)  # volume fractions the table spans (logarithmic); effective ones
BLOOD = (0.0006, 0.20)
OXYGEN = (0.2, 0.95)
STEPS = (80, 40, 4)  # table entries along melanin, blood, oxygen


def reflectance(melanin: Tensor, blood: Tensor, oxygen: Tensor, yellow: Tensor) -> Tensor:
    """Spectral diffuse reflectance [...,31] at WAVELENGTHS.

    melanin: volume fraction of melanosomes in the epidermis; blood: volume fraction in the
    dermis; oxygen: saturation; yellow: carotenoids in the dermis, 0 none to 1 much (a Gaussian
    pair near 450 and 480 nm stands for their absorption). All [...] and broadcastable.
    """
    lam = WAVELENGTHS.to(melanin)
    melanosome = 6.6e11 * lam**-3.33
    tissue = 0.244 + 85.3 * torch.exp(-(lam - 154) / 66.2)
    per_gram = 2.303 * 150 / 64500
    oxy, deoxy = lam.new_tensor(_OXY) * per_gram, lam.new_tensor(_DEOXY) * per_gram
    m, b, s, y = (t[..., None] for t in (melanin, blood, oxygen, yellow))
    carotene = torch.exp(-(((lam - 452) / 30) ** 2)) + 0.8 * torch.exp(-(((lam - 482) / 20) ** 2))
    epidermis = m * melanosome + (1 - m) * tissue
    dermis = b * (s * oxy + (1 - s) * deoxy) + (1 - b) * tissue + 0.9 * y * carotene
    scatter = 46 * (lam / 500) ** -1.421
    albedo = scatter / (scatter + dermis)
    root = (3 * (1 - albedo)).sqrt()
    boundary = 3.0  # (1 + F_dr) / (1 - F_dr) at a refractive index near 1.4
    below = albedo / 2 * (1 + torch.exp(-4 / 3 * boundary * root)) * torch.exp(-root)
    column = 2 * epidermis * EPIDERMIS_CM * PATH_FACTOR
    through = (1 + CLUMPING * column) ** (-1 / CLUMPING)
    return below * through + BACKSCATTER * (1 - through)


def _lobe(lam: Tensor, centre: float, left: float, right: float) -> Tensor:
    scale = torch.where(lam < centre, torch.full_like(lam, left), torch.full_like(lam, right))
    return torch.exp(-0.5 * ((lam - centre) * scale) ** 2)


def spectrum_to_linear(spectrum: Tensor) -> Tensor:
    """Reflectance [...,31] under D65 -> linear sRGB [...,3]; a white surface gives (1, 1, 1)."""
    lam = WAVELENGTHS.to(spectrum)
    x = (
        0.362 * _lobe(lam, 442.0, 0.0624, 0.0374)
        + 1.056 * _lobe(lam, 599.8, 0.0264, 0.0323)
        - 0.065 * _lobe(lam, 501.1, 0.0490, 0.0382)
    )
    y = 0.821 * _lobe(lam, 568.8, 0.0213, 0.0247) + 0.286 * _lobe(lam, 530.9, 0.0613, 0.0322)
    z = 1.217 * _lobe(lam, 437.0, 0.0845, 0.0278) + 0.681 * _lobe(lam, 459.0, 0.0385, 0.0725)
    weights = torch.stack([x, y, z]) * lam.new_tensor(_D65)
    to_rgb = lam.new_tensor(_XYZ_TO_RGB) @ (weights / weights[1].sum())
    to_rgb = to_rgb / to_rgb.sum(1, keepdim=True)  # the fit's white is D65 only to a percent
    return (spectrum @ to_rgb.mT).clamp_min(0.001)


class SkinTable:
    """The model tabulated: volume fractions -> colour in one look-up."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        axes = [
            torch.linspace(0, 1, steps, dtype=torch.float64) for steps in STEPS
        ]  # fmt: skip
        melanin = MELANIN[0] * (MELANIN[1] / MELANIN[0]) ** axes[0]
        blood = BLOOD[0] * (BLOOD[1] / BLOOD[0]) ** axes[1]
        oxygen = OXYGEN[0] + (OXYGEN[1] - OXYGEN[0]) * axes[2]
        m, b, s = torch.meshgrid(melanin, blood, oxygen, indexing="ij")
        tables = [
            spectrum_to_linear(reflectance(m, b, s, torch.full_like(m, yellow)))
            for yellow in (0.0, 1.0)
        ]
        # [2 yellow, 3, melanin, blood, oxygen], stored as logarithms: nearly linear in steps
        self.table = torch.stack(tables).permute(0, 4, 1, 2, 3).log().float().to(device)

    def colour(self, melanin: Tensor, blood: Tensor, oxygen: Tensor, yellow: Tensor) -> Tensor:
        """Linear sRGB [B,H,W,3] of fraction maps [B,H,W]; yellow [B] in 0..1."""
        table = torch.lerp(self.table[:1], self.table[1:], yellow.view(-1, 1, 1, 1, 1))
        at = torch.stack([
            (oxygen - OXYGEN[0]) / (OXYGEN[1] - OXYGEN[0]),
            _log_position(blood, BLOOD),
            _log_position(melanin, MELANIN),
        ], -1)  # fmt: skip
        grid = (at.clamp(0, 1) * 2 - 1)[:, None]
        out = F.grid_sample(table, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return out[:, :, 0].permute(0, 2, 3, 1).exp()

    def melanin_for(self, ita: Tensor, blood: Tensor, oxygen: Tensor, yellow: Tensor) -> Tensor:
        """Melanin fraction [B] that gives skin the individual typology angle `ita` [B] degrees
        at the other fractions [B]; the nearest possible one where none does."""
        grid = torch.linspace(0, 1, 256, device=ita.device)
        melanin = MELANIN[0] * (MELANIN[1] / MELANIN[0]) ** grid
        shape = (ita.shape[0], 1, 256)
        maps = melanin.expand(shape), blood.view(-1, 1, 1).expand(shape), oxygen.view(-1, 1, 1)
        colours = self.colour(maps[0], maps[1], maps[2].expand(shape), yellow)[:, 0]
        angle = individual_typology_angle(colours)  # falls as melanin grows
        above = (angle > ita[:, None]).sum(1).clamp(1, 255)
        left, right = angle.gather(1, above[:, None] - 1), angle.gather(1, above[:, None])
        share = ((left[:, 0] - ita) / (left - right)[:, 0].clamp_min(1e-4)).clamp(0, 1)
        return MELANIN[0] * (MELANIN[1] / MELANIN[0]) ** ((above - 1 + share) / 255)


def _log_position(value: Tensor, limits: tuple[float, float]) -> Tensor:
    span = torch.log(value.new_tensor(limits[1] / limits[0]))
    return torch.log(value.clamp_min(1e-5) / limits[0]) / span
