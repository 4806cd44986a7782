"""A fit held against the truth, where the answer is known; two fits of one person."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.detail_consistency import relief_likeness
from benchmarks.known_heads import KnownHead, avatar_of, portrait_camera
from benchmarks.neutral_head import aligned, neutral_numbers
from benchmarks.same_person import Portrait, albedo_difference, compare
from fitme.head.model import HeadModel, load_head
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.regions import AtlasRegions
from fitme.render.camera import axis_angle_to_matrix
from fitme.render.light import Light


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


class TestNeutralHead:
    def test_of_the_truth_and_of_a_darker_one(self, head: HeadModel) -> None:
        regions = AtlasRegions(head, 64)
        flat = torch.tensor([0.0, 0.0, 1.0]).expand(1, 64, 64, 3)
        draws = torch.Generator().manual_seed(0)
        skin = torch.tensor([0.5, 0.35, 0.25]) * (
            0.9 + 0.2 * torch.rand(1, 64, 64, 1, generator=draws)
        )
        maps = ReflectanceMaps(skin, torch.full((1, 64, 64, 1), 0.03), flat)
        true, dark = (
            avatar_of(head, regions, one, torch.zeros(1, 1))
            for one in (maps, replace(maps, diffuse_albedo=0.8 * skin))
        )
        rest = true.neutral()
        camera = portrait_camera(rest, 10.0, 0.0, 25.0)
        known = KnownHead("a", Path("a.jpg"), true, rest, rest, camera, Light.preset("studio"))
        same, darker = (neutral_numbers(avatar, regions, known) for avatar in (true, dark))
        assert same["albedo"] == pytest.approx(0, abs=1e-5)
        assert same["ITA off"] == pytest.approx(0, abs=1e-3)
        assert same["side dB"] > 60 and same["top dB"] > 60 and same["normal deg"] < 0.2
        assert darker["albedo"] == pytest.approx(0, abs=1e-5)  # but for one scale
        assert darker["ITA off"] < -5
        assert 15 < darker["side dB"] < 35 and darker["normal deg"] < 0.2

    def test_aligned(self, head: HeadModel) -> None:
        turn = axis_angle_to_matrix(torch.tensor([[0.1, -0.2, 0.05]]))[0]
        moved = 1.1 * head.mean[None] @ turn.T + torch.tensor([0.02, 0.0, -0.3])
        assert torch.allclose(aligned(moved, head.mean[None], head), head.mean[None], atol=1e-5)


class TestSamePerson:
    def portrait(self, name: str, head: HeadModel, *, scale: float, pattern: float) -> Portrait:
        x = torch.linspace(0, 1, 20)[None, :, None].expand(20, -1, 3)
        seen = torch.ones(20, 20, dtype=torch.bool)
        wide = head.mean[None] * torch.tensor([1 + pattern, 1.0, 1.0])
        return Portrait(name, 0.3 * scale * (pattern * x).exp(), seen, wide, 40.0)

    def test_tone_is_no_difference_but_pattern_is(self, head: HeadModel) -> None:
        a = self.portrait("a1", head, scale=1.0, pattern=0.0)
        b = self.portrait("a2", head, scale=1.7, pattern=0.0)
        c = self.portrait("b1", head, scale=1.0, pattern=0.1)
        assert albedo_difference(a, b) == pytest.approx(0, abs=1e-6)
        assert albedo_difference(a, c) == pytest.approx(0.1 * 5 / 19, rel=1e-3)  # of 20 on a line
        found = compare([a, b, c], head)
        assert len(found["albedo"]["one person"]) == 1
        assert len(found["albedo"]["different people"]) == 2
        assert found["shape mm"]["one person"][0] == pytest.approx(0, abs=1e-3)
        assert found["shape mm"]["different people"][0] > 0.3

    def test_little_in_common_says_nothing(self, head: HeadModel) -> None:
        a = self.portrait("a1", head, scale=1.0, pattern=0.0)
        left = torch.zeros(20, 20, dtype=torch.bool)
        left[:, :2] = True
        assert math.isnan(albedo_difference(a, replace(a, seen=left)))
        assert albedo_difference(a, a) == 0


class TestConsistency:
    def test_relief_of_one_person_is_alike(self, head: HeadModel) -> None:
        regions = AtlasRegions(head, 64)
        draws = torch.Generator().manual_seed(0)
        tilts = 0.2 * torch.randn(2, 64, 64, 2, generator=draws)
        avatars = {}
        for name, tilt in {"a1": tilts[0], "a2": 0.5 * tilts[0], "b1": tilts[1]}.items():
            normal = torch.cat([tilt, torch.ones(64, 64, 1)], -1)[None]
            normal = normal / normal.norm(dim=-1, keepdim=True)
            albedo = torch.full((1, 64, 64, 3), 0.4)
            maps = ReflectanceMaps(albedo, albedo[..., :1], normal)
            avatars[name] = avatar_of(head, regions, maps, torch.zeros(1, 1))
        found = relief_likeness(avatars, regions.skin)
        assert found["one person"] == pytest.approx([1.0], abs=1e-3)
        assert max(abs(value) for value in found["different people"]) < 0.5
