"""Hair grows where it should, lies on the head, and goes along with another one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitme.hair import (
    PRESETS,
    BeardStyle,
    BrowStyle,
    HairStyle,
    Kind,
    Strands,
    draw_beard,
    draw_brows,
    draw_style,
    grow,
    grow_beard,
    grow_brows,
    grow_lashes,
)
from fitme.hair.gravity import UPRIGHT
from fitme.hair.scalp import scalp_of
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel, load_head


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def depth_in_head(strands: Strands) -> np.ndarray:
    """How far inside of the head or the shoulders each point lies, [N,K] metres."""
    return -strands.anchor.collision.at(strands.points)[0]


class TestGrow:
    @pytest.mark.parametrize("name", sorted(PRESETS))
    def test_presets(self, head: HeadModel, name: str) -> None:
        hair = grow(head, PRESETS[name], 1, 600)
        assert np.isfinite(hair.points).all() and (hair.half_width > 0).all()
        assert (hair.kind == Kind.HAIR).all()
        # the grid is 6 mm wide, so that a part of that is as good as nothing
        on_head = hair.points[..., 1] > -0.09
        assert (depth_in_head(hair) > 0.001)[on_head].mean() < 0.008
        assert (depth_in_head(hair) > 0.012).mean() < 0.02

    def test_roots_are_on_the_scalp(self, head: HeadModel) -> None:
        hair = grow(head, PRESETS["crop"], 2, 2000)
        corners = hair.anchor.vertices[hair.anchor.triangles[hair.triangle]]
        root = (corners * hair.barycentric[..., None]).sum(1)
        assert np.abs(root - hair.points[:, 0]).max() < 1e-5
        assert not (root[:, 1] < -0.06).any()
        face = (root[:, 2] > 0.075) & (root[:, 1] < 0.085)
        assert face.mean() < 0.002
        assert np.abs(np.sort(root[:, 0]).mean()) < 0.003

    def test_short_hair_leaves_ears_free(self, head: HeadModel) -> None:
        hair = grow(head, PRESETS["side_part"], 2, 2000)
        scalp = scalp_of(head)
        nearest = scalp.collision.nearest_vertex(hair.points[:, 2:])
        on_ear = scalp.on_ear[nearest] & (nearest >= 0)
        assert on_ear.mean() < 0.01

    def test_only_a_fringe_hangs_over_the_forehead(self, head: HeadModel) -> None:
        def below(style: HairStyle) -> int:
            x, y, z = grow(head, style, 4, 2000).points.reshape(-1, 3).T
            return int(((np.abs(x) < 0.02) & (y > 0.03) & (y < 0.085) & (z > 0.05)).sum())

        back = replace(PRESETS["swept_back"], flyaways=1.0)
        assert below(back) == 0
        assert below(replace(back, fringe=0.06)) > 50

    def test_hair_of_a_tilted_head_hangs_down(self, head: HeadModel) -> None:
        tips = [
            grow(head, PRESETS["long_straight"], 2, 400, down).points[:, -1, 0].mean()
            for down in (UPRIGHT, (0.5, -0.866, 0.0))
        ]
        assert tips[1] > tips[0] + 0.02

    def test_same_seed_same_hair(self, head: HeadModel) -> None:
        one, two, other = (grow(head, PRESETS["curly"], seed, 300) for seed in (3, 3, 4))
        assert np.array_equal(one.points, two.points)
        assert not np.array_equal(one.points, other.points)

    def test_lengths(self, head: HeadModel) -> None:
        hair = grow(head, HairStyle(top=0.1, sides=0.1, back=0.1, nape=0.1, layers=0.0), 5, 500)
        long = np.linalg.norm(np.diff(hair.points, axis=1), axis=2).sum(1)
        assert 0.08 < np.median(long) < 0.125

    def test_a_ring_is_bald_on_top(self, head: HeadModel) -> None:
        hair = grow(head, PRESETS["ring"], 5, 3000)
        assert (hair.points[:, 0, 1] > 0.12).mean() < 0.01

    def test_draws_differ(self) -> None:
        random = np.random.default_rng(0)
        styles = [draw_style(random) for _ in range(40)]
        assert len(set(styles)) == 40
        tops = np.array([style.top for style in styles])
        assert (tops < 0.1).mean() > 0.2 and (tops > 0.15).mean() > 0.2

    def test_nonsense_is_refused(self) -> None:
        with pytest.raises(ValueError, match="positive"):
            HairStyle(top=0.0)


class TestFacialHair:
    def test_beard_leaves_lips_free(self, head: HeadModel) -> None:
        beard = grow_beard(head, BeardStyle(), 0, 2000)
        lips = scalp_of(head).regions["lips"]
        corners = beard.anchor.triangles[beard.triangle]
        assert ((lips[corners] * beard.barycentric).sum(1) > 0.8).mean() < 0.01
        assert beard.points[:, 0, 1].max() < 0.04

    def test_brows_hit_their_region(self, head: HeadModel) -> None:
        brows = grow_brows(head, BrowStyle(), 0)
        mask = scalp_of(head).regions["brows"] > 0.3
        place = scalp_of(head).vertices[mask]
        root = brows.points[:, 0]
        far = np.linalg.norm(root[:, None] - place[None], axis=2).min(1)
        assert np.quantile(far, 0.95) < 0.006
        assert depth_in_head(brows).max() < 0.002

    def test_lashes_are_at_the_eyes(self, head: HeadModel) -> None:
        lashes = grow_lashes(head, BrowStyle(), 0)
        assert len(lashes) > 100 and (lashes.points[..., 1] > 0.02).all()
        assert (lashes.points[:, -1, 2] > lashes.points[:, 0, 2]).mean() > 0.9

    def test_draws(self, head: HeadModel) -> None:
        random = np.random.default_rng(1)
        for seed in range(5):
            beard = grow_beard(head, draw_beard(random), seed, 500)
            brows = grow_brows(head, draw_brows(random), seed)
            both = Strands.join([beard, brows])
            assert len(both) == len(beard) + len(brows)
            assert len(both.of_kind(Kind.BROW)) == len(brows)


class TestOn:
    def test_the_mean_head_changes_little(self, head: HeadModel) -> None:
        hair = grow(head, PRESETS["bob"], 0, 500)
        same = hair.on(head.mean.numpy())
        assert np.abs(same.points - hair.points).max() < 0.006

    def test_another_head(self, head: HeadModel) -> None:
        hair = grow(head, PRESETS["long_straight"], 0, 800)
        identity = torch.zeros(1, len(head.identity))
        identity[0, :6] = torch.tensor([2.0, -2.0, 1.5, -1.5, 1.0, -1.0])
        expression = torch.zeros(1, len(head.expression_names))
        expression[0, head.expression_index("jawOpen")] = 1.0
        vertices = Geometry(head, identity).vertices(expression)[0].numpy()
        moved = hair.on(vertices)
        corners = vertices[hair.anchor.triangles[hair.triangle]]
        root = (corners * hair.barycentric[..., None]).sum(1)
        assert np.abs(root - moved.points[:, 0]).max() < 1e-4

    def test_a_moved_head_carries_its_hair(self, head: HeadModel) -> None:
        hair = grow(head, PRESETS["pony_tail"], 0, 300)
        shift = np.array([0.3, -0.1, 0.2], np.float32)
        moved = hair.on(head.mean.numpy() + shift)
        assert np.abs(moved.points - shift - hair.on(head.mean.numpy()).points).max() < 1e-3

    def test_wrong_vertices_are_refused(self, head: HeadModel) -> None:
        hair = grow(head, PRESETS["buzz"], 0, 50)
        with pytest.raises(ValueError, match="wanted"):
            hair.on(np.zeros((4, 3), np.float32))
