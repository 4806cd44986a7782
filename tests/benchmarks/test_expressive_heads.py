"""Made people: where their folds are, what these do to light, and that they are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import known_heads
from benchmarks.detail import folds_of
from benchmarks.expressive_heads import ExpressivePerson, fold_maps
from benchmarks.fold_light import Metric, cavity_light, interreflected, with_slopes
from benchmarks.folds import DRIVERS, drive, person_folds
from benchmarks.kept import keep
from benchmarks.known_heads import (
    KnownHead,
    avatar_of,
    drawn_from,
    known_of,
    make_heads,
    seen_tensors,
)
from fitme.head.model import ARKIT_NAMES, HeadModel, load_head
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.models.train.synth_anatomy import Anatomy, build_anatomy
from fitme.render.light import Light

SMILE = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def anatomy(head: HeadModel) -> Anatomy:
    return build_anatomy(head, 256)


def deepest(anatomy: Anatomy, height: Tensor, where: Tensor) -> float:
    return float(-height[where].min())


class TestFolds:
    def test_drivers_are_arkit_shapes(self) -> None:
        for shapes in DRIVERS.values():
            for shape in shapes:
                assert {shape, f"{shape}Left"} & set(ARKIT_NAMES)
        assert drive({"browInnerUp": 0.5}, "forehead", "Left") == 0.5
        assert drive(SMILE, "forehead", "Left") == 0

    def test_a_face_at_rest_has_none(self, anatomy: Anatomy) -> None:
        assert not person_folds(anatomy, {}, 3).any()

    def test_a_smile_folds_beside_the_mouth_and_not_the_forehead(self, anatomy: Anatomy) -> None:
        height = person_folds(anatomy, SMILE, 3)
        x, y, _ = anatomy.atlas.xyz.unbind(-1)
        beside = (x.abs() > 20) & (x.abs() < 45) & (y > -50) & (y < 10)
        assert 0.5 < deepest(anatomy, height, beside & (x > 0)) < 3
        assert 0.5 < deepest(anatomy, height, beside & (x < 0)) < 3
        assert not height[y > 60].any()
        left = person_folds(anatomy, {"mouthSmileLeft": 0.8}, 3)
        assert not left[x < -5].any() and torch.equal(left[x > 5], height[x > 5])

    def test_the_seed_is_the_person(self, anatomy: Anatomy) -> None:
        """More of an expression deepens the same folds; another person has others."""
        half, full = ({name: w * weight for name, weight in SMILE.items()} for w in (0.5, 1.0))
        one, two = (person_folds(anatomy, weights, 3) for weights in (half, full))
        assert torch.allclose(2 * one, two, atol=1e-4)
        assert not torch.allclose(person_folds(anatomy, full, 4), two, atol=0.1)


class TestLight:
    size = 48

    def metric(self, u: float = 1.0, v: float = 1.0) -> Metric:
        """A flat atlas of texels u x v mm."""
        one = torch.ones(self.size, self.size)
        return Metric(one * u**2, one * 0, one * (u * v) ** 2)

    def test_slopes_are_millimetres_per_millimetre(self) -> None:
        v, u = torch.meshgrid(*[torch.arange(self.size).float()] * 2, indexing="ij")
        x, y = self.metric(2.0, 0.5).slopes(0.1 * u + 0.2 * v)
        assert torch.allclose(x, torch.tensor(0.05)) and torch.allclose(y, torch.tensor(-0.4))
        upright = torch.tensor([0.0, 0.0, 1.0]).expand(self.size, self.size, 3)
        normal = with_slopes(upright, x, y)[0, 0]
        assert torch.allclose(normal / normal[2], torch.tensor([-0.05, 0.4, 1.0]))

    def test_the_baked_metric_is_that_of_the_head(self, head: HeadModel, anatomy: Anatomy) -> None:
        metric = Metric.of(head, head.mean, 256)
        face = anatomy.regions["face"] > 0.9
        ratio = metric.det[face].pow(0.25) / anatomy.atlas.texel_mm[face]
        assert float(ratio.median()) == pytest.approx(1, abs=0.03)

    def test_trench(self) -> None:
        """The middle of a trench's floor, of half width a and depth d, sees a / sqrt(a^2 + d^2) of
        the sky; open and evenly sloping ground all of it."""
        texel, half, depth = 0.25, 1.75, 1.5
        u = (torch.arange(self.size) - self.size // 2) * texel
        trench = torch.where(u.abs() < half, -depth, 0.0).expand(self.size, -1).contiguous()
        light = cavity_light(trench, self.metric(texel, texel))
        middle = self.size // 2
        wanted = half / (half**2 + depth**2) ** 0.5
        assert float(light[middle, middle]) == pytest.approx(wanted, abs=0.08)
        ramp = cavity_light(0.5 * u.expand(self.size, -1).contiguous(), self.metric(texel, texel))
        assert float(ramp[8:-8, 8:-8].min()) > 0.99

    def test_bright_walls_give_light_back(self) -> None:
        light, albedo = torch.tensor([0.5]), torch.tensor([0.0, 0.5, 1.0])
        assert torch.allclose(interreflected(light, albedo), torch.tensor([0.5, 2 / 3, 1.0]))


def test_the_photo_is_dark_where_folds_are_deep(head: HeadModel, anatomy: Anatomy) -> None:
    """In even light and without slopes only cavities show. They are found in the photo where the
    atlas has them, and an albedo into which they are painted has all of them."""
    size = anatomy.atlas.resolution
    regions = known_heads.AtlasRegions(head, size)
    skin = torch.tensor([0.5, 0.35, 0.25]).expand(1, size, size, 3)
    flat = torch.tensor([0.0, 0.0, 1.0]).expand(1, size, size, 3)
    maps = ReflectanceMaps(skin, torch.full((1, size, size, 1), 0.02), flat)
    posed, folds = head.mean[None], person_folds(anatomy, SMILE, 3)
    worn = replace(fold_maps(head, maps, folds, posed), normal=flat)
    plain, dark = (avatar_of(head, regions, one, torch.zeros(1, 1)) for one in (maps, worn))
    camera = known_heads.portrait_camera(posed, 0.0, 0.0, 25.0)
    seen = KnownHead("a", Path("a.jpg"), plain, posed, posed, camera, Light.ambient())
    person = ExpressivePerson("a", seen, seen, dark, folds, SMILE)
    found = folds_of(person, regions, posed, camera)
    assert found.height_correlation(found.shading) > 0.85
    # A little more than all: light on the skin's gloss is not darkened.
    assert found.share_in_albedo(worn.diffuse_albedo[0], skin[0]) == pytest.approx(1.08, abs=0.08)
    assert found.share_in_albedo(skin[0], skin[0]) == 0


class TestKeptHeads:
    def test_read_back_without_drawing(
        self, head: HeadModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draws = torch.Generator().manual_seed(1)
        posed = head.mean[None] + 0.001
        light = Light(torch.zeros(1, 9, 3), *torch.rand(2, 1, 40, 3, generator=draws))
        tensors = {
            "diffuse": torch.rand(1, 16, 16, 3, generator=draws),
            "specular": torch.rand(1, 16, 16, 1, generator=draws),
            "normal": torch.rand(1, 16, 16, 3, generator=draws),
            "iris": torch.randn(1, 1, generator=draws), "neutral": head.mean[None], "posed": posed,
            **seen_tensors(known_heads.portrait_camera(posed, 10.0, 5.0, 25.0), light),
        }  # fmt: skip
        regions = known_heads.AtlasRegions(head, 32)
        path = tmp_path / "known_00.jpg"
        made = known_of(head, regions, path, tensors)
        path.write_bytes(b"a photo")
        keep(path.with_suffix(known_heads.KEPT), drawn_from(head, 1, None, 5), tensors)

        def refuse(*_: object) -> None:
            raise RuntimeError("drawn anew")

        monkeypatch.setattr(known_heads, "Synthesizer", refuse)
        (read,) = make_heads(head, tmp_path, 1, None, 5)
        assert read.name == "known_00" and read.photo == path
        assert torch.equal(read.posed, made.posed) and torch.equal(read.neutral, made.neutral)
        for a, b in zip(read.avatar.materials, made.avatar.materials, strict=True):
            assert torch.equal(a.diffuse_albedo, b.diffuse_albedo)
            assert torch.equal(a.specular_albedo, b.specular_albedo)
        assert torch.equal(read.camera.K, made.camera.K)
        assert torch.equal(read.camera.world_to_camera, made.camera.world_to_camera)
        assert torch.equal(read.light.colors, light.colors)
        assert torch.equal(read.light.directions, light.directions)
        with pytest.raises(RuntimeError, match="drawn anew"):
            make_heads(head, tmp_path, 1, None, 6)
        path.unlink()
        with pytest.raises(RuntimeError, match="drawn anew"):
            make_heads(head, tmp_path, 1, None, 5)
