"""Cards are a valid mesh near the strands they stand for; lashes go along with the lids."""

from __future__ import annotations

import numpy as np
import pytest

from fitme.hair import PRESETS, BeardStyle, Hair, Kind
from fitme.hair.card_atlas import HAIR_STRIPS, Wave, draw_atlas
from fitme.hair.card_hinge import turns
from fitme.hair.card_lift import Skin
from fitme.hair.card_paths import at_places, group_paths, places
from fitme.hair.cards import HairCards
from fitme.hair.clusters import clustered
from fitme.hair.cover import cover
from fitme.hair.dressed import hair_of_head
from fitme.hair.lash_cards import lash_cards
from tests.small_avatar import small_avatar

SMALL = 256  # pixels of atlases
WORN = Hair(PRESETS["side_part"], beard=BeardStyle(), seed=2)


@pytest.fixture(scope="module")
def made():
    return {d.cards.name: d for d in hair_of_head(WORN, small_avatar().head, side=SMALL)}


@pytest.fixture(scope="module")
def lashes() -> HairCards:
    return lash_cards(small_avatar().head)[0]


def areas(cards: HairCards) -> np.ndarray:
    a, b, c = np.moveaxis(cards.vertices[cards.triangles], 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


class TestMesh:
    @pytest.mark.parametrize("name", ["hair", "beard"])
    def test_valid(self, made, name) -> None:
        cards = made[name].cards
        count = len(cards.vertices)
        assert cards.triangles.min() >= 0 and cards.triangles.max() < count
        assert areas(cards).min() > 0
        for values in (cards.vertices, cards.uv, cards.normals, cards.visibility):
            assert len(values) == count and np.isfinite(values).all()
        assert cards.uv.min() >= 0 and cards.uv.max() <= 1
        assert cards.visibility.min() >= 0 and cards.visibility.max() <= 1
        assert np.linalg.norm(cards.normals, axis=1) == pytest.approx(1, abs=1e-4)

    def test_deterministic(self, made) -> None:
        again = hair_of_head(WORN, small_avatar().head, side=SMALL)[0]
        assert (again.cards.vertices == made["hair"].cards.vertices).all()
        assert (again.atlas.color == made["hair"].atlas.color).all()

    def test_levels(self, made) -> None:
        full = len(made["hair"].cards.triangles)
        assert 8_000 <= full <= 20_000
        for level, share in ((1, 0.5), (2, 0.2)):
            cards = hair_of_head(WORN, small_avatar().head, level=level, side=SMALL)[0].cards
            assert len(cards.triangles) == pytest.approx(share * full, rel=0.15)

    def test_none(self) -> None:
        assert hair_of_head(Hair(), small_avatar().head) == []

    def test_near_the_strands_and_out_of_the_skin(self, made) -> None:
        head = small_avatar().head
        strands = WORN.strands(head, head.mean.numpy()).of_kind(Kind.HAIR)
        cards = made["hair"].cards
        low, high = np.quantile(strands.points.reshape(-1, 3), [0.001, 0.999], axis=0)
        assert (cards.vertices > low - 0.02).all() and (cards.vertices < high + 0.02).all()
        height, _ = Skin(cards.columns.anchor).height(cards.vertices)
        assert np.quantile(height, 0.01) > -1e-4

    def test_normals_look_outwards(self, made) -> None:
        cards = made["hair"].cards
        away = cards.vertices - np.array([0, 0.08, -0.01])
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        assert (cards.normals * away).sum(1).mean() > 0.7

    def test_roots_follow_the_skin(self, made) -> None:
        """A head moved as a whole takes its cards along."""
        cards, mean = made["hair"].cards, small_avatar().head.mean.numpy()
        moved = cards.on(1.1 * mean + np.array([0.01, -0.02, 0.03], np.float32))
        still = cards.on(mean)
        wanted = 1.1 * still.vertices + np.array([0.01, -0.02, 0.03])
        assert np.abs(moved.vertices - wanted).max() < 5e-4


class TestAtlas:
    def test_strips(self) -> None:
        tones = np.full((4, 8, 3), 0.1, np.float32)
        atlas = draw_atlas(HAIR_STRIPS, tones, Wave(), (256, 64), 0)
        assert atlas.alpha.min() >= 0 and atlas.alpha.max() <= 1
        filled = {}
        for strip in atlas.strips:
            rows = slice(round(strip.top * 256), round(strip.bottom * 256))
            filled.setdefault(strip.kind, []).append(atlas.alpha[rows, :20].mean())
        kinds = [np.mean(filled[kind.name]) for kind in HAIR_STRIPS]
        assert kinds == sorted(kinds, reverse=True)  # from dense to wispy
        assert atlas.alpha[:, -1].max() == 0  # textures repeat: tips must not meet roots
        # what is transparent has the colour of hair as well
        assert atlas.color.min() > 0.02
        assert np.linalg.norm(atlas.normal, axis=-1) == pytest.approx(1, abs=1e-4)

    def test_dissolve_at_the_tip(self) -> None:
        """Less and less of a strip is covered, from half of its length on, and never at once."""
        tones = np.full((4, 8, 3), 0.1, np.float32)
        atlas = draw_atlas(HAIR_STRIPS, tones, Wave(), (1024, 256), 0)
        for kind in ("dense", "medium"):
            strips = [atlas.strips[k] for k in atlas.of_kind(kind)]
            rows = [slice(round(s.top * 1024), round(s.bottom * 1024)) for s in strips]
            cover = np.mean([atlas.alpha[own].mean(0) for own in rows], 0)
            along = cover[128:].reshape(8, 16).mean(1)
            assert (np.diff(along) < 0.01).all() and np.diff(along).min() > -0.35
            assert along[-1] < 0.25 * along[0]

    def test_clusters_are_near(self) -> None:
        random = np.random.default_rng(0)
        middles = random.uniform(-1, 1, (5, 1, 3))
        points = np.repeat(middles, 20, 0) + 0.01 * random.standard_normal((100, 6, 3))
        owner = clustered(points.astype(np.float32), 40, random)
        for group in range(owner.max() + 1):
            assert np.ptp(np.flatnonzero(owner == group) // 20) == 0


class TestPaths:
    def test_stations_keep_to_the_line(self) -> None:
        """More of them where it bends, both ends among them."""
        t = np.linspace(0, np.pi, 20)
        bent = np.stack([np.concatenate([t[:10] * 0, t[10:] - t[10]]), t, 0 * t], -1)
        at = places(np.stack([bent, bent[:, [1, 0, 2]]]).astype(np.float32), 6)
        assert at[:, 0] == pytest.approx(0) and at[:, -1] == pytest.approx(19)
        assert (np.diff(at) > 0).all() and at[0] == pytest.approx(at[1])
        line = at_places(np.stack([bent, bent]).astype(np.float32), at)
        assert line[0, -1] == pytest.approx(bent[-1], abs=1e-5)

    def test_groups(self) -> None:
        """A path stands for its strands: their offsets have no mean, its root is one of them."""
        head = small_avatar().head
        strands = WORN.strands(head, head.mean.numpy()).of_kind(Kind.HAIR)
        up = np.broadcast_to(np.array([0, 1, 0], np.float32), (len(strands), 3))
        paths = group_paths(strands, up, 50, 5, 1, np.random.default_rng(0))
        assert sum(map(len, paths.offsets)) == len(strands)
        for k, offsets in enumerate(paths.offsets):
            assert np.abs(offsets.mean(0)).max() < 1e-5
            root = strands.points[paths.root[k], 0]
            others = np.linalg.norm(strands.points[:, 0] - paths.points[k, 0], axis=1)
            assert np.linalg.norm(root - paths.points[k, 0]) < np.sort(others)[len(strands) // 4]


class TestLashes:
    def test_turns(self) -> None:
        random = np.random.default_rng(1)
        a, b = random.standard_normal((2, 9, 3))
        turned = np.einsum("mij,mj->mi", turns(a, b), a)
        turned *= (np.linalg.norm(b, axis=1) / np.linalg.norm(a, axis=1))[:, None]
        assert turned == pytest.approx(b, abs=1e-4)

    def test_follow_a_blink(self, lashes) -> None:
        head = small_avatar().head
        mean = head.mean.numpy()
        blink = head.expression[head.expression_index("eyeBlinkLeft")].numpy()
        cards = lashes.with_morphs(mean, {"eyeBlinkLeft": mean + blink, "jawOpen": mean}, 1e-4)
        assert set(cards.morph_targets) == {"eyeBlinkLeft"}
        offsets = cards.morph_targets["eyeBlinkLeft"].reshape(cards.columns.points.shape)
        left = cards.columns.points[:, 0, 0] > 0
        assert np.abs(offsets[~left]).max() < 1e-6
        upper = left & (offsets[:, 0, 1] < -0.003)
        assert upper.sum() > 10
        # roots stay on the lid, and tips, which the lid turns down, go further
        hinge = cards.hinge
        corners = cards.columns.anchor.triangles[hinge.triangle]
        skin = (blink[corners] * hinge.barycentric[..., None]).sum(1)
        # cards begin a little behind their root, about which they roll
        assert offsets[:, 0] == pytest.approx(skin, abs=3e-3)
        assert offsets[upper, -1, 1].mean() < offsets[upper, 0, 1].mean() - 0.001


class TestCover:
    def test_hair_hides_the_scalp_alone(self) -> None:
        head = small_avatar().head
        strands = WORN.strands(head, head.mean.numpy()).of_kind(Kind.HAIR)
        share = cover(strands)
        p = strands.anchor.vertices
        skin = np.unique(strands.anchor.triangles)
        top = skin[p[skin, 1] > 0.13]
        face = skin[(p[skin, 1] < 0.05) & (p[skin, 2] > 0.05)]
        assert share[top].mean() > 0.9 and share[face].max() < 0.1
