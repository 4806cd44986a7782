"""The synthesizer on the shipped head: seeds, sizes, tones, and no light in the albedo."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import load_head
from fitme.image.color import individual_typology_angle, luminance
from fitme.models import weight_path
from fitme.models.train.synth_parameters import COUNT, NAMES, PARAMETERS, UNIT, draw_parameters
from fitme.models.train.synthesizer import (
    DIFFUSE_LIMITS,
    SPECULAR_LIMITS,
    Draw,
    Synthesizer,
)

pytestmark = pytest.mark.skipif(
    not weight_path("head.safetensors").exists(), reason="the head model is not built"
)
_made: dict[int, Synthesizer] = {}


def synthesizer(resolution: int) -> Synthesizer:
    if resolution not in _made:
        _made[resolution] = Synthesizer(load_head(), resolution)
    return _made[resolution]


def plain_face(count: int = 1, **values: float) -> Tensor:
    """Average parameters without marks, make-up or beard, and the given ones."""
    row = torch.tensor([0.0 if kind != UNIT else 0.2 for _, kind in PARAMETERS])
    row[NAMES.index("tone")] = 0.7
    for name, value in values.items():
        row[NAMES.index(name)] = value
    return row.expand(count, -1).clone()


@pytest.fixture(scope="module")
def many() -> Draw:
    return synthesizer(64).draw(64, seed=3)


class TestSmoke:
    def test_shapes(self, many: Draw) -> None:
        assert many.parameters.shape == (64, COUNT)
        assert many.diffuse_albedo.shape == (64, 64, 64, 3)
        assert many.specular_albedo.shape == (64, 64, 64, 1)
        assert many.normal.shape == (64, 64, 64, 3)
        assert many.height.shape == (64, 64, 64, 1)

    def test_ranges(self, many: Draw) -> None:
        for maps, limits in (
            (many.diffuse_albedo, DIFFUSE_LIMITS),
            (many.specular_albedo, SPECULAR_LIMITS),
        ):
            assert maps.isfinite().all()
            assert limits[0] - 1e-6 <= float(maps.min()) <= float(maps.max()) <= limits[1] + 1e-6
        assert 0.02 < float(many.specular_albedo.mean()) < 0.045

    def test_normals_are_unit_and_point_out(self, many: Draw) -> None:
        assert torch.allclose(many.normal.norm(dim=-1), torch.ones(()), atol=1e-5)
        assert float(many.normal[..., 2].min()) > 0.3


class TestExceptions:
    def test_resolution(self) -> None:
        with pytest.raises(ValueError, match="64 to 1024"):
            Synthesizer(load_head(), 32)

    def test_parameter_count(self) -> None:
        with pytest.raises(ValueError, match=str(COUNT)):
            synthesizer(64).render(torch.zeros(1, 3))


class TestSeeds:
    def test_same_seed_same_face(self) -> None:
        one, two = (synthesizer(64).draw(2, seed=5) for _ in range(2))
        assert torch.equal(one.diffuse_albedo, two.diffuse_albedo)
        assert torch.equal(one.normal, two.normal)
        assert not torch.equal(one.diffuse_albedo, synthesizer(64).draw(2, 6).diffuse_albedo)

    def test_a_generator_goes_on(self) -> None:
        generator = torch.Generator().manual_seed(5)
        first = synthesizer(64).draw(1, generator)
        second = synthesizer(64).draw(1, generator)
        assert not torch.equal(first.parameters, second.parameters)

    def test_a_draw_can_be_rendered_again_alone(self) -> None:
        both = synthesizer(64).draw(2, seed=7)
        alone = synthesizer(64).render(both.parameters[1:], both.seed[1:])
        assert torch.allclose(both.diffuse_albedo[1:], alone.diffuse_albedo, atol=1e-5)
        assert torch.allclose(both.specular_albedo[1:], alone.specular_albedo, atol=1e-6)

    def test_the_detail_seed_changes_details_only(self) -> None:
        one, two = (synthesizer(64).render(plain_face(), seed).diffuse_albedo for seed in (1, 2))
        assert 0 < float((one - two).abs().mean()) < 0.02


def test_resolutions_agree() -> None:
    parameters = draw_parameters(2, torch.Generator().manual_seed(1))
    coarse = synthesizer(128).render(parameters, 4)
    fine = synthesizer(256).render(parameters, 4)
    for name, limit in (("diffuse_albedo", 0.012), ("specular_albedo", 0.0012), ("normal", 0.03)):
        small = getattr(coarse, name)
        pooled = F.avg_pool2d(getattr(fine, name).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        assert float((small - pooled).abs().mean()) < limit, name
        # Beyond the mean: the picture is the same, texel by texel.
        stack = torch.stack([small.flatten(), pooled.flatten()])
        if name == "diffuse_albedo":
            assert float(torch.corrcoef(stack)[0, 1]) > 0.97


def test_tones_cover_the_range(many: Draw) -> None:
    anatomy = synthesizer(64).anatomy
    skin = (anatomy.regions["forehead"] + anatomy.regions["cheek"]).clamp_max(1)
    weight = skin / skin.sum()
    colour = (many.diffuse_albedo * weight[None, ..., None]).sum((1, 2))
    angle = individual_typology_angle(colour)
    share = torch.histc(angle, bins=6, min=-60, max=60) / len(angle)
    assert float(share[0]) > 0.01
    assert float(share[1:].min()) > 0.06  # evenly, a fair share would be 0.18
    assert float(share.max()) < 0.35
    wanted = -50 + 110 * many.parameters[:, NAMES.index("tone")]
    assert float((angle - wanted).abs().median()) < 12


@pytest.mark.parametrize("tone", [0.1, 0.5, 0.9])
def test_no_light_is_baked_in(tone: float) -> None:
    """Where geometry is dark (nostrils, eye sockets, below the chin) the albedo is not."""
    made = synthesizer(128)
    anatomy = made.anatomy
    face = luminance(made.render(plain_face(tone=tone, masculine=0.3), 1).diffuse_albedo)[0]
    y, down = anatomy.atlas.xyz[..., 1], anatomy.atlas.normal[..., 1] < -0.6

    def mean(mask: Tensor) -> float:
        assert mask.any()
        return float(face[mask].mean())

    r = anatomy.regions
    skin = mean(r["cheek"] > 0.5)
    chin = down & (y < anatomy.points.chin[1]) & (r["scalp"] < 0.1)
    socket = (anatomy.lid_upper > 0.9) & (anatomy.lid_distance > 6) & (anatomy.lid_distance < 11)
    assert mean(r["nostrils"] > 0.6) > 0.8 * skin
    assert mean(chin) > 0.8 * skin
    assert mean(socket & (r["upper_lid"] > 0.1)) > 0.7 * skin


def test_left_and_right_alike_but_not_equal(many: Draw) -> None:
    light = luminance(many.diffuse_albedo)
    difference = light - light.flip(-1)
    assert float(difference.mean(0).abs().mean()) < 0.012
    own = difference.abs().mean((1, 2)) / light.mean((1, 2))
    assert float(own.min()) > 0.005 and float(own.max()) < 0.2


def test_no_seam_at_the_back_of_the_head() -> None:
    made = synthesizer(128)
    face = made.render(plain_face(scalp_hair=0.0), 1).diffuse_albedo[0]
    rows = slice(16, 112)
    across = (face[rows, 0] - face[rows, -1]).abs().mean()
    beside = (face[rows, 0] - face[rows, 1]).abs().mean()
    assert float(across) < 3 * float(beside) + 0.003


def test_features_are_where_they_belong() -> None:
    made = synthesizer(256)
    anatomy = made.anatomy
    face = made.render(plain_face(brow_density=1.5, hair_dark=0.9), 1).diffuse_albedo[0]
    red = face[..., 0] / face.sum(-1)
    lips, around = anatomy.lip > 1.5, (anatomy.lip < -3) & (anatomy.lip > -8)
    assert float(red[lips].mean()) > float(red[around].mean()) + 0.02
    p, xyz = anatomy.points, anatomy.atlas.xyz
    x = xyz[..., 0].abs()
    line = sum(p.brow[k] * x**k for k in range(4))
    on = ((xyz[..., 1] - line + 3).abs() < 2) & (x > 18) & (x < 45) & (xyz[..., 2] > 60)
    above = ((xyz[..., 1] - line - 14).abs() < 4) & (x > 18) & (x < 45) & (xyz[..., 2] > 60)
    assert float(face[on].mean()) < 0.75 * float(face[above].mean())


class TestHairline:
    """Cropped black hair on light skin, by what it darkens."""

    @staticmethod
    def covered(**values: float) -> Tensor:
        """[R,R] in 0..1."""
        made = synthesizer(256)
        bare, grown = (
            luminance(made.render(plain_face(hair_dark=1.0, scalp_hair=x, **values), 1)
                      .diffuse_albedo)[0]
            for x in (0.0, 1.0)
        )  # fmt: skip
        return 1 - grown / bare

    def test_hair_grows_where_it_does(self) -> None:
        anatomy = synthesizer(256).anatomy
        p, xyz = anatomy.points, anatomy.atlas.xyz
        x, y, z = xyz[..., 0].abs(), xyz[..., 1], xyz[..., 2]
        hair = self.covered()
        crown = y > p.brow[0] + 75
        sideburn = (z - p.ear[2]).sub(36).abs().lt(4) & (y - p.ear[1] - 20).abs().lt(5)
        above_ear = (z - p.ear[2]).abs().lt(8) & (y - p.ear[1] - 48).abs().lt(5)
        for where in (crown, sideburn, above_ear, (z < -60) & (y > p.ear[1])):
            assert where.any() and float(hair[where].mean()) > 0.6
        forehead = (x < 30) & (y < p.brow[0] + 35) & (z > 60)
        on_ear = ((xyz[..., 1:] - p.ear[1:]) / y.new_tensor([25.0, 15.0])).norm(dim=-1) < 1
        for where in (forehead, on_ear & (x > 60), y < p.mouth[1]):
            assert where.any() and float(hair[where].abs().mean()) < 0.02

    def test_the_edge_is_soft(self) -> None:
        anatomy = synthesizer(256).anatomy
        x, y, z = anatomy.atlas.xyz[..., 0].abs(), *anatomy.atlas.xyz[..., 1:].unbind(-1)
        hair, middle = self.covered(), (x < 12) & (z > 40)
        height = [float(y[middle & ((hair - share).abs() < 0.1)].mean()) for share in (0.2, 0.7)]
        assert 3 < height[1] - height[0] < 20  # mm

    def test_it_recedes_at_the_corners(self) -> None:
        anatomy = synthesizer(256).anatomy
        young = self.covered(masculine=0.45, age=0.1, hair_grey=0.0)
        lost = young - self.covered(masculine=1.0, age=0.9, hair_grey=0.0)
        edge = (anatomy.hair > 2) & (anatomy.hair < 15)
        corner, back = anatomy.temple > 0.8, anatomy.atlas.xyz[..., 2] < -30
        assert float(lost[edge & corner].mean()) > 0.4
        assert float(lost[edge & back].abs().mean()) < 0.2
