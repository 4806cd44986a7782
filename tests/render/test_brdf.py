"""fitme.render.brdf against numerical integrals."""

import math

import pytest
import torch

from fitme.render import brdf
from fitme.render.light import fibonacci_sphere

SPHERE = fibonacci_sphere(200000).double()
UPPER = SPHERE[SPHERE[:, 2] > 0]
AREA = 4 * math.pi / len(SPHERE)
UP = torch.tensor([0.0, 0.0, 1.0]).double()


def view_at(cosine: float) -> torch.Tensor:
    return torch.tensor([math.sqrt(1 - cosine * cosine), 0.0, cosine]).double()


def one(value: float) -> torch.Tensor:
    return torch.tensor([value]).double()


class TestFeature:
    @pytest.mark.parametrize("roughness", [0.3, 0.5, 0.9])
    def test_distribution_projects_to_one(self, roughness: float) -> None:
        density = brdf.ggx_distribution(UPPER[:, 2:], brdf.ggx_alpha(one(roughness)))
        assert (density * UPPER[:, 2:]).sum().item() * AREA == pytest.approx(1.0, abs=2e-3)

    @pytest.mark.parametrize("roughness", [0.35, 0.6, 0.9])
    @pytest.mark.parametrize("cosine", [0.25, 0.6, 0.95])
    def test_environment_fit(self, roughness: float, cosine: float) -> None:
        view = view_at(cosine)

        def under_white_sky(f0: float) -> float:
            lobe = brdf.ggx_specular(UP, view, UPPER, one(roughness), one(f0))
            return lobe.sum().item() * AREA / math.pi

        bias = under_white_sky(0.0)
        wanted = under_white_sky(1.0) - bias, bias
        got = brdf.environment_brdf(one(cosine), one(roughness))
        assert got[0].item() == pytest.approx(wanted[0], abs=0.045)
        assert got[1].item() == pytest.approx(wanted[1], abs=0.03)

    def test_specular_conserves_energy(self) -> None:
        for roughness in (0.3, 0.7, 1.0):
            lobe = brdf.ggx_specular(UP, view_at(0.7), UPPER, one(roughness), one(1.0))
            assert lobe.sum().item() * AREA / math.pi <= 1.001

    def test_specular_is_reciprocal(self) -> None:
        light, view = view_at(0.4), torch.tensor([0.0, 0.6, 0.8]).double()
        there = brdf.ggx_specular(UP, view, light, one(0.5), one(0.04)) / light[2]
        back = brdf.ggx_specular(UP, light, view, one(0.5), one(0.04)) / view[2]
        assert torch.allclose(there, back)

    def test_fresnel_ends(self) -> None:
        assert brdf.schlick_fresnel(one(1.0), one(0.04)).item() == pytest.approx(0.04)
        assert brdf.schlick_fresnel(one(0.0), one(0.04)).item() == pytest.approx(1.0)

    def test_behind_the_surface_is_dark(self) -> None:
        below = torch.tensor([0.6, 0.0, -0.8]).double()
        assert brdf.ggx_specular(UP, view_at(0.7), below, one(0.5), one(0.04)).item() == 0.0
        assert brdf.lambert(one(-0.3)).item() == 0.0

    def test_bands_run_from_mirror_to_cosine(self) -> None:
        rough = brdf.ggx_bands(one(1.0))
        assert torch.allclose(rough, torch.tensor([1.0, 2 / 3, 0.25]).double(), atol=0.01)
        assert torch.allclose(brdf.ggx_bands(one(0.1)), torch.ones(3).double(), atol=0.01)


class TestGradcheck:
    def test_specular(self) -> None:
        vectors = [view_at(0.9), view_at(0.6), torch.tensor([0.0, 0.6, 0.8]).double()]
        inputs = [v.requires_grad_() for v in [*vectors, one(0.4), torch.rand(3).double() * 0.1]]
        assert torch.autograd.gradcheck(brdf.ggx_specular, inputs)
        assert torch.autograd.gradcheck(
            brdf.environment_brdf, (one(0.4).requires_grad_(), inputs[3])
        )
