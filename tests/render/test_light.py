"""fitme.render.light: smoke, exception, feature, gradcheck."""

import json
import math
from dataclasses import replace

import pytest
import torch

from fitme.render.camera import axis_angle_to_matrix
from fitme.render.light import (
    PRESETS,
    Light,
    fibonacci_sphere,
    sh_basis,
    sh_diffuse,
    sh_radiance,
)

SPHERE = fibonacci_sphere(20000).double()
AREA = 4 * math.pi / len(SPHERE)


class TestSmoke:
    @pytest.mark.parametrize("name", PRESETS)
    def test_presets_are_plausible(self, name: str) -> None:
        light = Light.preset(name)
        assert (sh_radiance(light.sh, SPHERE.float()[:500]) >= 0).all()
        assert 0.3 < light.total().mean() < 2.5


class TestFeature:
    def test_basis_is_orthonormal(self) -> None:
        basis = sh_basis(SPHERE)
        assert torch.allclose(basis.T @ basis * AREA, torch.eye(9).double(), atol=1e-3)

    def test_ambient_lights_a_white_surface_with_its_own_radiance(self) -> None:
        light = Light.ambient((0.2, 0.5, 1.0))
        shade = sh_diffuse(light.sh, SPHERE.float()[:10])
        assert torch.allclose(shade, torch.tensor([0.2, 0.5, 1.0]).expand(10, 3), atol=1e-5)

    def test_diffuse_is_the_cosine_integral(self) -> None:
        sh = torch.randn(9, 3, generator=torch.Generator().manual_seed(1)).double()
        normal = torch.nn.functional.normalize(torch.tensor([0.3, -0.4, 0.8]).double(), dim=0)
        cosine = (SPHERE @ normal).clamp_min(0)
        wanted = (sh_radiance(sh, SPHERE) * cosine[:, None]).sum(0) * AREA / math.pi
        assert torch.allclose(sh_diffuse(sh, normal), wanted, atol=2e-3)

    def test_rotation(self) -> None:
        light = Light.preset("studio")
        rotation = axis_angle_to_matrix(torch.tensor([0.3, -1.0, 0.5]))
        turned = light.rotated(rotation)
        probe = SPHERE.float()[:50]
        before, after = sh_radiance(light.sh, probe), sh_radiance(turned.sh, probe @ rotation.T)
        assert torch.allclose(before, after, atol=1e-5)
        assert torch.allclose(turned.directions, light.directions @ rotation.T)

    def test_point_lights_turn_about_a_point(self) -> None:
        lamp, pivot = torch.tensor([[[0.3, 0.2, 0.8]]]), torch.tensor([0.1, -0.1, 0.0])
        light = replace(Light.ambient(), positions=lamp, intensities=torch.ones(1, 1, 3))
        half = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
        turned = light.rotated(half, about=pivot)
        wanted = torch.tensor([[[-0.1, 0.2, -0.8]]])
        torch.testing.assert_close(turned.positions, wanted)
        torch.testing.assert_close(light.rotated(half).positions, lamp * torch.tensor([-1, 1, -1]))

    def test_json_round_trip(self) -> None:
        plain = Light.preset("rim")
        points = Light(
            plain.sh,
            plain.directions[:, :0],
            plain.colors[:, :0],
            torch.ones(1, 2, 3),
            torch.full((1, 2, 3), 0.5),
        )
        for light in (plain, points):
            back = Light.from_dict(json.loads(json.dumps(light.to_dict())))
            for first, second in zip(light.tensors(), back.tensors(), strict=True):
                assert torch.equal(first, second)


class TestException:
    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match="sh: wanted"):
            Light(torch.zeros(9, 3), torch.zeros(1, 0, 3), torch.zeros(1, 0, 3))
        with pytest.raises(ValueError, match="directions and colors"):
            Light(torch.zeros(1, 9, 3), torch.zeros(1, 2, 3), torch.zeros(1, 1, 3))
        with pytest.raises(ValueError, match="go together"):
            Light(
                torch.zeros(1, 9, 3),
                torch.zeros(1, 0, 3),
                torch.zeros(1, 0, 3),
                torch.zeros(1, 1, 3),
            )
        with pytest.raises(ValueError, match="ambient, studio"):
            Light.preset("disco")

    @pytest.mark.parametrize(
        "broken",
        [
            {},
            {"sh": 3},
            {"sh": [[[0.0] * 3] * 9], "directions": "x", "colors": []},
            {"sh": [[[float("nan")] * 3] * 9], "directions": [[]], "colors": [[]]},
            {"sh": [[[0.0] * 3] * 8], "directions": [[]], "colors": [[]]},
        ],
    )
    def test_from_dict_rejects(self, broken: dict) -> None:
        with pytest.raises(ValueError, match="light:"):
            Light.from_dict(broken)
