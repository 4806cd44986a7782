"""What people wear and hold lies where it must on any head."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial import cKDTree

from fitme.head.model import HeadModel
from fitme.models.train.photos import eyewear, garments, headwear, held, masks
from fitme.models.train.photos.measures import Measures
from fitme.models.train.photos.prop import Array, Prop
from fitme.models.train.photos.props import Frequencies, draw_props
from fitme.segment.labels import Label

SKIN = np.array([0.45, 0.27, 0.19])
Draw = Callable[[np.random.Generator, HeadModel, Array], list[Prop]]


def every_draw() -> dict[str, Draw]:
    """One drawing function per kind of each family."""
    draws: dict[str, Draw] = {
        "glasses": eyewear.draw_glasses,
        "sunglasses": lambda r, h, v: eyewear.draw_glasses(r, h, v, sunglasses=True),
    }
    for kind in garments.CHANCE:
        draws[f"garment {kind}"] = lambda r, h, v, k=kind: garments.draw_garment(  # type: ignore[misc]
            r, h, v, SKIN, kind=k, turn=20.0
        )
    for kind in held.CHANCE:
        draws[f"held {kind}"] = lambda r, h, v, k=kind: held.draw_held(r, h, v, SKIN, kind=k)  # type: ignore[misc]
    for kind in headwear.CHANCE:
        draws[f"headwear {kind}"] = lambda r, h, v, k=kind: headwear.draw_headwear(  # type: ignore[misc]
            r, h, v, kind=k
        )
    for kind in masks.CHANCE:
        draws[f"mask {kind}"] = lambda r, h, v, k=kind: masks.draw_mask(r, h, v, kind=k)  # type: ignore[misc]
    return draws


def volume(prop: Prop) -> float:
    """Signed volume in cubic metres about the prop's middle; positive where it faces outwards."""
    corners = (prop.vertices.astype(float) - prop.vertices.mean(0))[prop.triangles]
    return float((corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def facing(prop: Prop, point: Array) -> float:
    """Area-weighted mean cosine between the triangles' normals and the way from `point`."""
    corners = prop.vertices.astype(float)[prop.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    way = corners.mean(1) - point
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return float((normals * way).sum() / np.linalg.norm(normals, axis=1).sum())


CLOSED = ("glasses frame", "hand", "arm", "stand", "station cube", "phone", "emblem",
          "headphones", "ear pads", "ear loop", "microphone foam", "microphone head", "bobble",
          "cord", "cup")  # fmt: skip
AROUND_THE_HEAD = ("beanie", "cap", "hat", "helmet", "turban", "headband", "head scarf", "hood",
                   "surgical mask", "cloth mask", "respirator mask", "strip of cloth",
                   "left lens", "right lens")  # fmt: skip
AROUND_THE_BODY = ("shoulders", "garment", "shirt", "jacket", "turtleneck", "collar band")


@pytest.mark.parametrize("name", list(every_draw()))
def test_every_kind_is_a_sound_mesh(name: str, head: HeadModel, heads: list[Array]) -> None:
    draw = every_draw()[name]
    for seed, vertices in enumerate(heads):
        centre = Measures.of(head, vertices).centre
        props = draw(np.random.default_rng(seed), head, vertices)
        assert props
        for prop in props:
            assert prop.vertices.dtype == np.float32 and np.isfinite(prop.vertices).all()
            assert np.abs(prop.vertices - centre).max() < 1.0
            assert prop.triangles.min() >= 0 and prop.triangles.max() < len(prop.vertices)
            assert prop.uv.min() >= -1e-6 and prop.uv.max() <= 1 + 1e-6
            assert prop.albedo.min() > 0 and prop.albedo.max() <= 1
            assert prop.label in (Label.GLASSES, Label.OTHER, Label.CLOTHES, Label.NECK)
            if prop.name in CLOSED:
                assert volume(prop) > 0, prop.name
            if prop.name in AROUND_THE_HEAD:
                assert facing(prop, centre) > 0.1, prop.name
            if prop.name in AROUND_THE_BODY:
                assert facing(prop, centre - (0, 0.35, 0)) > 0.1, prop.name


def test_the_same_seed_draws_the_same(head: HeadModel, heads: list[Array]) -> None:
    often = Frequencies(1, 0, 1, 1, 1)
    one, other = (
        draw_props(np.random.default_rng(3), head, heads[0], SKIN, frequencies=often)
        for _ in range(2)
    )
    assert [prop.name for prop in one] == [prop.name for prop in other]
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.vertices, b.vertices) and np.array_equal(a.albedo, b.albedo)


def test_frequencies_choose(head: HeadModel, heads: list[Array]) -> None:
    never = Frequencies(0, 0, 0, 0, 0)
    props = draw_props(np.random.default_rng(1), head, heads[0], SKIN, frequencies=never)
    assert {prop.label for prop in props} <= {Label.CLOTHES, Label.NECK}
    always = Frequencies(0, 1, 0, 0, 0)
    props = draw_props(np.random.default_rng(1), head, heads[0], SKIN, frequencies=always)
    assert sum(prop.label == Label.GLASSES for prop in props) == 3


class TestGlasses:
    def test_lenses_stand_before_the_eyes(self, head: HeadModel, heads: list[Array]) -> None:
        for seed in range(12):
            vertices = heads[seed % 4]
            measures = Measures.of(head, vertices)
            props = eyewear.draw_glasses(np.random.default_rng(seed), head, vertices)
            for eye, cornea, lens in zip((0, 1), measures.corneas, props[1:], strict=True):
                low, high = lens.vertices.min(0), lens.vertices.max(0)
                centre = measures.eyes[eye]
                assert (low[:2] < centre[:2]).all() and (centre[:2] < high[:2]).all()
                at = np.linalg.norm(lens.vertices[:, :2] - centre[:2], axis=1).argmin()
                assert 0.008 < lens.vertices[at, 2] - cornea[2] < 0.030

    def test_nothing_cuts_the_face(self, head: HeadModel, heads: list[Array]) -> None:
        """Rims and lenses lie before the skin of the face at their places."""
        for seed in range(12):
            vertices = heads[seed % 4]
            measures = Measures.of(head, vertices)
            for lens in eyewear.draw_glasses(np.random.default_rng(seed), head, vertices)[1:]:
                ahead = lens.vertices[:, 2] - measures.depth_of_face(lens.vertices[:, :2])
                assert np.quantile(ahead, 0.05) > 0

    def test_temples_reach_the_ears(self, head: HeadModel, heads: list[Array]) -> None:
        for seed, vertices in enumerate(heads):
            measures = Measures.of(head, vertices)
            frame = eyewear.draw_glasses(np.random.default_rng(seed), head, vertices)[0]
            distance, _ = cKDTree(frame.vertices).query(measures.ear_tops)
            assert distance.max() < 0.009


class TestGarments:
    def test_bare_skin_goes_on_from_the_neck(self, head: HeadModel, heads: list[Array]) -> None:
        """Every point of the neck's rim has the shoulders' skin within two millimetres."""
        for seed, vertices in enumerate(heads):
            measures = Measures.of(head, vertices)
            rng = np.random.default_rng(seed)
            bare = garments.draw_garment(rng, head, vertices, SKIN, kind="bare shoulders")[0]
            assert bare.label == Label.NECK
            distance, _ = cKDTree(bare.vertices).query(measures.ring)
            assert distance.max() < 0.002

    def test_cloth_lies_outside_of_the_skin(self, head: HeadModel, heads: list[Array]) -> None:
        for seed, vertices in enumerate(heads):
            rng = np.random.default_rng(seed)
            bare, cloth = garments.draw_garment(rng, head, vertices, SKIN, kind="t-shirt")[:2]
            corners = bare.vertices[bare.triangles].astype(float)
            normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
            middles = corners.mean(1)
            near, index = cKDTree(middles).query(cloth.vertices)
            height = ((cloth.vertices - middles[index]) * normals[index]).sum(1)
            assert np.quantile(height[near < 0.015], 0.1) > 0.001


class TestTouch:
    @pytest.mark.parametrize("kind", ["chin", "cheek", "mouth", "forehead"])
    def test_a_hand_touches_the_face(self, kind: str, head: HeadModel, heads: list[Array]) -> None:
        for seed, vertices in enumerate(heads):
            measures = Measures.of(head, vertices)
            rng = np.random.default_rng(seed)
            hand = held.draw_held(rng, head, vertices, SKIN, kind=kind)[0]
            clear = measures.distance(hand.vertices)
            assert -0.012 < np.quantile(clear, 0.003) < 0.004

    def test_hats_hide_the_skull(self, head: HeadModel, heads: list[Array]) -> None:
        for kind in ("beanie", "cap", "helmet", "brimmed hat", "turban"):
            for seed, vertices in enumerate(heads):
                measures = Measures.of(head, vertices)
                rng = np.random.default_rng(seed)
                hat = headwear.draw_headwear(rng, head, vertices, kind=kind)[0]
                above = hat.vertices[hat.vertices[:, 1] > measures.centre[1] + 0.06]
                assert np.quantile(measures.clearance(above), 0.02) > 0.001, kind
